"""How much of a file is ever looked at."""

from typing import Final

import msgspec

MEBIBYTE: Final = 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one import; memory use is proportional to ``row_chars``, not to the file.

    Attributes:
        file_bytes: Size of the file.
        rows: Rows of data, blank ones not counted.
        columns: Columns of the heading.
        field_chars: Characters of one cell.
        row_chars: Characters of one row, several lines included.
        open_quotes: Rows that lose their closing quote before the file is given up.
        unpacked_bytes: Everything inside a workbook, unpacked.
        unpacked_ratio: How many times larger than its packed form a part may be.
        shared_text_bytes: The table of texts of a workbook, which is held in memory.
        workbook_part_bytes: Any other part of a workbook that is held in memory.
    """

    file_bytes: int = 200 * MEBIBYTE
    rows: int = 500_000
    columns: int = 200
    field_chars: int = 65_536
    row_chars: int = MEBIBYTE
    open_quotes: int = 50
    unpacked_bytes: int = 512 * MEBIBYTE
    unpacked_ratio: int = 250
    shared_text_bytes: int = 64 * MEBIBYTE
    workbook_part_bytes: int = 16 * MEBIBYTE
