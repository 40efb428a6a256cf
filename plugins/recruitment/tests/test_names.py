"""Names are found without accents, case and order; letters of other scripts stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.names import control_character, name_key, sorted_name_key, tidy


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Żewłakow", "zewlakow"),
        ("Aarønes", "aarones"),
        ("Đoković", "dokovic"),
        ("Großkreutz", "grosskreutz"),
        ("Ilhan İrem Işık", "ilhan irem isik"),
        ("Œuvrard", "oeuvrard"),
        ("Guðjohnsen", "gudjohnsen"),
        ("Þórarinsson", "thorarinsson"),
        ("O'Brien", "obrien"),
        ("van 't Schip", "van t schip"),
        ("Jean-Paul", "jean paul"),
        ("  A.   B ", "a b"),
        ("Ｆｕｊｉ", "fuji"),
        ("محمد صلاح", "محمد صلاح"),
        ("Йожеф", "йожеф"),
        ("Αλέξης", "αλέξησ"),
        ("大坂", "大坂"),
        ("e\u0301milie", "emilie"),
    ],
)
def test_the_key_folds_latin_letters_and_keeps_others(name: str, key: str) -> None:
    assert name_key(name) == key


@given(st.text())
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


@given(st.text(alphabet=st.characters(codec="latin-1")))
def test_case_never_changes_the_key_of_western_names(text: str) -> None:
    assert name_key(text.lower()) == name_key(text.lower().upper())


@given(st.text(alphabet="abcé -", max_size=20), st.text(alphabet="abcé -", max_size=20))
def test_swapped_names_have_the_same_sorted_key(family: str, given_name: str) -> None:
    assert sorted_name_key(family, given_name) == sorted_name_key(given_name, family)


@given(st.text())
def test_tidy_text_stays_as_it_is(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\u202e", "\udcff"])
def test_control_characters_are_found(character: str) -> None:
    assert control_character(f"Du{character}rand") == character


@pytest.mark.parametrize("text", ["Du\trand", "a\r\nb", "\u200cعلی", "Nguyễn"])
def test_white_space_and_joiners_are_no_control_characters(text: str) -> None:
    assert control_character(text) is None
