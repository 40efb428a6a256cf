"""API keys: ``troph_sk_live_`` + 32 base62 characters + 6 of checksum.

The prefix lets people and secret scanners recognise a key, the checksum lets a mistyped one be refused without asking the database, and
only a SHA-256 digest is stored: 190 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from typing import Final, Literal

Environment = Literal["live", "test"]

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH: Final = 32
CHECKSUM_LENGTH: Final = 6
PREFIXES: Final[dict[Environment, str]] = {"live": "troph_sk_live_", "test": "troph_sk_test_"}
SHOWN_LENGTH: Final = len(PREFIXES["live"]) + 4


def generate(environment: Environment) -> str:
    """A new key."""
    body = PREFIXES[environment] + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    """The CRC-32 of all that stands before it, in base62."""
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def well_formed(key: str) -> bool:
    """Whether the text can be one of our keys at all."""
    expected = len(PREFIXES["live"]) + RANDOM_LENGTH + CHECKSUM_LENGTH
    return (
        len(key) == expected
        and key.startswith(tuple(PREFIXES.values()))
        and key.isascii()
        and secrets.compare_digest(checksum(key[:-CHECKSUM_LENGTH]), key[-CHECKSUM_LENGTH:])
    )


def digest(key: str) -> bytes:
    """What is stored and looked up."""
    return hashlib.sha256(key.encode()).digest()


def shown(key: str) -> str:
    """The part that lists may show."""
    return key[:SHOWN_LENGTH]
