"""The text of a file: its encoding, and its physical lines, each of bounded length."""

import codecs
import io
from typing import BinaryIO, Final, NamedTuple

from charset_normalizer import from_bytes

from trophenix_recruitment.problems import FileRefused
from trophenix_recruitment.reading.source import EXPECTED, Source

_BLOCK: Final = 262_144
_SAMPLE: Final = 65_536
UNDECODABLE: Final = "\udcff"
"""Stands for bytes that do not belong to the encoding; refused wherever it turns up."""

_ERRORS: Final = "trophenix_recruitment.undecodable"

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# One-byte encodings in which lists of names are really exported, likeliest first.
_LEGACY: Final = ("cp1252", "latin_1", "iso8859_15", "cp1250", "cp1251", "cp1254", "mac_roman")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


codecs.register_error(_ERRORS, _mark)


def encoding_of(source: Source, named: str | None = None) -> str:
    """Give the encoding of *source*: the *named* one, its byte-order mark's, or the one that fits.

    A file that is UTF-8 from end to end is UTF-8. Bytes that fit no guess do not fail here: they
    are found in the rows where they stand.

    Raises:
        FileRefused: *named* is no encoding.
    """
    if named is not None:
        return _known(named)
    start = source.start(_SAMPLE)
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return encoding
    if wide := _without_mark(start):
        return wide
    foreign = _outside_utf8(source)
    if foreign is None:
        return "utf-8"
    return _legacy(foreign)


def _known(named: str) -> str:
    try:
        info = codecs.lookup(named)
    except (LookupError, ValueError):
        info = None
    # "rot13", "hex" and the like are codecs, but not of text.
    if info is None or not getattr(info, "_is_text_encoding", True):
        raise FileRefused(
            "file.encoding_unknown",
            f"the encoding {named[:40]!r}",
            "an encoding such as utf-8, cp1252 or utf-16",
            "name another encoding, or none: it is then detected.",
        )
    return "utf-8-sig" if info.name == "utf-8" else info.name


def _without_mark(start: bytes) -> str | None:
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if half >= 4 and odd * 10 > half * 7 and even * 10 < half:
        return "utf-16-le"
    if half >= 4 and even * 10 > half * 7 and odd * 10 < half:
        return "utf-16-be"
    return None


def _outside_utf8(source: Source) -> bytes | None:
    """Give the part of the file around the first bytes that are not UTF-8, or ``None``."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    previous = b""
    with source.open() as stream:
        while True:
            block = stream.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                return (previous + block)[-2 * _SAMPLE :] if not block else _around(previous, block)
            if not block:
                return None
            previous = block[-_SAMPLE:]


def _around(previous: bytes, block: bytes) -> bytes:
    """Lines with foreign bytes tell more about the encoding than those without."""
    lines = (previous[-1024:] + block).splitlines()
    foreign = [line for line in lines if not line.isascii()]
    return b"\n".join(foreign)[:_SAMPLE]


def _legacy(sample: bytes) -> str:
    # Valid UTF-8 nearly everywhere: one damaged row must not turn every accent into garbage.
    strict = sample.decode("utf-8", errors="replace")
    damaged = strict.count("\ufffd")
    foreign = sum(1 for character in strict if character > "\x7f")
    if damaged and foreign >= 10 * damaged:
        return "utf-8"
    found = from_bytes(sample, cp_isolation=list(_LEGACY)).best()
    if found is None or found.encoding in {"latin_1", "iso8859_15", "cp1252", "ascii"}:
        # Browsers and spreadsheets read "latin 1" as cp1252, of which it is a part.
        return "cp1252"
    guessed = str(found.encoding)
    western = sample.decode("cp1252", errors="replace")
    return "cp1252" if _western(western) else guessed


def _western(text: str) -> bool:
    """Tell whether nearly all foreign characters of *text* are letters of western Europe."""
    foreign = [character for character in text if character > "\x7f"]
    letters = sum(1 for character in foreign if character in _WESTERN)
    return letters * 10 >= len(foreign) * 9


_WESTERN: Final = frozenset("àâäáãåæçéèêëíìîïñóòôöõøœúùûüýÿßÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜŸ°«»’–€")


class Line(NamedTuple):
    """One physical line with its end; ``text`` is ``None`` when it is longer than allowed."""

    number: int
    text: str | None


class Lines:
    r"""The physical lines of a stream: ended by ``\n``, ``\r\n`` or ``\r``, counted from 1."""

    def __init__(self, stream: BinaryIO, encoding: str, longest: int) -> None:
        self._text = io.TextIOWrapper(stream, encoding, errors=_ERRORS, newline="")
        self._longest = longest
        self._number = 0
        self._ahead = ""

    def next(self) -> Line | None:
        """Give the next line, or ``None`` at the end."""
        text = self._ahead + self._text.readline(self._longest)
        self._ahead = ""
        if not text:
            return None
        self._number += 1
        if len(text) < self._longest or text.endswith("\n"):
            return Line(self._number, text)
        return self._long(text)

    def _long(self, text: str) -> Line:
        short = True
        while text and text[-1] not in "\r\n":
            text = self._text.readline(self._longest)
            short = False
        if text.endswith("\r"):
            # The limit may have cut a line end in two.
            following = self._text.read(1)
            self._ahead = "" if following == "\n" else following
            if short:
                return Line(self._number, text)
        return Line(self._number, None)

    def read(self, count: int) -> str:
        """Give up to *count* characters, line ends included."""
        return self._text.read(count)

    def close(self) -> None:
        """Let go of the stream without closing it."""
        self._text.detach()


def sample_of(source: Source, encoding: str, characters: int = _SAMPLE) -> str:
    """Give the first *characters* of the text.

    Raises:
        FileRefused: the file does not begin with text of that encoding.
    """
    with source.open() as stream:
        lines = Lines(stream, encoding, characters)
        try:
            sample = lines.read(characters)
        except UnicodeError as error:
            raise FileRefused(
                "file.encoding_wrong",
                f"a file that is not {encoding}",
                EXPECTED,
                "name its encoding, or save it as UTF-8.",
            ) from error
        finally:
            lines.close()
    return sample
