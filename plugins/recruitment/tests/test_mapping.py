"""Columns are recognised by heading and data; a mapping can be edited, stored and refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.headings import Meaning, heading_row, meaning_of
from trophenix_recruitment.mapping import ColumnMapping, Mapping, convert, faults, suggest
from trophenix_recruitment.model import RawRow


def suggested(headings: list[str], *rows: list[Any]) -> Mapping:
    return suggest(headings, [RawRow(line, row) for line, row in enumerate(rows, start=2)])


def notes(mapping: Mapping) -> set[str]:
    return {note.code for note in mapping.notes}


@pytest.mark.parametrize(
    ("heading", "meaning"),
    [
        ("N° licence", Meaning("external_id", "licence")),
        ("license_number", Meaning("external_id", "licence")),
        ("NOM", Meaning("family_name")),
        ("Prénom", Meaning("given_name")),
        ("PRENOM", Meaning("given_name")),
        ("first_name", Meaning("given_name")),
        ("Last Name", Meaning("family_name")),
        ("Date de naissance", Meaning("birth")),
        ("birth_date", Meaning("birth")),
        ("Né(e) le", Meaning("birth")),
        ("Sexe", Meaning("sex")),
        ("female", Meaning("female_flag")),
        ("Pays", Meaning("country")),
        ("nationality", Meaning("country")),
        ("Poste", Meaning("position")),
        ("goal_keeper", Meaning("position_flag", "goalkeeper")),
        ("forward", Meaning("position_flag", "forward")),
        ("Taille (cm)", Meaning("height", "cm")),
        ("height_in", Meaning("height", "in")),
        ("Poids (lbs)", Meaning("weight", "lb")),
        ("player_id", Meaning("external_id", "player_id")),
        ("FIDE ID", Meaning("external_id", "fide")),
        ("ID [my scheme]", Meaning("external_id", "my scheme")),
        ("Attribut [Nom]", Meaning("attribute", "Nom")),
        ("bidule", None),
    ],
)
def test_headings_are_known_in_two_languages(heading: str, meaning: Meaning | None) -> None:
    assert meaning_of(heading) == meaning


def test_unknown_columns_are_kept_as_attributes() -> None:
    mapping = suggested(["Nom", "Prénom", "Pointure"])

    assert mapping.columns[2] == ColumnMapping("Pointure", "attribute")


def test_a_lone_name_column_is_a_whole_name() -> None:
    assert suggested(["Nom", "Sexe"]).columns[0].target == "full_name"
    assert suggested(["Name", "First name"]).columns[0].target == "family_name"
    assert suggested(["Athlete", "Sex"]).columns[0].target == "full_name"


def test_the_second_column_of_one_meaning_becomes_an_attribute_and_is_noted() -> None:
    mapping = suggested(["Nom", "Prénom", "Pays", "Nationalité"])

    assert mapping.columns[3].target == "attribute"
    assert notes(mapping) == {"mapping.second_column"}


def test_the_order_of_dates_is_decided_and_doubt_is_noted() -> None:
    clear = suggested(["last_name", "birth_date"], ["A", "01/02/1990"], ["B", "01/13/1990"])
    english = suggested(["last_name", "birth_date"], ["A", "01/02/1990"])
    french = suggested(["Nom", "Prénom", "Naissance"], ["A", "B", "01/02/1990"])
    both = suggested(["last_name", "birth_date"], ["A", "13/02/1990"], ["B", "01/13/1990"])

    assert (clear.date_order, "date_order.ambiguous" in notes(clear)) == ("month_first", False)
    assert (english.date_order, "date_order.ambiguous" in notes(english)) == (None, True)
    assert (french.date_order, "date_order.ambiguous" in notes(french)) == ("day_first", True)
    assert (both.date_order, "date_order.contradictory" in notes(both)) == (None, True)


def test_the_system_of_codes_is_decided_over_the_column() -> None:
    rows = [["A", code] for code in ("GER", "NED", "GRE", "SLO", "LAT", "PHI", "BRN")]

    assert suggested(["last_name", "NOC"], *rows).country_systems[0] == "IOC"
    assert suggested(["last_name", "NOC"], ["A", "FRA"]).country_systems == ()


def test_the_unit_of_a_column_is_guessed_and_noted() -> None:
    mapping = suggested(["last_name", "height", "weight"], ["A", 74, 176], ["B", "70", "165"])

    assert [column.detail for column in mapping.columns] == [None, "in", "kg"]
    assert [note.column for note in mapping.notes if note.code == "mapping.unit_guessed"] == [
        "height",
        "weight",
    ]


def test_one_column_of_dates_is_the_birth_date_even_under_another_heading() -> None:
    mapping = suggested(["Nom", "Prénom", "D1"], ["A", "B", "13/02/1990"])

    assert mapping.columns[2].target == "birth"
    assert "mapping.birth_guessed" in notes(mapping)


def test_a_mapping_goes_out_and_comes_back() -> None:
    mapping = suggested(["Nom", "Prénom", "Taille (cm)"])

    assert convert(msgspec.json.encode(mapping)) == mapping
    assert convert(msgspec.to_builtins(mapping)) == mapping
    with pytest.raises(msgspec.ValidationError):
        convert(b'{"columns": [{"heading": "Nom", "target": "shoe size"}]}')
    with pytest.raises(msgspec.ValidationError):
        convert(b'{"columns": [], "unknown": 1}')


def test_the_fingerprint_depends_on_what_has_an_effect_only() -> None:
    mapping = suggested(["Nom", "Prénom", "Pays", "Nationalité"])
    silent = msgspec.structs.replace(mapping, notes=())
    other = msgspec.structs.replace(mapping, date_order="month_first")

    assert mapping.fingerprint() == silent.fingerprint() != other.fingerprint()


def test_every_fault_of_a_mapping_is_told_at_once() -> None:
    mapping = Mapping(
        (
            ColumnMapping("A", "sex"),
            ColumnMapping("A", "female_flag"),
            ColumnMapping("B", "external_id"),
            ColumnMapping("C", "height", "ell"),
            ColumnMapping("D", "position_flag", " "),
            ColumnMapping("Z", "sport"),
        )
    )

    assert {fault.code for fault in faults(mapping, ["A", "B", "C", "D"])} == {
        "mapping.column_twice",
        "mapping.target_twice",
        "mapping.scheme_missing",
        "mapping.unit_unknown",
        "mapping.position_missing",
        "mapping.no_such_column",
        "mapping.no_name",
    }


def test_the_heading_is_found_below_titles_and_missed_in_data() -> None:
    assert heading_row([["Liste"], ["Nom", "Prénom"], ["A", "B"]]) == 1
    assert heading_row([["Durand", "1998-05-12"], ["Martin", "1999-01-01"]]) is None
    assert heading_row([["foo", "bar"], ["x", "12"]]) == 0
    assert heading_row([["foo", "bar"], ["x", "y"]]) is None


@given(st.lists(st.text(max_size=20), max_size=12, unique=True))
def test_any_headings_get_a_mapping_that_keeps_every_column(headings: list[str]) -> None:
    mapping = suggest(headings)

    assert [column.heading for column in mapping.columns] == headings
    assert all(column.target != "ignore" for column in mapping.columns)
    assert {fault.code for fault in faults(mapping, headings)} <= {"mapping.no_name"}
