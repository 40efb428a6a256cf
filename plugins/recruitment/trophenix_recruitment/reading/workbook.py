"""Rows of the first sheet of an XLSX workbook, after its parts were found safe to open.

A workbook is a zip archive of XML: before openpyxl sees it, sizes and ratios are compared with
the limits, document types (and so entities) are refused, and the sheet is scanned for rows and
cells that would not fit in memory.
"""

import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, NoReturn, cast
from xml.etree import ElementTree
from xml.parsers import expat

import openpyxl

from trophenix_recruitment.cells import cell_text
from trophenix_recruitment.model import RawRow, RowProblem
from trophenix_recruitment.problems import FileRefused, FileTooLarge
from trophenix_recruitment.reading.delimited import Blank, long_field
from trophenix_recruitment.reading.limits import MEBIBYTE, Limits
from trophenix_recruitment.reading.source import EXPECTED, Source

_PARTS: Final = 5_000
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_BLOCK: Final = 65_536
_MARKUP: Final = 4 * MEBIBYTE
_LAST_ROW: Final = 1_048_576
_CONTENT_TYPES: Final = "[Content_Types].xml"
_SHEETS: Final = "xl/worksheets/"
_STRINGS: Final = "xl/sharedStrings.xml"
_NOT_LOADED: Final = ("xl/media/", "xl/pivotCache/", "xl/embeddings/", "xl/charts/", "xl/drawings/")


def _refused(code: str, found: str, *, line: int | None = None) -> FileRefused:
    return FileRefused(
        code,
        found,
        "an XLSX workbook with a list of athletes",
        "copy the list into a new workbook, or export it as CSV.",
        line=line,
    )


def _bomb(found: str) -> FileTooLarge:
    return FileTooLarge(
        "workbook.too_large",
        found,
        "a workbook that stays small when it is unpacked",
        "export the list as CSV, or split it.",
    )


@contextmanager
def _archive(stream: BinaryIO) -> Generator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise _refused("workbook.broken", f"a damaged zip archive ({error})") from error
    with archive:
        yield archive


def check_workbook(source: Source, limits: Limits) -> None:
    """Refuse a zip archive that is no workbook or is not safe to open.

    Raises:
        FileTooLarge: unpacked, the archive or one of its parts passes a limit.
        FileRefused: it is no workbook, is damaged, encrypted or declares entities.
    """
    with source.open() as stream, _archive(stream) as archive:
        parts = archive.infolist()
        if len(parts) > _PARTS:
            raise _bomb(f"an archive of {len(parts):,} parts")
        names = {part.filename for part in parts}
        if _CONTENT_TYPES not in names or not any(name.startswith("xl/") for name in names):
            raise FileRefused(
                "file.not_a_list",
                "a zip archive that is no workbook",
                EXPECTED,
                "unpack it and send the list in it.",
            )
        _check_sizes(parts, limits)
        try:
            types = _content_types(archive)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _check_markup(archive, part, types, limits)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
            raise _refused("workbook.broken", f"a damaged workbook ({error})") from error
        except (
            expat.ExpatError,
            ElementTree.ParseError,
            UnicodeError,
            LookupError,
            ValueError,
            zlib.error,
        ) as error:
            raise _refused("workbook.broken", f"a workbook with broken XML ({error})") from error


def _check_sizes(parts: Iterable[zipfile.ZipInfo], limits: Limits) -> None:
    total = 0
    for part in parts:
        total += part.file_size
        if part.flag_bits & 0x1:
            raise _refused("workbook.encrypted", "an encrypted workbook")
        ratio = part.file_size / max(part.compress_size, 1)
        if part.file_size > MEBIBYTE and ratio > limits.unpacked_ratio:
            raise _bomb(f"the part {part.filename[:80]!r}, {ratio:,.0f} times larger unpacked")
        name = part.filename
        if name == _STRINGS:
            bound = limits.shared_text_bytes
        elif name.startswith((_SHEETS, *_NOT_LOADED)):
            bound = limits.unpacked_bytes
        elif name == _CONTENT_TYPES:
            bound = MEBIBYTE
        else:
            bound = limits.workbook_part_bytes
        if part.file_size > bound:
            raise _bomb(f"the part {name[:80]!r} of {part.file_size:,} bytes")
    if total > limits.unpacked_bytes:
        raise _bomb(f"a workbook of {total:,} bytes unpacked")


def _content_types(archive: zipfile.ZipFile) -> dict[str, str]:
    """Give the declared type of each part; a type decides how openpyxl loads it."""
    with archive.open(_CONTENT_TYPES) as part:
        _scan(part, _Prologue())
    root = ElementTree.fromstring(archive.read(_CONTENT_TYPES))  # noqa: S314 - no DTD: see above
    return {
        element.get("PartName", "").lstrip("/"): element.get("ContentType", "")
        for element in root
        if element.tag.endswith("Override")
    }


def _check_markup(
    archive: zipfile.ZipFile, part: zipfile.ZipInfo, types: dict[str, str], limits: Limits
) -> None:
    name, declared = part.filename, types.get(part.filename, "")
    streamed = name.startswith((_SHEETS, *_NOT_LOADED))
    if streamed and part.file_size > limits.workbook_part_bytes:
        whole = ("styles+xml", "sharedStrings+xml", "theme+xml", "main+xml", "properties+xml")
        if declared.endswith(whole):
            raise _bomb(f"the part {name[:80]!r} of {part.file_size:,} bytes")
    with archive.open(part) as stream:
        sheet = name.startswith(_SHEETS) and not name.endswith(".rels")
        _scan(stream, _Sheet(limits) if sheet else _Prologue())


class _Prologue:
    """Reads XML up to its first element and refuses a document type before it."""

    whole = False

    def __init__(self) -> None:
        self.elements = 0
        self.done = False

    def doctype(self, *_: Any) -> NoReturn:
        raise _refused("workbook.entities", "a workbook that declares a document type")

    def start(self, _name: str, _attributes: dict[str, str]) -> None:
        self.elements += 1
        self.done = not self.whole

    def end(self, _name: str) -> None:
        self.elements += 1

    def text(self, _text: str) -> None:
        """Pass over text before the first element."""


class _Sheet(_Prologue):
    """Reads a whole sheet and refuses rows that would not fit in memory."""

    whole = True

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        self._depth = 0
        self._rows = self._cells = self._characters = 0

    def start(self, _name: str, _attributes: dict[str, str]) -> None:
        super().start(_name, _attributes)
        self._depth += 1
        name = _name.rpartition("}")[2].rpartition(":")[2]
        if name == "row":
            self._rows += 1
            self._cells = self._characters = 0
            if self._rows > _LAST_ROW:
                raise _bomb(f"a sheet of more than {_LAST_ROW:,} rows")
        elif name == "c":
            self._cells += 1
        # A cell is a few elements (value, formula, inline text): allow for rich text.
        if self._depth > 64 or self._cells > 16_384:
            raise _bomb(f"row {self._rows} with more cells than a sheet can have")
        self._characters += sum(map(len, _attributes.values())) + 16
        self._bound()

    def end(self, _name: str) -> None:
        super().end(_name)
        self._depth -= 1

    def text(self, _text: str) -> None:
        self._characters += len(_text)
        self._bound()

    def _bound(self) -> None:
        # The parts before and behind the rows (columns, merged cells, validations) count too.
        if self._characters > 16 * self._limits.row_chars:
            raise _bomb(f"row {self._rows} with more text than a row can have")


def _scan(stream: Any, reader: _Prologue) -> None:
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = False
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    silent, before = 0, 0
    while not reader.done:
        block = cast("bytes", stream.read(_BLOCK))
        parser.Parse(block, not block)
        if not block:
            return
        silent = silent + len(block) if reader.elements == before else 0
        before = reader.elements
        if silent > _MARKUP:
            raise _bomb("an XML part without structure")


def sheet_rows(source: Source, limits: Limits) -> Iterator[RawRow | RowProblem | Blank]:
    """Give every row of the first sheet; empty rows are blank lines.

    Cells are text, numbers or booleans; a date becomes its ISO text, and the last value that was
    computed stands for a formula. Call :func:`check_workbook` first.

    Raises:
        FileRefused: the workbook cannot be read, or has no sheet with cells.
    """
    with source.open() as stream:
        try:
            with warnings.catch_warnings():
                # openpyxl warns of features it drops: none of them holds data.
                warnings.simplefilter("ignore")
                book = openpyxl.load_workbook(
                    stream, read_only=True, data_only=True, keep_links=False
                )
            try:
                sheet: Any = next((sheet for sheet in book.worksheets), None)
                if sheet is None:
                    raise _refused("workbook.no_sheet", "a workbook without a sheet of cells")
                sheet.reset_dimensions()
                yield from _rows(sheet.iter_rows(values_only=True), limits)
            finally:
                book.close()
        except FileRefused:
            raise
        except Exception as error:
            # openpyxl meets broken files with whatever the first missing attribute raises.
            raise _refused(
                "workbook.broken", f"a workbook that cannot be read ({type(error).__name__})"
            ) from error


def _rows(rows: Iterable[tuple[Any, ...]], limits: Limits) -> Iterator[RawRow | RowProblem | Blank]:
    for line, cells in enumerate(rows, start=1):
        if line > _LAST_ROW:
            raise _refused("workbook.broken", "a row beyond the end of the sheet", line=line)
        width = len(cells)
        while width and _is_empty(cells[width - 1]):
            width -= 1
        if width == 0:
            yield Blank(line)
            continue
        kept = [cell if cell.__class__ in _PLAIN else cell_text(cell) for cell in cells[:width]]
        long = next(
            (
                number
                for number, cell in enumerate(kept, start=1)
                if isinstance(cell, str) and len(cell) > limits.field_chars
            ),
            None,
        )
        yield RawRow(line, kept) if long is None else long_field(line, long, limits)


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
