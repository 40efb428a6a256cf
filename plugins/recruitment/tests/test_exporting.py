"""Exports run no formula anywhere and import again as the same athletes."""

import csv
import io
from datetime import date
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_recruitment.exporting import (
    ExportColumns,
    Language,
    columns_of,
    csv_chunks,
    write_xlsx,
)
from trophenix_recruitment.formulas import neutralise, unguard
from trophenix_recruitment.headings import meaning_of
from trophenix_recruitment.imports import AthleteImport
from trophenix_recruitment.model import AthleteDraft, ExternalId

TODAY = date(2026, 11, 20)
FULL = AthleteDraft(
    family_name="Durand",
    given_name="Zoé",
    sex="F",
    birth_earliest=date(1998, 5, 1),
    birth_latest=date(1998, 5, 31),
    nationality="BRN",
    nationality_system="IOC",
    nationality_alpha_2="BH",
    sport="judo",
    ranking=3,
    height_cm=175.5,
    weight_kg=63.25,
    position="n° 7",
    club='Stade; "A"',
    external_ids=(
        ExternalId("licence", "001"),
        ExternalId("licence", "002"),
        ExternalId("fide", "=1"),
    ),
    visibility="public_premium",
    attributes={"Taille": "5'9\"", "coach": {"name": "X"}, "note": "-1\n+2"},
)


def to_csv(drafts: list[AthleteDraft], columns: ExportColumns, **options: Any) -> bytes:
    return b"".join(csv_chunks(drafts, columns, **options))


def to_xlsx(drafts: list[AthleteDraft], columns: ExportColumns) -> bytes:
    file = io.BytesIO()
    write_xlsx(drafts, columns, file)
    return file.getvalue()


def imported(content: bytes) -> list[AthleteDraft | None]:
    return [outcome.draft for outcome in AthleteImport(content, TODAY).outcomes()]


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "'="]
)
def test_every_dangerous_start_gets_an_apostrophe(start: str) -> None:
    assert neutralise(f"{start}1") == f"'{start}1"


@pytest.mark.parametrize("text", ["Durand", "'t Hooft", "1-2", "", "a=b", "#N/A"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutralise(text) == text


@given(st.text(alphabet=st.sampled_from("'=+-@\t\r\n a1")))
def test_taking_the_apostrophe_off_gives_the_text_back(text: str) -> None:
    assert unguard(neutralise(text)) == text


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_heading_is_recognised_by_the_import(language: Language) -> None:
    for heading in columns_of([FULL], language).headings():
        assert meaning_of(heading) is not None, heading


def test_csv_is_what_a_french_spreadsheet_opens() -> None:
    content = to_csv([FULL], columns_of([FULL]))

    assert content.startswith(b"\xef\xbb\xbfNom;Pr\xc3\xa9nom;Sexe;")
    assert content.count(b"\r\n") == 2
    row = next(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
    assert row["Date de naissance"] == "1998-05"
    assert row["Taille (cm)"] == "175,5"
    assert row["Nationalité"] == "BRN"
    assert row["Système du code pays"] == "IOC"
    assert row["ID [licence]"] == "001"
    assert row["ID [fide]"] == "'=1"
    assert row["Attribut [note]"] == "'-1\n+2"


def test_csv_may_be_english_with_commas_and_no_mark() -> None:
    content = to_csv([FULL], columns_of([FULL], "en"), delimiter=",", byte_order_mark=False)

    row = next(csv.DictReader(io.StringIO(content.decode())))
    assert (row["Family name"], row["Height (cm)"]) == ("Durand", "175.5")


def test_numbers_are_numbers_and_texts_are_texts_in_a_workbook() -> None:
    draft = AthleteDraft(
        family_name="=1+1", ranking=3, height_cm=175.5, attributes={"debt": -5, "code": "#N/A"}
    )

    sheet: Any = openpyxl.load_workbook(io.BytesIO(to_xlsx([draft], columns_of([draft])))).active

    cells = {heading.value: cell for heading, cell in zip(sheet[1], sheet[2], strict=True)}
    assert (cells["Nom"].data_type, cells["Nom"].value) == ("s", "'=1+1")
    assert (cells["Classement"].data_type, cells["Classement"].value) == ("n", 3)
    assert (cells["Taille (cm)"].data_type, cells["Taille (cm)"].value) == ("n", 175.5)
    assert (cells["Attribut [debt]"].data_type, cells["Attribut [debt]"].value) == ("n", -5)
    assert (cells["Attribut [code]"].data_type, cells["Attribut [code]"].value) == ("s", "#N/A")


def test_a_text_longer_than_a_cell_is_cut_visibly() -> None:
    draft = AthleteDraft(family_name="A", attributes={"bio": "x" * 40_000, "bell": "a\x07"})

    sheet: Any = openpyxl.load_workbook(io.BytesIO(to_xlsx([draft], columns_of([draft])))).active

    texts = [cell.value for cell in sheet[2]]
    assert "x" * 32_766 + "…" in texts
    assert "a\ufffd" in texts


def test_ids_and_attributes_without_a_column_are_exported_together() -> None:
    content = to_csv([FULL], ExportColumns("en"))

    row = next(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))
    assert "001" in row["External ids"]
    assert "coach" in row["Attributes"]


def test_the_export_streams() -> None:
    drawn = 0

    def endless() -> Any:
        nonlocal drawn
        while True:
            drawn += 1
            yield FULL

    chunks = csv_chunks(endless(), ExportColumns())

    assert next(chunks)
    assert next(chunks)
    assert drawn < 2_000


def test_a_full_athlete_survives_both_formats() -> None:
    with_text = FULL.attributes | {"coach": '{"name":"X"}'}

    for content in (
        to_csv([FULL], columns_of([FULL])),
        to_csv([FULL], columns_of([FULL], "en"), delimiter=",", byte_order_mark=False),
        to_xlsx([FULL], columns_of([FULL], "en")),
    ):
        (back,) = imported(content)
        assert back is not None
        assert back.attributes == with_text
        assert set(back.external_ids) == set(FULL.external_ids)
        for field in ("family_name", "birth_latest", "nationality_alpha_2", "height_cm", "club"):
            assert getattr(back, field) == getattr(FULL, field)

    (whole,) = imported(to_csv([FULL], ExportColumns("en")))
    assert whole is not None
    assert whole.attributes == FULL.attributes
    assert whole.external_ids == FULL.external_ids


# What an import can hold: one line without outer blanks, no word for "nothing".
TEXT = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.sampled_from("'=+-@ ;,\"|"),
    max_size=12,
).map(lambda text: " ".join(f"{text} Durand".split()))
ATTRIBUTE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=12).map(
    lambda text: f"{text}."
)


def written(family: str, given_name: str, club: str, note: str, number: str) -> AthleteDraft:
    return AthleteDraft(
        family_name=family,
        given_name=given_name,
        club=club,
        external_ids=(ExternalId("licence", number),),
        attributes={"note": note},
    )


DRAFTS = st.builds(written, TEXT, TEXT, TEXT, ATTRIBUTE, TEXT)


def texts(draft: AthleteDraft | None) -> tuple[object, ...]:
    assert draft is not None
    return (
        draft.family_name,
        draft.given_name,
        draft.club,
        draft.external_ids,
        draft.attributes,
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(DRAFTS, min_size=1, max_size=5, unique_by=lambda draft: draft.external_ids))
def test_text_survives_csv(drafts: list[AthleteDraft]) -> None:
    # Composed text is what an import stores.
    first = [draft for draft in imported(to_csv(drafts, columns_of(drafts))) if draft is not None]

    assert len(first) == len(drafts)
    again = imported(to_csv(first, columns_of(first)))
    assert [texts(draft) for draft in again] == [texts(draft) for draft in first]


@settings(max_examples=25, deadline=None)
@given(st.lists(DRAFTS, min_size=1, max_size=3, unique_by=lambda draft: draft.external_ids))
def test_text_survives_xlsx(drafts: list[AthleteDraft]) -> None:
    first = [draft for draft in imported(to_xlsx(drafts, columns_of(drafts))) if draft is not None]

    assert len(first) == len(drafts)
    again = imported(to_xlsx(first, columns_of(first)))
    assert [texts(draft) for draft in again] == [texts(draft) for draft in first]
