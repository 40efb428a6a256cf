"""A row becomes a draft, or all of its problems at once; nothing is fixed in silence."""

from collections.abc import Iterator
from datetime import date
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_recruitment.checks import Checked, Counters, RowChecker, check_rows
from trophenix_recruitment.headings import Target
from trophenix_recruitment.mapping import ColumnMapping, Mapping, suggest
from trophenix_recruitment.model import AthleteDraft, ExternalId, RawRow, RowProblem
from trophenix_recruitment.problems import MappingRefused

TODAY = date(2026, 11, 20)


def check(row: dict[str, Any], *, extra: dict[str, Any] | None = None, **changes: Any) -> Checked:
    headings = list(row)
    cells = list(row.values())
    mapping = suggest(headings, [RawRow(2, cells)])
    mapping = msgspec.structs.replace(mapping, **changes)
    return RowChecker(headings, mapping, TODAY).check(RawRow(2, cells, extra))


def draft(row: dict[str, Any], **changes: Any) -> AthleteDraft:
    found = check(row, **changes).draft
    assert found is not None
    return found


def codes(row: dict[str, Any], **changes: Any) -> dict[str, str | None]:
    return {problem.code: problem.column for problem in check(row, **changes).problems}


def test_the_athlete_of_the_document_becomes_a_draft() -> None:
    athlete = {
        "first_name": "Pierre",
        "last_name": "Durant",
        "sport": "tennis",
        "ranking": 45,
        "birth_date": "1998-05-12",
        "license_number": "FRA-TEN-2024-001",
        "country": "FR",
        "visibility": "public_free",
        "coach": {"name": "X", "since": 2020},
    }

    assert draft(athlete) == AthleteDraft(
        family_name="Durant",
        given_name="Pierre",
        sport="tennis",
        ranking=45,
        birth_earliest=date(1998, 5, 12),
        birth_latest=date(1998, 5, 12),
        nationality="FRA",
        nationality_system="ISO",
        nationality_alpha_2="FR",
        external_ids=(ExternalId("licence", "FRA-TEN-2024-001"),),
        visibility="public_free",
        attributes={"coach": {"name": "X", "since": 2020}},
    )


def test_all_problems_of_a_row_come_at_once() -> None:
    row = {
        "Nom": "A" * 121,
        "Prénom": "Z\x00oé",
        "Date de naissance": "31/02/1990",
        "Sexe": "?!",
        "Pays": "Atlantis",
        "Taille (cm)": "300",
        "Poids (kg)": "lourd",
        "Classement": "0",
        "Visibilité": "secret",
    }

    assert codes(row) == {
        "name.too_long": "Nom",
        "text.control_character": "Prénom",
        "birth.impossible": "Date de naissance",
        "sex.unknown": "Sexe",
        "country.unknown": "Pays",
        "height.out_of_range": "Taille (cm)",
        "weight.unreadable": "Poids (kg)",
        "ranking.out_of_range": "Classement",
        "visibility.unknown": "Visibilité",
    }


def test_every_problem_says_where_what_and_what_to_do() -> None:
    (problem,) = check({"Nom": "Durand", "Prénom": "Zoé", "Taille (cm)": "300"}).problems

    assert (problem.line, problem.column, problem.value) == (2, "Taille (cm)", "300")
    assert problem.message == ("'300' is 300 cm, possible are 60 to 260: correct it or its unit.")


@pytest.mark.parametrize("nothing", ["", " ", "-", "N/A", "inconnue", "not available", "NULL"])
def test_words_for_nothing_are_no_values(nothing: str) -> None:
    row = {"Nom": "Durand", "Prénom": "Zoé", "Naissance": nothing, "Sexe": nothing}
    row |= {"Pays": nothing, "Club": nothing, "Taille (cm)": nothing, "N° licence": nothing}

    assert draft(row) == AthleteDraft(family_name="Durand", given_name="Zoé")
    assert codes(row) == {"birth.missing": "Naissance"}


@pytest.mark.parametrize("name", ["Na", "Null", "Nil", "None", "Nan"])
def test_names_that_look_like_nothing_are_names(name: str) -> None:
    assert draft({"Nom": name, "Prénom": "Zoé"}).family_name == name


def test_either_name_is_enough_and_its_absence_is_a_warning() -> None:
    assert codes({"Nom": "Pelé", "Prénom": ""}) == {"name.given_missing": "Prénom"}
    assert codes({"Nom": "not applicable", "Prénom": "Zoé"}) == {"name.family_missing": "Nom"}
    assert codes({"Nom": " ", "Prénom": "\t"}) == {"name.missing": "Nom"}


@pytest.mark.parametrize(
    ("whole", "family", "given_name", "guessed"),
    [
        ("Durand, Zoé", "Durand", "Zoé", False),
        ("DURAND Zoé", "DURAND", "Zoé", False),
        ("Zoé VAN DAMME", "VAN DAMME", "Zoé", False),
        ("Pelé", "Pelé", "", False),
        ("Zoé Durand", "Durand", "Zoé", True),
    ],
)
def test_whole_names_are_split(whole: str, family: str, given_name: str, guessed: bool) -> None:
    row = {"Nom complet": whole, "Sexe": "F"}

    assert (draft(row).family_name, draft(row).given_name) == (family, given_name)
    assert ("name.split_guessed" in codes(row)) is guessed


@pytest.mark.parametrize(
    ("text", "sex"),
    [
        ("H", "M"),
        ("M", "M"),
        ("homme", "M"),
        ("F", "F"),
        ("Féminin", "F"),
        ("female", "F"),
        ("x", "X"),
    ],
)
def test_sexes_are_read_in_two_languages(text: str, sex: str) -> None:
    assert draft({"Nom": "A", "Prénom": "B", "Sexe": text}).sex == sex


def test_a_contested_code_is_refused_unless_a_system_is_trusted() -> None:
    row = {"Nom": "A", "Prénom": "B", "Pays": "BRN"}

    assert codes(row) == {"country.ambiguous": "Pays"}
    bahrain = draft(row, country_systems=("IOC",))
    assert (bahrain.nationality, bahrain.nationality_system) == ("BRN", "IOC")
    assert bahrain.nationality_alpha_2 == "BH"
    brunei = draft({**row, "Système du code pays": "ISO"}, country_systems=("IOC",))
    assert brunei.nationality_alpha_2 == "BN"


def test_converted_measures_keep_their_raw_text() -> None:
    row = {"last_name": "A", "first_name": "B", "height_in": "74", "weight_lb": "176"}
    converted = draft(row)

    assert (converted.height_cm, converted.weight_kg) == (188.0, 79.83)
    assert converted.attributes == {"height_in": "74", "weight_lb": "176"}
    metric = draft({"Nom": "A", "Prénom": "B", "Taille (cm)": "185,5"})
    assert (metric.height_cm, metric.attributes) == (185.5, {})


def test_an_unclear_date_is_an_error_and_a_partial_one_a_range() -> None:
    row = {"last_name": "A", "first_name": "B", "birth_date": "01/02/1990"}

    assert codes(row) == {"birth.order_unknown": "birth_date"}
    year = draft({**row, "birth_date": 1998})
    assert codes({**row, "birth_date": 1998}) == {"birth.partial": "birth_date"}
    assert (year.birth_earliest, year.birth_latest) == (date(1998, 1, 1), date(1998, 12, 31))


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(1)", '=HYPERLINK("x")'])
def test_formulas_are_text_with_a_warning(text: str) -> None:
    row = {"Nom": text, "Prénom": "B", "Club": text, "Note": f"\t{text}"}

    kept = draft(row)
    assert (kept.family_name, kept.club, kept.attributes["Note"]) == (text, text, f"\t{text}")
    assert codes(row).keys() == {"text.formula_like"}


@pytest.mark.parametrize("text", ["+33 6 12 34 56 78", "-12,5", "@zoe.durand"])
def test_telephones_numbers_and_handles_are_no_formulas(text: str) -> None:
    assert codes({"Nom": "A", "Prénom": "B", "Contact": text}) == {}


def test_the_apostrophe_of_an_export_is_taken_off_if_the_mapping_says_so() -> None:
    row = {"Nom": "'=1", "Prénom": "'Abd"}

    assert draft(row).family_name == "=1"
    assert draft(row).given_name == "'Abd"
    assert draft(row, apostrophe_guards=False).family_name == "'=1"


def test_too_few_and_too_many_cells_are_one_problem() -> None:
    checker = RowChecker(["Nom", "Prénom"], suggest(["Nom", "Prénom"]), TODAY)

    assert [p.code for p in checker.check(RawRow(2, ["A"])).problems] == ["row.too_few_columns"]
    assert [p.code for p in checker.check(RawRow(3, ["A", "B", "x"])).problems] == [
        "row.too_many_columns"
    ]
    assert checker.check(RawRow(4, ["A", "B", "", " "])).status == "accepted"


def test_only_exactly_equal_rows_are_repeated() -> None:
    headings = ["Nom", "Prénom", "n"]
    checker = RowChecker(headings, suggest(headings), TODAY)
    rows: list[list[Any]] = [
        ["A", "B", "1"],
        ["A", "B", "1 "],
        ["A", "B", 1],
        ["A", "B", True],
        ["A", "B", -1],
        ["A", "B", -2],
        ["A", "B", None],
        ["A", "B", "1"],
        ["A", "B", -2],
    ]

    statuses = [checker.check(RawRow(line, row)).status for line, row in enumerate(rows, start=2)]

    assert statuses == ["accepted"] * 7 + ["repeated"] * 2


def test_position_flags_add_up_and_need_yes_or_no() -> None:
    row = {"last_name": "A", "first_name": "B", "defender": "1", "forward": "oui", "midfielder": 0}

    assert draft(row).position == "defender, forward"
    assert codes({**row, "forward": "maybe"}) == {"flag.unreadable": "forward"}


@pytest.mark.parametrize(
    "cell",
    [
        "fide=1; itf=2",
        [{"scheme": "fide", "value": "1"}, {"scheme": "itf", "value": 2}],
        {"fide": "1", "itf": 2},
        '[{"scheme":"fide","value":"1"},{"scheme":"itf","value":"2"}]',
    ],
)
def test_several_identifiers_come_in_any_usual_form(cell: Any) -> None:
    row = {"last_name": "A", "first_name": "B", "external_ids": cell}

    assert draft(row).external_ids == (ExternalId("fide", "1"), ExternalId("itf", "2"))


@pytest.mark.parametrize("cell", ["fide", ["x"], [{"scheme": "fide"}], 12])
def test_identifiers_without_scheme_are_refused(cell: Any) -> None:
    row = {"last_name": "A", "first_name": "B", "external_ids": cell}

    assert codes(row) == {"external_ids.unreadable": "external_ids"}


def test_nothing_is_lost_of_extra_members_and_equal_names() -> None:
    row = {"last_name": "A", "first_name": "B", "shoe": 43, "attributes": {"shoe": 44, "x": [1]}}

    assert draft(row, extra={"late": "1"}).attributes == {
        "shoe": 43,
        "shoe (2)": 44,
        "x": [1],
        "late": "1",
    }


@pytest.mark.parametrize("value", [{"a": "\x00"}, ["\x00"], "\x00", "\x1b[0m"])
def test_what_no_store_takes_is_refused_in_attributes_too(value: Any) -> None:
    row = {"last_name": "A", "first_name": "B", "note": value}

    assert codes(row) == {"text.control_character": "note"}


def test_a_nested_value_is_no_name() -> None:
    assert "value.nested" in codes({"last_name": ["A"], "first_name": "B"})


def test_undecodable_bytes_are_told_from_control_characters() -> None:
    assert codes({"Nom": "Mu\udcffoz", "Prénom": "B"}) == {"text.undecodable": "Nom"}


def test_a_column_may_be_ignored_and_rows_given_a_sport() -> None:
    mapping = Mapping(
        (ColumnMapping("Nom", "family_name"), ColumnMapping("Secret", "ignore")), sport="judo"
    )

    checked = RowChecker(["Nom", "Secret"], mapping, TODAY).check(RawRow(2, ["A", "x"]))

    assert checked.draft == AthleteDraft(family_name="A", sport="judo")


def test_a_mapping_that_does_not_fit_is_refused_with_every_reason() -> None:
    with pytest.raises(MappingRefused) as refused:
        RowChecker(["A"], Mapping((ColumnMapping("B", "sex"),)), TODAY)

    assert refused.value.code == "mapping.refused"
    assert len(refused.value.reasons) == 2


def test_rows_that_could_not_be_read_are_rejected_and_counted() -> None:
    headings = ["Nom", "Prénom"]
    counters = Counters()
    rows = [
        RawRow(2, ["A", "B"]),
        RowProblem(3, None, "row.too_long", "…"),
        RawRow(4, ["A", "B"]),
        RawRow(5, ["A", ""]),
    ]

    checker = RowChecker(headings, suggest(headings), TODAY)
    outcomes = list(check_rows(rows, checker, counters))

    assert [outcome.status for outcome in outcomes] == [
        "accepted",
        "rejected",
        "repeated",
        "accepted",
    ]
    assert counters == Counters(rows=4, accepted=2, with_warnings=1, rejected=1, repeated=1)


TARGETS: list[Target] = [
    "full_name",
    "sex",
    "birth",
    "country",
    "sport",
    "ranking",
    "height",
    "weight",
    "position",
    "club",
    "external_ids",
    "visibility",
    "attribute",
    "attributes",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


def strings(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for name, value in cast("dict[str, Any]", document).items():
            yield name
            yield from strings(value)
    elif isinstance(document, list | tuple):
        for value in cast("list[Any]", document):
            yield from strings(value)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, min_size=len(TARGETS), max_size=len(TARGETS)))
def test_any_values_give_a_storable_draft_or_problems(cells: list[Any]) -> None:
    mapping = Mapping(tuple(ColumnMapping(target, target) for target in TARGETS))

    checked = RowChecker(list(TARGETS), mapping, TODAY).check(RawRow(2, cells))

    assert (checked.draft is None) == any(p.severity == "error" for p in checked.problems)
    assert not any("\x00" in text for text in strings(msgspec.to_builtins(checked)))
    msgspec.json.encode(checked)
    if checked.draft is not None:
        assert checked.draft.family_name or checked.draft.given_name
