"""API keys: how they are written, checked without a network, and kept out of sight."""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal, NoReturn

Environment = Literal["production", "sandbox"]

PREFIXES: Final[dict[Environment, str]] = {
    "production": "troph_sk_live_",
    "sandbox": "troph_sk_test_",
}
SECRET_LENGTH: Final = 32
CHECKSUM_LENGTH: Final = 6
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_SECRET = re.compile(rf"[0-9A-Za-z]{{{SECRET_LENGTH}}}")
# What a bearer token may be made of; it also keeps line breaks out of the header, where the HTTP
# library would quote the offending value, and with it the key, in its error message.
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


class KeyMalformed(ValueError):
    """The text is not an API key; the message never repeats the text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def checksum(body: str) -> str:
    """The six base62 characters that end a key whose other characters are *body*.

    CRC32 of the ASCII bytes, digits before capitals before small letters, most significant
    first, padded with ``0``. It catches typing and copying slips, not forgeries.
    """
    rest = zlib.crc32(body.encode("ascii"))
    letters: list[str] = []
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))


def assemble(environment: Environment, secret: str) -> str:
    """The complete key that carries *secret* in *environment*.

    Raises:
        KeyMalformed: *secret* is not 32 base62 characters.
    """
    if not _SECRET.fullmatch(secret):
        raise KeyMalformed(
            "key_malformed", f"The secret part of a key is {SECRET_LENGTH} base62 characters."
        )
    body = PREFIXES[environment] + secret
    return body + checksum(body)


class ApiKey:
    """A key that shows itself only to whoever asks with `reveal`.

    ``repr``, ``str`` and formatting give the prefix alone, and it refuses to be pickled, so that
    it does not travel into logs, error reports or caches by accident.
    """

    __slots__ = ("_text", "environment")

    def __init__(self, text: str, environment: Environment | None) -> None:
        self._text = text
        self.environment: Final = environment

    @classmethod
    def checked(cls, text: str) -> ApiKey:
        """The key written as *text*, whose form and checksum hold.

        Raises:
            KeyMalformed: it was mistyped, cut, or is something else than an API key.
        """
        environment = _environment_of(text)
        if environment is None:
            raise KeyMalformed(
                "key_malformed",
                f"The API key does not begin with {' or '.join(map(repr, PREFIXES.values()))}: "
                "copy the whole key as it was shown when it was created.",
            )
        prefix = PREFIXES[environment]
        length = len(prefix) + SECRET_LENGTH + CHECKSUM_LENGTH
        if len(text) != length:
            raise KeyMalformed(
                "key_malformed",
                f"The API key has {len(text)} characters and a key has {length}: "
                "copy it again, without spaces or line breaks around it.",
            )
        body, ending = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
        if not _SECRET.fullmatch(body[len(prefix) :]) or checksum(body) != ending:
            raise KeyMalformed(
                "key_malformed",
                "The API key's checksum does not fit the rest of it, so a character is wrong: "
                "copy it again.",
            )
        return cls(text, environment)

    @classmethod
    def unchecked(cls, text: str) -> ApiKey:
        """The key written as *text*, for servers whose keys look otherwise.

        Raises:
            KeyMalformed: it could not be sent as a bearer token at all.

        Source: RFC 6750 §2.1.
        """
        if not _BEARER.fullmatch(text):
            raise KeyMalformed(
                "key_malformed",
                "The API key holds characters that a bearer token cannot have, such as a space "
                "or a line break: copy it again.",
            )
        return cls(text, _environment_of(text))

    def reveal(self) -> str:
        """The key itself, for the Authorization header and nothing else."""
        return self._text

    def redact(self, text: str) -> str:
        """*text* without the key, should somebody have echoed it."""
        return text.replace(self._text, str(self))

    def __str__(self) -> str:
        prefix = PREFIXES[self.environment] if self.environment else ""
        return f"{prefix}[hidden]"

    def __repr__(self) -> str:
        return f"ApiKey({str(self)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("An API key is not pickled: create the client where it is used.")


def _environment_of(text: str) -> Environment | None:
    for environment, prefix in PREFIXES.items():
        if text.startswith(prefix):
            return environment
    return None
