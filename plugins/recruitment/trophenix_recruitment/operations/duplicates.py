"""Pairs of athletes who may be one person: looked at side by side, and decided by people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from trophenix_recruitment.duplicates import DuplicateKind
from trophenix_recruitment.store import athletes, duplicates
from trophenix_recruitment.store.duplicates import Decision, Link
from trophenix_recruitment.views import Athlete, view
from trophenix_sdk.context import Context
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.operations import GET, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor

_ = gettext_lazy("recruitment")


class DuplicatesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which pairs, newest first.

    Attributes:
        decision: ``open`` for those that wait, ``any`` for all.
        kind: how sure the proposal is.
        athlete_id: pairs with this athlete.
        batch_id: pairs that this import proposed.
    """

    decision: Literal["open", "same", "different", "relatives", "any"] = "open"
    kind: DuplicateKind | None = None
    athlete_id: UUID | None = None
    batch_id: UUID | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: str | None = None
    count: bool = False


class OneDuplicate(msgspec.Struct, frozen=True):
    """A pair by id."""

    id: UUID


class DuplicateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided about a pair; ``None`` opens it again.

    Attributes:
        decision: ``same`` person, ``different`` people, or ``relatives`` who resemble each other.
    """

    id: UUID
    decision: Decision | None


class Duplicate(msgspec.Struct, frozen=True, kw_only=True):
    """Two athletes who may be one person.

    Attributes:
        name: both names, for people.
        kind: ``certain`` (same identifier), ``probable``, ``possible``, or ``possible_relatives`` such as twins.
        score: how alike the names are, 0 to 1.
        reasons: codes of what speaks for it.
        conflicts: codes of what speaks against it.
    """

    id: UUID
    name: str
    kind: DuplicateKind
    score: float
    reasons: list[str]
    conflicts: list[str]
    left: Athlete
    right: Athlete
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime


@operation(
    name="duplicate.list",
    title=_("Possible duplicates"),
    http=GET("/athletes/duplicates"),
    permission="athlete.read",
)
async def list_duplicates(ctx: Context, query: DuplicatesQuery) -> Page[Duplicate]:
    """The pairs, each with both athletes as they are now."""
    after = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    asked = {
        "kind": query.kind,
        "athlete": query.athlete_id,
        "batch": query.batch_id,
        "decision": query.decision,
    }
    found = await duplicates.page(ctx.db, query.limit + 1, after, **asked)
    more, found = len(found) > query.limit, found[: query.limit]
    total = await duplicates.count(ctx.db, **asked) if query.count else None
    return Page(await _shown(ctx, found), encode_cursor(found[-1].id) if more else None, total)


@operation(
    name="duplicate.read",
    title=_("See a possible duplicate"),
    http=GET("/athletes/duplicates/{id}"),
    permission="athlete.read",
)
async def read_duplicate(ctx: Context, given: OneDuplicate) -> Duplicate:
    """One pair, with both athletes as they are now."""
    return (await _shown(ctx, [await duplicates.read(ctx.db, given.id)]))[0]


@operation(
    name="duplicate.decide",
    title=_("Decide about a possible duplicate"),
    http=POST("/athletes/duplicates/{id}/decision"),
    permission="duplicate.decide",
)
async def decide_duplicate(ctx: Context, given: DuplicateDecision) -> Duplicate:
    """The decision is noted, with who took it. The athletes stay as they are: nothing is ever merged by itself."""
    return await _decide(ctx, given.id, given.decision)


class DuplicatesDecided(msgspec.Struct, frozen=True, kw_only=True):
    """One pair, or many, that are decided alike."""

    id: UUID | None = None
    ids: Annotated[list[UUID], Meta(max_length=200)] = []


@operation(name="duplicate.same", title=_("Same person"), permission="duplicate.decide")
async def decide_same(ctx: Context, given: DuplicatesDecided) -> None:
    """The pairs are noted as the same person; nothing is merged."""
    await _decide_all(ctx, given, "same")


@operation(name="duplicate.different", title=_("Different people"), permission="duplicate.decide")
async def decide_different(ctx: Context, given: DuplicatesDecided) -> None:
    """The pairs are noted as different people."""
    await _decide_all(ctx, given, "different")


@operation(name="duplicate.relatives", title=_("Relatives"), permission="duplicate.decide")
async def decide_relatives(ctx: Context, given: DuplicatesDecided) -> None:
    """The pairs are noted as relatives."""
    await _decide_all(ctx, given, "relatives")


async def _decide_all(ctx: Context, given: DuplicatesDecided, decision: Decision) -> None:
    chosen = sorted({*given.ids, *((given.id,) if given.id else ())})
    for link_id in chosen:
        await _decide(ctx, link_id, decision)
    if len(chosen) != 1:
        ctx.audit(
            f"{len(chosen)} pairs: {decision}", details={"pairs": [str(one) for one in chosen]}
        )


async def _decide(ctx: Context, link_id: UUID, decision: Decision | None) -> Duplicate:
    before = await duplicates.lock(ctx.db, link_id)
    decided = decision is not None
    after = await duplicates.decide(
        ctx.db,
        link_id,
        decision,
        ctx.actor.id if decided else None,
        ctx.actor.name if decided else None,
        ctx.now if decided else None,
    )
    shown = (await _shown(ctx, [after]))[0]
    ctx.audit(
        f"{shown.name}: {decision or 'opened again'}",
        target=str(link_id),
        details={"before": before.decision, "after": decision},
    )
    return shown


async def _shown(ctx: Context, links: list[Link]) -> list[Duplicate]:
    ids = {one for link in links for one in (link.left_id, link.right_id)}
    known = await athletes.read_many(ctx.db, ids) if ids else {}
    return [
        Duplicate(
            id=link.id,
            name=f"{left.name} · {right.name}",
            kind=link.kind,
            score=link.score,
            reasons=link.reasons,
            conflicts=link.conflicts,
            left=view(left),
            right=view(right),
            decision=link.decision,
            decided_by=link.decided_by_name,
            decided_at=link.decided_at,
            created_at=link.created_at,
        )
        for link in links
        # A pair goes with either athlete; one deleted between two statements is left out.
        if (left := known.get(link.left_id)) and (right := known.get(link.right_id))
    ]


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_duplicates,
    read_duplicate,
    decide_duplicate,
    decide_same,
    decide_different,
    decide_relatives,
)
