"""Rows kept aside in a temporary file, for a source that is costly to read again."""

import struct
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import msgspec

from trophenix_recruitment.model import RawRow, RowProblem
from trophenix_recruitment.reading.delimited import Blank

_IN_MEMORY: Final = 4 * 1024 * 1024
_SIZE: Final = struct.Struct("<I")


class Spool:
    """What a first pass gave, given again; complete only when that pass went to the end."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self.complete = False
        weakref.finalize(self, self._file.close)

    def record(
        self, rows: Iterable[RawRow | RowProblem | Blank]
    ) -> Iterator[RawRow | RowProblem | Blank]:
        """Give *rows* and keep them."""
        self._file.seek(0)
        self._file.truncate()
        encode = msgspec.msgpack.Encoder().encode
        for row in rows:
            if isinstance(row, RawRow):
                kept = encode((row.line, row.cells))
            elif isinstance(row, RowProblem):
                kept = encode((row.line, row))
            else:
                kept = encode((row.line, None))
            self._file.write(_SIZE.pack(len(kept)))
            self._file.write(kept)
            yield row
        self.complete = True

    def replay(self) -> Iterator[RawRow | RowProblem | Blank]:
        """Give the kept rows again."""
        self._file.seek(0)
        decode = msgspec.msgpack.Decoder().decode
        while size := self._file.read(_SIZE.size):
            kept = self._file.read(cast("int", _SIZE.unpack(size)[0]))
            line, content = cast("tuple[int, Any]", decode(kept))
            if isinstance(content, list):
                yield RawRow(line, cast("list[Any]", content))
            elif content is None:
                yield Blank(line)
            else:
                yield msgspec.convert(content, RowProblem)
