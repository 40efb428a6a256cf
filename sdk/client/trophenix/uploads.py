"""What goes up in a bulk import: a file or a list, checked and made ready to be sent in pieces."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, cast

import msgspec

from trophenix.errors import InvalidArgument
from trophenix.exchange import Upload, to_json

Source: TypeAlias = Literal["csv", "xlsx", "json"]
Mode: TypeAlias = Literal["preview", "apply"]
Listener: TypeAlias = Callable[[int], object]

CONTENT_TYPES: Final[dict[Source, str]] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What `bulk_import` was asked to do; refused when it contradicts itself."""

    source: Source | None
    file_path: str | os.PathLike[str] | None
    file: BinaryIO | None
    athletes: Sequence[Mapping[str, object]] | None
    batch_size: int
    mode: Mode
    mapping: Mapping[str, str] | None
    on_progress: Listener | None
    wait: bool
    wait_timeout: float
    idempotency_key: str | None

    def __post_init__(self) -> None:
        given = [each is not None for each in (self.file_path, self.file, self.athletes)]
        if sum(given) != 1:
            raise InvalidArgument(
                f"{sum(given)} of file_path, file and athletes were given.",
                next_step="give exactly one of them.",
            )
        if self.batch_size < 1:
            raise InvalidArgument(
                f"batch_size is {self.batch_size}.", next_step="give a whole number above 0."
            )
        if self.mode not in ("preview", "apply"):
            raise InvalidArgument(f"mode is {self.mode!r}.", next_step="give 'preview' or 'apply'.")
        if isinstance(self.file, io.TextIOBase):
            raise InvalidArgument(
                "The file was opened as text.", next_step="open it in binary mode, 'rb'."
            )

    def format(self, filename: str) -> Source:
        """The format asked for, else the one *filename* ends with."""
        found = self.source or Path(filename).suffix.removeprefix(".").lower()
        if found not in CONTENT_TYPES:
            raise InvalidArgument(
                f"{found!r} is no format that is imported.",
                next_step=f"give source as one of {', '.join(map(repr, CONTENT_TYPES))}.",
            )
        return found


class _Stream:
    """A file of which only the reading is known.

    It hides ``fileno`` and ``tell``: the HTTP library takes the size of the underlying file for
    the length of what will be read, which is 0 for a pipe and the packed size for an open gzip.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class _Rewindable(_Stream):
    """A stream that can be read again, for another try."""

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)


def upload(order: Order, opened: ExitStack) -> Upload:
    """The file of *order*, ready to be sent; when it is opened here, *opened* will close it."""
    if order.athletes is not None:
        content = to_json(order.athletes)
        file, filename, source = cast("BinaryIO", io.BytesIO(content)), "athletes.json", "json"
    elif order.file_path is not None:
        path = Path(order.file_path)
        source = order.format(path.name)
        file, filename = cast("BinaryIO", opened.enter_context(path.open("rb"))), path.name
    else:
        file = cast("BinaryIO", order.file)
        name: object = getattr(file, "name", None)
        filename = Path(name).name if isinstance(name, str) and name else ""
        source = order.format(filename)
        filename = filename or f"athletes.{source}"
    fields = [
        ("source", source),
        ("batch_size", str(order.batch_size)),
        ("mode", order.mode),
    ]
    if order.mapping:
        fields.append(("mapping", msgspec.json.encode(order.mapping).decode()))
    replayable = file.seekable()
    if not _is_plain(file):
        file = cast("BinaryIO", _Rewindable(file) if replayable else _Stream(file))
    return Upload(
        file=file,
        filename=filename,
        content_type=CONTENT_TYPES[source],
        fields=tuple(fields),
        replayable=replayable,
    )


def _is_plain(file: BinaryIO) -> bool:
    """Whether the length of *file* can be known beforehand, and is what will be read."""
    if isinstance(file, io.BytesIO):
        return True
    raw: object = file
    if isinstance(file, (io.BufferedReader, io.BufferedRandom)):
        raw = cast("io.BufferedReader", file).raw
    return isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
