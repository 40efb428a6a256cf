"""Where the bytes of an import come from, and what they are."""

import io
import os
import tempfile
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Literal

from trophenix_recruitment.problems import FileRefused, FileTooLarge
from trophenix_recruitment.reading.limits import Limits

Content = Literal["text", "zip"]

_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ\x90\x00", "a program (Windows)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"{\\rtf", "a rich-text document"),
)
_OLE2: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
EXPECTED: Final = "a CSV, XLSX, JSON or JSON Lines file"
_SPOOLED_BYTES: Final = 1024 * 1024


class Source:
    """Bytes that can be read from the start as often as needed."""

    def __init__(self, origin: Path | bytes | BinaryIO, limits: Limits) -> None:
        """Hold *origin*; a stream that cannot go back is copied, at most to the size limit.

        Raises:
            FileTooLarge: there are more bytes than ``limits.file_bytes``.
            FileRefused: the path is no readable file, or there are no bytes at all.
        """
        self._origin = origin if isinstance(origin, Path | bytes) else _seekable(origin, limits)
        if self._origin is not origin and not isinstance(self._origin, Path | bytes):
            weakref.finalize(self, self._origin.close)
        self.size = self._measure()
        if self.size > limits.file_bytes:
            raise _too_large(f"{self.size:,} bytes", limits)
        if self.size == 0:
            raise FileRefused(
                "file.empty", "an empty file", EXPECTED, "export the list again and send that."
            )

    def _measure(self) -> int:
        origin = self._origin
        if isinstance(origin, bytes):
            return len(origin)
        if isinstance(origin, Path):
            try:
                if origin.is_file():
                    return origin.stat().st_size
            except OSError:
                pass  # reported below, as for anything that is not a file
            raise FileRefused("file.missing", "no such file", EXPECTED, "check the file's name.")
        return origin.seek(0, os.SEEK_END)

    @contextmanager
    def open(self) -> Generator[BinaryIO]:
        """Give the bytes from the start; one reader at a time when the origin is a stream."""
        if isinstance(self._origin, bytes):
            yield io.BytesIO(self._origin)
        elif isinstance(self._origin, Path):
            with self._origin.open("rb") as stream:
                yield stream
        else:
            self._origin.seek(0)
            yield self._origin

    def start(self, count: int) -> bytes:
        """Give the first *count* bytes."""
        with self.open() as stream:
            return stream.read(count)


def _too_large(found: str, limits: Limits) -> FileTooLarge:
    return FileTooLarge(
        "file.too_large",
        found,
        f"at most {limits.file_bytes:,} bytes",
        "split the list into several files.",
    )


def _seekable(stream: BinaryIO, limits: Limits) -> BinaryIO:
    if stream.seekable():
        return stream
    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES)  # noqa: SIM115 - read again later
    total = 0
    while block := stream.read(65_536):
        total += len(block)
        if total > limits.file_bytes:
            copy.close()
            raise _too_large(f"more than {limits.file_bytes:,} bytes", limits)
        copy.write(block)
    return copy  # pyright: ignore[reportReturnType] - a SpooledTemporaryFile reads like a BinaryIO


def content_of(start: bytes) -> Content:
    """Tell whether a file that begins with *start* is text or a zip archive (a workbook is one).

    Raises:
        FileRefused: it is something else; the error names it.
    """
    if start.startswith(_ZIP):
        return "zip"
    if start.startswith(_OLE2):
        raise FileRefused(
            "file.old_workbook",
            "an old or password-protected Office document",
            "an XLSX workbook without password",
            "open it, save it as .xlsx without a password, and send that.",
        )
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            raise _not_a_list(name)
    return "text"


def _not_a_list(found: str) -> FileRefused:
    return FileRefused(
        "file.not_a_list", found, EXPECTED, "export the athletes as CSV or XLSX and send that."
    )


def refuse_binary(sample: str) -> None:
    """Refuse text that is no text: more than one control character in fifty.

    Raises:
        FileRefused: the file is binary.
    """
    control = sum(
        1
        for character in sample
        if (character < " " and character not in "\t\r\n\f") or character == "\x7f"
    )
    if control * 50 > len(sample):
        raise _not_a_list("a binary file")
