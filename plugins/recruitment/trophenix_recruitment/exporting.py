"""Athletes written to CSV and XLSX, row by row, so that no spreadsheet runs what they hold."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final, Literal

import msgspec
import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from trophenix_recruitment.dates import birth_text
from trophenix_recruitment.formulas import neutralise
from trophenix_recruitment.model import AthleteDraft

Language = Literal["fr", "en"]
Cell = str | int | float | None

_FIXED: Final[tuple[tuple[str, str], ...]] = (
    ("Nom", "Family name"),
    ("Prénom", "Given name"),
    ("Sexe", "Sex"),
    ("Date de naissance", "Birth date"),
    ("Nationalité", "Nationality"),
    ("Système du code pays", "Country code system"),
    ("Sport", "Sport"),
    ("Classement", "Ranking"),
    ("Taille (cm)", "Height (cm)"),
    ("Poids (kg)", "Weight (kg)"),
    ("Poste", "Position"),
    ("Club", "Club"),
    ("Visibilité", "Visibility"),
)
_CELL_LENGTH: Final = 32_767
_ROWS_PER_CHUNK: Final = 500


class ExportColumns(msgspec.Struct, frozen=True):
    """Which columns follow the fixed ones.

    ``schemes`` and ``attributes`` get a column each; whatever is not listed goes to one column of
    JSON, so that nothing is left out.
    """

    language: Language = "fr"
    schemes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    def headings(self) -> list[str]:
        """Give the headings in the language; an import recognises each of them."""
        french = self.language == "fr"
        identifier, attribute = ("ID", "Attribut") if french else ("ID", "Attribute")
        return [
            *(names[0] if french else names[1] for names in _FIXED),
            *(f"{identifier} [{scheme}]" for scheme in self.schemes),
            "Autres identifiants" if french else "External ids",
            *(f"{attribute} [{name}]" for name in self.attributes),
            "Attributs" if french else "Attributes",
        ]

    def cells(self, draft: AthleteDraft) -> list[Cell]:
        """Give one athlete's cells: texts neutralised, numbers as numbers."""
        return [_safe(value) for value in self._values(draft)]

    def _values(self, draft: AthleteDraft) -> Iterator[Any]:
        yield draft.family_name
        yield draft.given_name
        yield draft.sex
        if draft.birth_earliest is None or draft.birth_latest is None:
            yield None
        else:
            yield birth_text(draft.birth_earliest, draft.birth_latest)
        yield draft.nationality
        yield draft.nationality_system
        yield draft.sport
        yield draft.ranking
        yield draft.height_cm
        yield draft.weight_kg
        yield draft.position
        yield draft.club
        yield draft.visibility
        # The first id of a scheme has its column; a second one goes with the others.
        rest = list(draft.external_ids)
        for scheme in self.schemes:
            one = next((given for given in rest if given.scheme == scheme), None)
            if one is not None:
                rest.remove(one)
            yield None if one is None else one.value
        yield msgspec.json.encode(rest).decode() if rest else None
        others = dict(draft.attributes)
        for name in self.attributes:
            value = others.pop(name, None)
            yield msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value
        yield msgspec.json.encode(others).decode() if others else None


def _safe(value: Any) -> Cell:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case _:
            return neutralise(str(value))


def columns_of(drafts: Iterable[AthleteDraft], language: Language = "fr") -> ExportColumns:
    """Give the columns that hold every external id and attribute of *drafts*, first seen first."""
    schemes: dict[str, None] = {}
    attributes: dict[str, None] = {}
    for draft in drafts:
        schemes.update((given.scheme, None) for given in draft.external_ids)
        attributes.update(dict.fromkeys(draft.attributes))
    return ExportColumns(language, tuple(schemes), tuple(attributes))


def csv_chunks(
    drafts: Iterable[AthleteDraft],
    columns: ExportColumns,
    *,
    delimiter: str = ";",
    byte_order_mark: bool = True,
) -> Iterator[bytes]:
    """Give the CSV file in UTF-8, piece by piece, with CRLF line ends (RFC 4180).

    The byte-order mark lets Excel see that it is UTF-8. With ``;`` between the columns, decimals
    are written with a comma, as the programs that expect ``;`` do.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    if byte_order_mark:
        buffer.write("\ufeff")
    writer.writerow(neutralise(heading) for heading in columns.headings())
    comma = delimiter == ";"
    pending = 0
    for draft in drafts:
        cells = columns.cells(draft)
        if comma:
            cells = [str(c).replace(".", ",") if isinstance(c, float) else c for c in cells]
        writer.writerow(cells)
        pending += 1
        if pending == _ROWS_PER_CHUNK:
            yield buffer.getvalue().encode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
            pending = 0
    yield buffer.getvalue().encode("utf-8", "replace")


def write_xlsx(drafts: Iterable[AthleteDraft], columns: ExportColumns, stream: BinaryIO) -> None:
    """Write an XLSX workbook with one sheet to *stream*.

    Every text is a text cell, whatever it starts with, and is neutralised all the same because
    people save workbooks as CSV. Characters that XML cannot hold become U+FFFD; a text longer
    than a cell can be (32,767 characters) is cut and ends in ``…``.
    """
    book = openpyxl.Workbook(write_only=True)
    sheet: Any = book.create_sheet("Athlètes" if columns.language == "fr" else "Athletes")
    sheet.freeze_panes = "A2"
    sheet.append([_xlsx_cell(sheet, neutralise(heading)) for heading in columns.headings()])
    for draft in drafts:
        sheet.append([_xlsx_cell(sheet, cell) for cell in columns.cells(draft)])
    book.save(stream)


def _xlsx_cell(sheet: Any, value: Cell) -> Any:
    if not isinstance(value, str):
        return value
    text = value if value.isprintable() else ILLEGAL_CHARACTERS_RE.sub("\ufffd", value)
    if len(text) > _CELL_LENGTH:
        text = text[: _CELL_LENGTH - 1] + "…"
    if text[:1] not in {"=", "#"}:
        return text
    # openpyxl takes "=…" for a formula and "#N/A" for an error.
    cell: Any = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    return cell
