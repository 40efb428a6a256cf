"""One file, from its bytes to drafts and problems."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO

from trophenix_recruitment.checks import Checked, Counters, RowChecker, check_rows
from trophenix_recruitment.mapping import Mapping, suggest
from trophenix_recruitment.reading import Limits, Table, open_table


class AthleteImport:
    """A file opened for import under a mapping, the suggested one unless another is given.

    Attributes:
        table: The file as a table, with what was detected about it.
        mapping: The mapping in force.
        counters: Outcomes of the latest pass, complete when that pass went to its end.
    """

    def __init__(
        self,
        origin: Path | bytes | BinaryIO,
        today: date,
        *,
        mapping: Mapping | None = None,
        limits: Limits | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> None:
        """Open the file; to suggest a mapping it is read through once.

        Raises:
            FileTooLarge: the file passes one of the limits.
            FileRefused: it is no list of athletes.
        """
        self.table: Table = open_table(
            origin, limits=limits, encoding=encoding, delimiter=delimiter
        )
        if mapping is not None:
            self.table = self.table.with_columns(column.heading for column in mapping.columns)
        self.mapping = mapping or suggest(self.table.headings, self.table.readable_rows())
        self.counters = Counters()
        self._today = today

    def outcomes(self) -> Iterator[Checked]:
        """Give the outcome of every row in order, one at a time; may be repeated.

        Raises:
            MappingRefused: the mapping does not fit the file.
            FileRefused: from some line on the file cannot be read.
        """
        self.counters = Counters()
        checker = RowChecker(self.table.headings, self.mapping, self._today)
        yield from check_rows(self.table.rows(), checker, self.counters)
