"""Pairs of athletes who may be one person, and who is worth comparing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from trophenix_recruitment.duplicates import DuplicateKind
from trophenix_recruitment.store.athletes import COLUMNS, SCHEMA, StoredAthlete
from trophenix_sdk.context import Database
from trophenix_sdk.database import Query

Decision = Literal["same", "different", "relatives"]


class Link(msgspec.Struct, frozen=True):
    """A pair that was proposed, and what was decided about it."""

    id: UUID
    left_id: UUID
    right_id: UUID
    kind: DuplicateKind
    score: float
    reasons: list[str]
    conflicts: list[str]
    batch_id: UUID | None
    decision: Decision | None
    decided_by_name: str | None
    decided_at: datetime | None
    created_at: datetime


class NewLink(msgspec.Struct, frozen=True):
    """A pair to be proposed; ``left`` is the smaller id."""

    id: UUID
    left: UUID
    right: UUID
    kind: DuplicateKind
    score: float
    reasons: tuple[str, ...]
    conflicts: tuple[str, ...]


_LINK: Final = (
    "d.id, d.left_id, d.right_id, d.kind, d.score, d.reasons, d.conflicts, d.batch_id, d.decision, d.decided_by_name,"
    " d.decided_at, d.created_at"
)
_COMPARABLE: Final = Query(
    f"select {COLUMNS} from {SCHEMA}.athlete a where a.id in ("
    f"select n.id from {SCHEMA}.athlete n where n.name_sorted = any (cast(:names as text[]))"
    f" union select b.id from {SCHEMA}.athlete b where b.birth_earliest = any (cast(:days as date[])) and b.birth_latest = b.birth_earliest"
    f" union select e.athlete_id from unnest(cast(:schemes as text[]), cast(:values as text[])) as i(scheme, value)"
    f" join {SCHEMA}.external_id e on e.scheme = i.scheme and e.value = i.value)"
    " order by case when cast(:most as bigint) is not null then a.name_sorted = any (cast(:names as text[])) end desc limit :most",
    StoredAthlete,
)
_INSERT: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.duplicate_link (id, left_id, right_id, kind, score, reasons, conflicts, batch_id, created_at)"
    " select l.id, l.left_id, l.right_id, l.kind, l.score, string_to_array(l.reasons, ' '), string_to_array(l.conflicts, ' '),"
    " :batch, :now"
    " from unnest(cast(:ids as uuid[]), cast(:lefts as uuid[]), cast(:rights as uuid[]), cast(:kinds as text[]),"
    " cast(:scores as float8[]), cast(:reasons as text[]), cast(:conflicts as text[]))"
    " as l(id, left_id, right_id, kind, score, reasons, conflicts)"
    " on conflict (tenant_id, left_id, right_id) do nothing"
)
_ASKED: Final = (
    "(cast(:kind as text) is null or d.kind = :kind)"
    " and (cast(:athlete as uuid) is null or d.left_id = :athlete or d.right_id = :athlete)"
    " and (cast(:batch as uuid) is null or d.batch_id = :batch)"
    " and case cast(:decision as text) when 'open' then d.decision is null when 'any' then true else d.decision = :decision end"
)
_PAGE: Final = Query(
    f"select {_LINK} from {SCHEMA}.duplicate_link d where (cast(:after as uuid) is null or d.id < :after) and {_ASKED}"
    " order by d.id desc limit :limit",
    Link,
)
_COUNT: Final = Query(f"select count(*) from {SCHEMA}.duplicate_link d where {_ASKED}", int)
_ONE: Final = Query(f"select {_LINK} from {SCHEMA}.duplicate_link d where d.id = :id", Link)
_LOCKED: Final = Query(
    f"select {_LINK} from {SCHEMA}.duplicate_link d where d.id = :id for update of d", Link
)
_DECIDE: Final = Query(
    f"update {SCHEMA}.duplicate_link d set decision = :decision, decided_by = :who, decided_by_name = :name, decided_at = :now"
    f" where d.id = :id returning {_LINK}",
    Link,
)


async def comparable(
    db: Database,
    names: Collection[str],
    days: Collection[date],
    ids: Collection[tuple[str, str]],
    *,
    most: int | None = None,
) -> list[StoredAthlete]:
    """The stored athletes with one of these names (sorted words), days of birth or identifiers; one statement.

    Args:
        names, days, ids: what is shared.
        most: so many at most, those with the same name first; all when left out.
    """
    if not (names or days or ids):
        return []
    return await db.all(
        _COMPARABLE,
        names=list(names),
        days=list(days),
        schemes=[one[0] for one in ids],
        values=[one[1] for one in ids],
        most=most,
    )


async def insert(
    db: Database, links: Iterable[NewLink], batch_id: UUID | None, now: datetime
) -> int:
    """How many of *links* are new; a pair that was proposed before keeps what was decided about it."""
    rows = sorted(links, key=lambda link: (link.left, link.right))
    if not rows:
        return 0
    return await db.execute(
        _INSERT,
        ids=[link.id for link in rows],
        lefts=[link.left for link in rows],
        rights=[link.right for link in rows],
        kinds=[link.kind for link in rows],
        scores=[link.score for link in rows],
        reasons=[" ".join(link.reasons) for link in rows],
        conflicts=[" ".join(link.conflicts) for link in rows],
        batch=batch_id,
        now=now,
    )


async def page(db: Database, limit: int, after: UUID | None, **asked: Any) -> list[Link]:
    """At most *limit* pairs, newest first; *asked* are kind, athlete, batch and decision."""
    return await db.all(_PAGE, limit=limit, after=after, **asked)


async def count(db: Database, **asked: Any) -> int:
    """How many pairs there are of those asked for."""
    return await db.one(_COUNT, **asked)


async def read(db: Database, link_id: UUID) -> Link:
    """The pair.

    Raises:
        NotFound: there is none of this id.
    """
    return await db.one(_ONE, id=link_id)


async def lock(db: Database, link_id: UUID) -> Link:
    """The pair, which nobody else can decide until this transaction ends.

    Raises:
        NotFound: there is none of this id.
    """
    return await db.one(_LOCKED, id=link_id)


async def decide(
    db: Database,
    link_id: UUID,
    decision: Decision | None,
    who: UUID | None,
    name: str | None,
    now: datetime | None,
) -> Link:
    """The pair with its decision; ``None`` opens it again."""
    return await db.one(_DECIDE, id=link_id, decision=decision, who=who, name=name, now=now)
