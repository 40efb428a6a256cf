"""What the headings of athlete lists mean, in French and in English."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from trophenix_recruitment.dates import looks_like_date
from trophenix_recruitment.names import name_key

Target = Literal[
    "family_name",
    "given_name",
    "full_name",
    "sex",
    "female_flag",
    "birth",
    "country",
    "country_system",
    "sport",
    "ranking",
    "height",
    "weight",
    "position",
    "position_flag",
    "club",
    "external_id",
    "external_ids",
    "visibility",
    "attribute",
    "attributes",
    "ignore",
]


class Meaning(NamedTuple):
    """What a heading says: the target, and its detail (scheme, unit or position)."""

    target: Target
    detail: str | None = None


# Written as name keys: no accents, no case, no punctuation.
_HEADINGS: Final[tuple[tuple[Meaning, str], ...]] = (
    (
        Meaning("family_name"),
        (
            "nom|nom de famille|nom famille|nom athlete|nom de l athlete|nom joueur|nom usage|"
            "nom d usage|nom de naissance|patronyme|family name|familyname|last name|lastname|surname|"
            "second name|athlete last name|player last name|family"
        ),
    ),
    (
        Meaning("given_name"),
        (
            "prenom|prenoms|prenom athlete|prenom joueur|prenom usuel|given name|givenname|given names|"
            "first name|firstname|first names|forename|forenames|christian name|athlete first name|"
            "player first name|given"
        ),
    ),
    (
        Meaning("full_name"),
        (
            "name|full name|fullname|nom complet|nom et prenom|nom prenom|nom prenoms|prenom nom|"
            "prenom et nom|athlete|athlete name|player|player name|joueur|joueuse|sportif|sportive|"
            "display name"
        ),
    ),
    (Meaning("sex"), "sexe|sex|genre|gender|sexe h f|sexe m f|civilite"),
    (Meaning("female_flag"), "female|femme|is female|feminin"),
    (
        Meaning("birth"),
        (
            "date de naissance|date naissance|ne le|nee le|ne e le|naissance|jour de naissance|"
            "annee de naissance|annee naissance|birth date|birthdate|date of birth|dateofbirth|dob|"
            "birth|born|birthday|birth day|birth year|year of birth|birthyear|ddn|d d n"
        ),
    ),
    (
        Meaning("country"),
        (
            "pays|pays code|code pays|nationalite|nationalite sportive|nation|pays de nationalite|"
            "country|country code|countrycode|nationality|nat|noc|noc code|fifa code|ioc code|"
            "federation country|team country|citizenship"
        ),
    ),
    (
        Meaning("country_system"),
        (
            "systeme du code pays|systeme pays|country code system|country system|code system|"
            "nationality system"
        ),
    ),
    (Meaning("sport"), "sport|sports|discipline|discipline sportive|sport discipline"),
    (
        Meaning("ranking"),
        (
            "classement|rang|classement mondial|classement national|ranking|rank|world ranking|"
            "world rank|current rank|national ranking"
        ),
    ),
    (Meaning("height"), "taille|height|hauteur|stature"),
    (Meaning("height", "cm"), "taille cm|taille en cm|height cm|height in cm|heightcm"),
    (Meaning("height", "m"), "taille m|taille en m|height m|taille en metres|height meters"),
    (
        Meaning("height", "in"),
        "height in|height inches|height in inches|taille pouces|taille en pouces",
    ),
    (Meaning("height", "ft"), "height ft|height feet|height in feet|taille pieds|taille en pieds"),
    (Meaning("weight"), "poids|weight|masse"),
    (Meaning("weight", "kg"), "poids kg|poids en kg|weight kg|weight in kg|weightkg"),
    (
        Meaning("weight", "lb"),
        (
            "weight lb|weight lbs|weight pounds|weight in pounds|weight in lbs|poids livres|"
            "poids en livres|poids lb|poids lbs"
        ),
    ),
    (Meaning("position"), "poste|position|poste de jeu|poste principal|role|playing position"),
    (
        Meaning("position_flag", "goalkeeper"),
        "goal keeper|goalkeeper|is goalkeeper|gardien|gardienne",
    ),
    (Meaning("position_flag", "defender"), "defender|is defender|defenseur|defenseuse"),
    (Meaning("position_flag", "midfielder"), "midfielder|is midfielder|milieu"),
    (Meaning("position_flag", "forward"), "forward|is forward|attaquant|attaquante"),
    (
        Meaning("club"),
        "club|equipe|team|club actuel|current club|nom du club|club name|team name|structure",
    ),
    (
        Meaning("external_id", "licence"),
        (
            "n licence|no licence|num licence|numero licence|numero de licence|n de licence|licence|"
            "licence number|licence no|licence id|license|license number|license no|licensenumber|"
            "license id|id licence|licence ffa|code licence"
        ),
    ),
    (Meaning("external_id", "player_id"), "player id|playerid|id joueur|identifiant joueur"),
    (Meaning("external_id", "athlete_id"), "athlete id|athleteid|id athlete|identifiant athlete"),
    (Meaning("external_id", "wikidata"), "wikidata|wikidata id|wikidata qid|qid|id wikidata"),
    (
        Meaning("external_ids"),
        "external ids|external identifiers|identifiants externes|autres identifiants",
    ),
    (Meaning("visibility"), "visibilite|visibility|profile visibility|visibilite du profil"),
    (Meaning("attributes"), "attributes|attributs"),
)

_MEANINGS: Final[dict[str, Meaning]] = {
    key: meaning for meaning, keys in _HEADINGS for key in keys.split("|")
}

# "FIDE ID", "ID ITF", "Identifiant UCI": the number that a federation gave.
_FEDERATIONS: Final = frozenset(
    "fide itf atp wta fifa uefa fis uci fia fina aquatics fie fiba fivb ittf bwf ijf uww worldathletics"
    " iaaf wa isu ibu igf icf olympedia ioc tf ffa fff ffr ffbb ffn fft adams ipin".split()
)
_FEDERATION_ID: Final = re.compile(
    r"(?:id|identifiant|n|numero) (\w+)|(\w+) (?:id|number|no|numero)"
)
_SCHEME: Final = re.compile(r"(?:id|identifiant)\s*\[(.{1,120})\]", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"(?:attribute|attribut)\s*\[(.{1,200})\]", re.IGNORECASE)


@lru_cache(maxsize=4_096)
def meaning_of(heading: str) -> Meaning | None:
    """Give what *heading* says, or ``None`` for a heading nobody listed.

    ``ID [scheme]`` and ``Attribute [name]``, as the export writes them, say it themselves.
    """
    if found := _SCHEME.fullmatch(heading.strip()):
        return Meaning("external_id", found[1])
    if found := _ATTRIBUTE.fullmatch(heading.strip()):
        return Meaning("attribute", found[1])
    key = name_key(heading)
    meaning = _MEANINGS.get(key)
    if meaning is None and (found := _FEDERATION_ID.fullmatch(key)):
        federation = found[1] or found[2]
        if federation in _FEDERATIONS:
            return Meaning("external_id", federation)
    return meaning


def known_headings(cells: Iterable[str]) -> int:
    """Count the cells that are headings this module knows."""
    return sum(1 for cell in cells if len(cell) <= 80 and meaning_of(cell) is not None)


_DATA: Final = re.compile(r"[\d\s.,:/+-]+")


def heading_row(rows: Sequence[Sequence[str]]) -> int | None:
    """Give the index of the heading among the first *rows* of a table, or ``None``.

    The first row with at least two known headings (one, in a table of one or two columns) is
    the heading; failing that the very first row is, when each of its cells is a distinct text
    that is neither a number nor a date and at least one row below holds such data.
    """
    for index, cells in enumerate(rows):
        if known_headings(cells) >= min(2, max(1, len(cells) - 1)):
            return index
    if len(rows) < 2:
        return None
    first = [cell.strip() for cell in rows[0]]
    if all(first) and len(set(first)) == len(first) and not any(map(_is_data, first)):
        below = any(_is_data(cell) for row in rows[1:] for cell in row)
        return 0 if below else None
    return None


def _is_data(cell: str) -> bool:
    return bool(_DATA.fullmatch(cell)) or looks_like_date(cell)


def distinct_headings(cells: Iterable[str]) -> tuple[str, ...]:
    """Give the headings with every name different: empty ones are numbered, repeated ones too."""
    taken: set[str] = set()
    headings: list[str] = []
    for number, cell in enumerate(cells, start=1):
        printable = "".join(c if c.isprintable() else " " for c in cell)
        base = " ".join(printable.split())[:200] or f"column {number}"
        heading, copy = base, 2
        while heading in taken:
            heading, copy = f"{base} ({copy})", copy + 1
        taken.add(heading)
        headings.append(heading)
    return tuple(headings)
