"""Every nationality code keeps its system; contested codes are refused, not guessed."""

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.countries import (
    SYSTEMS,
    CodeSystem,
    Country,
    CountryRefused,
    _tables,  # pyright: ignore[reportPrivateUsage]
    code_systems_of,
    resolve,
)


@pytest.mark.parametrize(
    ("text", "system", "code", "alpha_2"),
    [
        ("FR", "ISO", "FRA", "FR"),
        ("fra", "ISO", "FRA", "FR"),
        ("DEU", "ISO", "DEU", "DE"),
        ("GER", "IOC", "GER", "DE"),
        ("SUI", "IOC", "SUI", "CH"),
        ("ENG", "FIFA", "ENG", "GB"),
        ("SCO", "FIFA", "SCO", "GB"),
        ("WAL", "FIFA", "WAL", "GB"),
        ("NIR", "FIFA", "NIR", "GB"),
        ("SUN", "ISO", "SUN", None),
        ("URS", "IOC", "URS", None),
        ("YUG", "ISO", "YUG", None),
        ("TCH", "IOC", "TCH", None),
        ("CSK", "ISO", "CSK", None),
        ("GDR", "IOC", "GDR", None),
        ("DDR", "ISO", "DDR", None),
        ("FRG", "IOC", "FRG", None),
        ("KOS", "IOC", "KOS", None),
        ("VNM", "ISO", "VNM", "VN"),
        ("Pays-Bas", "ISO", "NLD", "NL"),
        ("Côte d'Ivoire", "ISO", "CIV", "CI"),
        ("cote d’ivoire", "ISO", "CIV", "CI"),
        ("Corée du Sud", "ISO", "KOR", "KR"),
        ("South Korea", "ISO", "KOR", "KR"),
        ("ÉTATS-UNIS", "ISO", "USA", "US"),
        ("Turquie", "ISO", "TUR", "TR"),
        ("Angleterre", "FIFA", "ENG", "GB"),
        ("Yougoslavie", "ISO", "YUG", None),
        ("Bahreïn", "ISO", "BHR", "BH"),
    ],
)
def test_codes_and_names_resolve_in_their_own_system(
    text: str, system: CodeSystem, code: str, alpha_2: str | None
) -> None:
    assert resolve(text) == Country(system, code, alpha_2)


@pytest.mark.parametrize("text", ["BRN", "ANT", "BUR", "Korea", "Congo"])
def test_a_text_that_means_two_countries_is_refused_with_both(text: str) -> None:
    refused = resolve(text)

    assert isinstance(refused, CountryRefused)
    assert refused.code == "country.ambiguous"
    assert len({country.alpha_2 for country in refused.candidates}) > 1
    assert text in refused.message


@pytest.mark.parametrize(("system", "alpha_2"), [("ISO", "BN"), ("IOC", "BH")])
def test_brn_is_the_country_of_the_system_that_is_named(system: CodeSystem, alpha_2: str) -> None:
    assert resolve("BRN", (system,)) == Country(system, "BRN", alpha_2)


@pytest.mark.parametrize("text", ["ZZZ", "QQ", "Atlantis", "", "12", "💥", "F" * 500])
def test_an_unknown_text_is_refused(text: str) -> None:
    refused = resolve(text)

    assert isinstance(refused, CountryRefused)
    assert refused.code == "country.unknown"
    assert len(refused.message) < 400


def test_every_iso_code_is_known_in_iso() -> None:
    for record in pycountry.countries:
        assert resolve(record.alpha_3, ("ISO",)) == Country("ISO", record.alpha_3, record.alpha_2)
        assert resolve(record.alpha_2) == Country("ISO", record.alpha_3, record.alpha_2)


def test_every_current_member_has_its_codes() -> None:
    codes = _tables().codes
    current = {
        system: {entry.country.alpha_2 for entry in codes[system].values()} for system in SYSTEMS
    }

    # 206 national Olympic committees, Kosovo's without an ISO code; 211 FIFA members, of which
    # four share GB and Kosovo has no ISO code.
    assert len(current["IOC"] - {None}) == 205
    assert len(current["FIFA"] - {None}) >= 207


def test_contested_codes_are_exactly_the_known_ones() -> None:
    codes = _tables().codes
    contested = {
        code
        for system in SYSTEMS
        for code in codes[system]
        if len({codes[s][code].identity for s in SYSTEMS if code in codes[s]}) > 1
    }

    assert contested == {"BRN", "ANT", "BUR", "VNM"}


def test_a_whole_column_tells_its_system() -> None:
    assert code_systems_of(["DEU", "NLD", "PRT", "CHE", "ENG"]) == ("ISO",)
    assert code_systems_of(["GER", "NED", "GRE", "SLO", "LAT", "BRN"]) == ("IOC",)
    assert code_systems_of(["GER", "NED", "GRE", "ENG"]) == ("FIFA", "IOC")
    assert code_systems_of(["FRA", "ITA", "BRN"]) == ()


@given(st.text(max_size=30), st.lists(st.sampled_from(SYSTEMS), max_size=3, unique=True))
def test_any_text_is_one_country_or_refused(text: str, systems: list[CodeSystem]) -> None:
    answer = resolve(text, systems)

    if isinstance(answer, Country):
        assert answer.system in SYSTEMS
        assert resolve(answer.code, (answer.system,)) == answer
