"""The tenant's athletes in numbers, counted in one statement."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import msgspec

from trophenix_recruitment.store.athletes import SCHEMA
from trophenix_sdk.context import Database
from trophenix_sdk.database import Query


class Share(msgspec.Struct, frozen=True):
    """How many athletes have this value; ``None`` for those of whom it is not known."""

    value: str | None
    count: int


class Bands(msgspec.Struct, frozen=True):
    """How many athletes are certainly in each band of completed years; those whose birth fits no band for sure are not known."""

    under_18: int
    from_18_to_20: int
    from_21_to_23: int
    from_24_to_29: int
    from_30: int
    not_known: int


class Counted(msgspec.Struct, frozen=True):
    """The figures; the fields stand in the order of the statement's columns."""

    total: int
    ranked: int
    added_since: int
    under_18: int
    from_18_to_20: int
    from_21_to_23: int
    from_24_to_29: int
    from_30: int
    sports: list[Share]
    countries: list[Share]
    sexes: list[Share]
    visibilities: list[Share]
    duplicates_open: int
    imports: int


_STATISTICS: Final = Query(
    f"""
    with a as (
      select sport, sport_key, country, nationality, sex, visibility, ranking, birth_earliest, birth_latest, created_at
      from {SCHEMA}.athlete
    )
    select (select count(*) from a), (select count(ranking) from a), (select count(*) from a where created_at >= :since),
      (select count(*) from a where birth_earliest > :born_18),
      (select count(*) from a where birth_latest <= :born_18 and birth_earliest > :born_21),
      (select count(*) from a where birth_latest <= :born_21 and birth_earliest > :born_24),
      (select count(*) from a where birth_latest <= :born_24 and birth_earliest > :born_30),
      (select count(*) from a where birth_latest <= :born_30),
      (select coalesce(jsonb_agg(jsonb_build_object('value', s.value, 'count', s.n)), '[]') from (
         select min(sport) as value, count(*) as n from a group by sport_key order by n desc, value nulls last limit :most) s),
      (select coalesce(jsonb_agg(jsonb_build_object('value', c.value, 'count', c.n)), '[]') from (
         select coalesce(country, nationality) as value, count(*) as n from a group by 1 order by n desc, value nulls last limit :most) c),
      (select coalesce(jsonb_agg(jsonb_build_object('value', x.value, 'count', x.n)), '[]') from (
         select sex as value, count(*) as n from a group by sex order by n desc, value nulls last) x),
      (select coalesce(jsonb_agg(jsonb_build_object('value', v.value, 'count', v.n)), '[]') from (
         select visibility as value, count(*) as n from a group by visibility order by n desc, value) v),
      (select count(*) from {SCHEMA}.duplicate_link d where d.decision is null),
      (select count(*) from {SCHEMA}.import_batch b where b.status in ('applied', 'applied_with_errors'))
    """,
    Counted,
)


async def count(db: Database, *, since: datetime, births: dict[int, date], most: int) -> Counted:
    """The figures.

    Args:
        since: from when on athletes count as newly added.
        births: for 18, 21, 24 and 30 years, the last birthday on which they are completed today.
        most: sports and countries at most.
    """
    return await db.one(
        _STATISTICS,
        since=since,
        most=most,
        born_18=births[18],
        born_21=births[21],
        born_24=births[24],
        born_30=births[30],
    )
