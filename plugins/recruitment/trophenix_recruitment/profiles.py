"""One athlete said in fields: checked by the rules of imports, merged into what is known."""

from __future__ import annotations

from collections.abc import Mapping as Members
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from trophenix_recruitment.ages import may_be_minor
from trophenix_recruitment.checks import RowChecker
from trophenix_recruitment.countries import CodeSystem
from trophenix_recruitment.headings import Target
from trophenix_recruitment.mapping import ColumnMapping, Mapping
from trophenix_recruitment.measures import HEIGHT_CM, WEIGHT_KG
from trophenix_recruitment.model import (
    AthleteDraft,
    ExternalId,
    RawRow,
    Sex,
    Visibility,
)
from trophenix_sdk.errors import FieldProblem, Invalid

Name = Annotated[str, Meta(max_length=120)]
Text = Annotated[str, Meta(max_length=200)]
Ranking = Annotated[int, Meta(ge=1, le=999_999_999)]
Height = Annotated[float, Meta(ge=HEIGHT_CM[0], le=HEIGHT_CM[1])]
Weight = Annotated[float, Meta(ge=WEIGHT_KG[0], le=WEIGHT_KG[1])]
BirthDate = Annotated[str, Meta(max_length=40, description="1998, 1998-05 or 1998-05-12")]
Nationality = Annotated[str, Meta(max_length=120, description="a country's code or name")]


class Fields(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What can be said about an athlete: a field left out stays as it is, ``null`` empties it.

    Attributes:
        name: the whole name, where its parts are not known apart.
        birth_date: as exact as it is known: ``1998``, ``1998-05`` or ``1998-05-12``.
        nationality: an ISO, IOC or FIFA code, or a country's name in French or English.
        nationality_system: the system of the code, where two read it differently.
        external_ids: all numbers given to the athlete by others; replaces the list.
        attributes: whatever else is known; replaces the whole.
    """

    first_name: Name | UnsetType | None = UNSET
    last_name: Name | UnsetType | None = UNSET
    name: Text | UnsetType = UNSET
    sex: Sex | UnsetType | None = UNSET
    birth_date: BirthDate | UnsetType | None = UNSET
    nationality: Nationality | UnsetType | None = UNSET
    nationality_system: CodeSystem | UnsetType = UNSET
    sport: Text | UnsetType | None = UNSET
    ranking: Ranking | UnsetType | None = UNSET
    position: Text | UnsetType | None = UNSET
    club: Text | UnsetType | None = UNSET
    height_cm: Height | UnsetType | None = UNSET
    weight_kg: Weight | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET
    external_ids: tuple[ExternalId, ...] | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET


_TARGETS: Final[dict[str, tuple[Target, str | None]]] = {
    "first_name": ("given_name", None),
    "last_name": ("family_name", None),
    "name": ("full_name", None),
    "sex": ("sex", None),
    "birth_date": ("birth", None),
    "nationality": ("country", None),
    "nationality_system": ("country_system", None),
    "sport": ("sport", None),
    "ranking": ("ranking", None),
    "position": ("position", None),
    "club": ("club", None),
    "height_cm": ("height", "cm"),
    "weight_kg": ("weight", "kg"),
    "visibility": ("visibility", None),
    "external_ids": ("external_ids", None),
    "attributes": ("attributes", None),
}
# What each field decides of a draft.
_DECIDES: Final[dict[str, tuple[str, ...]]] = {
    "first_name": ("given_name",),
    "last_name": ("family_name",),
    "name": ("family_name", "given_name"),
    "birth_date": ("birth_earliest", "birth_latest"),
    "nationality": ("nationality", "nationality_system", "nationality_alpha_2"),
    "nationality_system": (),
}


def given_fields(fields: Fields) -> dict[str, Any]:
    """The fields that were said, those emptied included."""
    return {
        name: value
        for name in fields.__struct_fields__
        if name in _TARGETS and (value := getattr(fields, name)) is not UNSET
    }


def new_draft(fields: Fields, today: date) -> AthleteDraft:
    """The athlete that *fields* describe.

    Raises:
        Invalid: with every fault, each at its field.
    """
    given = given_fields(fields)
    draft = _checked({"last_name": None, **given} if "name" not in given else given, today)
    refuse_public_minor(draft, today)
    return draft


def changed_draft(known: AthleteDraft, fields: Fields, today: date) -> AthleteDraft:
    """The athlete *known*, with what *fields* say.

    Raises:
        Invalid: with every fault, each at its field.
    """
    given = given_fields(fields)
    if "first_name" in given or "last_name" in given:
        # One part of a name alone says nothing about the other.
        given.setdefault("first_name", known.given_name or None)
        given.setdefault("last_name", known.family_name or None)
    if not given:
        return known
    # The rules want a name, whatever is changed.
    named = any(part in given for part in ("name", "first_name", "last_name"))
    name = {} if named else {"last_name": known.family_name or known.given_name}
    checked = _checked({**given, **name}, today)
    decided = {
        field: getattr(checked, field) for word in given for field in _DECIDES.get(word, (word,))
    }
    draft = msgspec.structs.replace(known, **decided)
    refuse_public_minor(draft, today)
    return draft


def _checked(given: Members[str, Any], today: date) -> AthleteDraft:
    _refuse_contradictions(given)
    system = given.get("nationality_system")
    headings = tuple(given)
    mapping = Mapping(
        tuple(ColumnMapping(name, *_TARGETS[name]) for name in headings),
        country_systems=(system,) if system else (),
        apostrophe_guards=False,
    )
    row = RawRow(0, [_plain(value) for value in given.values()])
    outcome = RowChecker(headings, mapping, today).check(row)
    if outcome.draft is None:
        raise _invalid(
            [
                FieldProblem(
                    f"/{problem.column}" if problem.column else "", problem.code, problem.message
                )
                for problem in outcome.problems
                if problem.severity == "error"
            ]
        )
    return outcome.draft


def _refuse_contradictions(given: Members[str, Any]) -> None:
    if "name" in given and (given.get("first_name") or given.get("last_name")):
        said = "the whole name and its parts were given: give either one."
        raise _invalid([FieldProblem("/name", "name.twice", said)])
    if given.get("nationality_system") and not given.get("nationality"):
        said = "a code system alone says nothing: give the code with it."
        raise _invalid([FieldProblem("/nationality", "missing", said)])


def _plain(value: Any) -> Any:
    """A value as a JSON document would hold it."""
    return list(msgspec.to_builtins(value)) if isinstance(value, tuple) else value


def refuse_public_minor(draft: AthleteDraft, today: date) -> None:
    """Nothing happens unless the profile of a minor is to be public.

    Raises:
        Invalid: it is.
    """
    if draft.visibility != "recruiter_only" and may_be_minor(draft, today):
        raise _invalid([FieldProblem("/visibility", MINOR_PUBLIC, MINOR_PUBLIC_SAID)])


MINOR_PUBLIC: Final = "visibility.minor"
MINOR_PUBLIC_SAID: Final = "the athlete is, or may be, under 18, and profiles of minors are never public: use recruiter_only."


def _invalid(problems: Sequence[FieldProblem]) -> Invalid:
    count = len(problems)
    return Invalid(
        f"{count} value{'s are' if count != 1 else ' is'} not valid.",
        next_step="Correct what `errors` names and send it again.",
        problems=tuple(problems),
    )
