"""Searching athletes: one statement per combination of filters and order, so that each is planned for what it asks.

Only leakproof comparisons become index conditions under row security. A prefix is therefore written as the range of texts that begin
with it: ``^@`` is leakproof too, but only while the planner knows the prefix.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args
from uuid import UUID

import msgspec

from trophenix_recruitment.keys import text_key
from trophenix_recruitment.names import name_key
from trophenix_recruitment.store.athletes import COLUMNS, SCHEMA, StoredAthlete
from trophenix_sdk.context import Database
from trophenix_sdk.database import Query
from trophenix_sdk.errors import FieldProblem, Invalid
from trophenix_sdk.paging import decode_cursor, encode_cursor

Sort = Literal[
    "name",
    "-name",
    "ranking",
    "-ranking",
    "birth_date",
    "-birth_date",
    "sport",
    "-sport",
    "country",
    "-country",
    "club",
    "-club",
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
]
SORTS: Final[tuple[Sort, ...]] = get_args(Sort)

_END: Final = "\U0010ffff"
"""Behind every text, by code point: no character of it is ever stored."""


class _Key(msgspec.Struct, frozen=True):
    """What a list is ordered by; where nothing is known stands last in both directions."""

    column: str
    kind: Any
    nullable: bool = True


_KEYS: Final[dict[str, _Key]] = {
    "name": _Key("name_key", str, nullable=False),
    "ranking": _Key("ranking", int),
    "birth_date": _Key("birth_earliest", date),
    "sport": _Key("sport_key", str),
    "country": _Key("nationality", str),
    "club": _Key("club_key", str),
    "created_at": _Key("created_at", datetime, nullable=False),
    "updated_at": _Key("updated_at", datetime, nullable=False),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for; every condition given must hold.

    Attributes:
        words: each must begin a word of the name; ``None`` is no condition, an empty tuple finds nobody.
        sport: key.
        country: ISO alpha-2.
        code: a nationality's code, for those that have no ISO code of their own.
        former: whether that nationality is of a country that is no more.
        born_until: the last day on which the athlete was certainly born already.
        born_after: the day after which the athlete was certainly born.
        position, club: keys; their words stand in the athlete's, in this order.
    """

    words: tuple[str, ...] | None = None
    sport: str | None = None
    country: str | None = None
    code: str | None = None
    former: bool = False
    ranking_min: int | None = None
    ranking_max: int | None = None
    born_until: date | None = None
    born_after: date | None = None
    position: str | None = None
    club: str | None = None
    visibility: str | None = None

    def conditions(self) -> dict[str, Any]:
        """The names of the conditions that are asked for, and their parameters."""
        found: dict[str, Any] = {}
        if self.words is not None:
            if not self.words:
                found["nobody"] = {}
            else:
                longest = max(self.words, key=len)
                found["word"] = {"word": longest, "word_end": longest + _END}
                if len(self.words) > 1:
                    found["words"] = {"words": list(self.words)}
        if self.former:
            found["former"] = {}
        for name in (
            "sport",
            "country",
            "code",
            "ranking_min",
            "ranking_max",
            "born_until",
            "born_after",
            "position",
            "club",
            "visibility",
        ):
            value = getattr(self, name)
            if value is not None:
                found[name] = {name: value}
        return found


def words_of(text: str) -> tuple[str, ...]:
    """The words that *text* asks for, as names are keyed."""
    key = name_key(text)
    return tuple(dict.fromkeys(key.split(" "))) if key else ()


_STARTS: Final = "(a.{0} >= :word and a.{0} < :word_end)"
_CONDITIONS: Final[dict[str, str]] = {
    "nobody": "false",
    "word": (
        "("
        + " or ".join(
            _STARTS.format(name) for name in ("name_key", "name_key_2", "name_key_3", "name_key_4")
        )
        + " or (a.name_words > 4 and position(' ' || :word in ' ' || a.name_key) > 0))"
    ),
    "words": (
        "not exists (select from unnest(cast(:words as text[])) w where position(' ' || w in ' ' || a.name_key) = 0)"
    ),
    "sport": "a.sport_key = :sport",
    "country": "a.country = :country",
    "code": "a.nationality = :code",
    "former": "a.country is null",
    "ranking_min": "a.ranking >= :ranking_min",
    "ranking_max": "a.ranking <= :ranking_max",
    "born_until": "a.birth_latest <= :born_until",
    "born_after": "a.birth_earliest > :born_after",
    "position": "position(' ' || :position || ' ' in ' ' || a.position_key || ' ') > 0",
    "club": "position(' ' || :club || ' ' in ' ' || a.club_key || ' ') > 0",
    "visibility": "a.visibility = :visibility",
}


def _where(names: tuple[str, ...]) -> str:
    return " and ".join(_CONDITIONS[name] for name in names) or "true"


_After = Literal["", "value", "nothing"]
"""Where a page goes on: at the beginning, behind a value, or among those of whom nothing is known."""


def _following(key: _Key, after: _After, sign: str) -> str:
    place = f"(a.{key.column}, a.id) {sign} (:after, :after_id)"
    if after == "nothing":
        return f" and a.{key.column} is null and a.id {sign} :after_id"
    if after == "value":
        return f" and ({place} or a.{key.column} is null)" if key.nullable else f" and {place}"
    return ""


@lru_cache(maxsize=2048)
def _page_query(names: tuple[str, ...], sort: str, after: _After) -> Query[StoredAthlete]:
    key = _KEYS[sort.removeprefix("-")]
    way, sign = ("desc", "<") if sort.startswith("-") else ("asc", ">")
    nulls = " nulls last" if key.nullable else ""
    return Query(
        f"select {COLUMNS} from {SCHEMA}.athlete a where {_where(names)}{_following(key, after, sign)}"
        f" order by a.{key.column} {way}{nulls}, a.id {way} limit :limit",
        StoredAthlete,
    )


@lru_cache(maxsize=256)
def _count_query(names: tuple[str, ...]) -> Query[int]:
    return Query(f"select count(*) from {SCHEMA}.athlete a where {_where(names)}", int)


def _value(found: StoredAthlete, sort: str) -> Any:
    """What *found* is ordered by."""
    match sort.removeprefix("-"):
        case "name":
            return name_key(f"{found.family_name} {found.given_name}")
        case "birth_date":
            return found.birth_earliest
        case "sport":
            return text_key(found.sport)
        case "club":
            return text_key(found.club)
        case "country":
            return found.nationality
        case column:
            return getattr(found, column)


async def page(
    db: Database, wanted: Wanted, sort: Sort, limit: int, cursor: str | None
) -> tuple[list[StoredAthlete], str | None]:
    """At most *limit* athletes in order, and the cursor of the page behind them; one round trip.

    Raises:
        Invalid: the cursor was given out for another order.
    """
    conditions = wanted.conditions()
    parameters: dict[str, Any] = {}
    for values in conditions.values():
        parameters.update(values)
    after: _After = ""
    if cursor:
        given, value, last = decode_cursor(
            cursor, str, _KEYS[sort.removeprefix("-")].kind | None, UUID
        )
        if given != sort:
            raise _other_order(given, sort)
        after = "nothing" if value is None else "value"
        if value is not None:
            parameters["after"] = value
        parameters["after_id"] = last
    query = _page_query(tuple(conditions), sort, after)
    found = await db.all(query, limit=limit + 1, **parameters)
    if len(found) <= limit:
        return found, None
    found = found[:limit]
    return found, encode_cursor(sort, _value(found[-1], sort), found[-1].id)


async def count(db: Database, wanted: Wanted) -> int:
    """How many athletes are found in all."""
    conditions = wanted.conditions()
    parameters: dict[str, Any] = {}
    for values in conditions.values():
        parameters.update(values)
    return await db.one(_count_query(tuple(conditions)), **parameters)


def _other_order(given: str, sort: str) -> Invalid:
    return Invalid(
        f"The cursor belongs to the order {given}, asked for was {sort}.",
        next_step="Start again without a cursor, or keep the order.",
        problems=(
            FieldProblem("/cursor", "bad_cursor", "this cursor was not given out for this order"),
        ),
    )
