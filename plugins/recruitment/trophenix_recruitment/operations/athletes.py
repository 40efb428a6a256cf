"""Athletes one by one, and the search for them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from trophenix_recruitment import profiles
from trophenix_recruitment.ages import born_by
from trophenix_recruitment.countries import SYSTEMS, CodeSystem, CountryRefused, resolve
from trophenix_recruitment.events import CREATED, DELETED, UPDATED, AthleteFact, AthleteGone
from trophenix_recruitment.keys import plain_ids, text_key
from trophenix_recruitment.model import Visibility
from trophenix_recruitment.names import name_key
from trophenix_recruitment.proposals import propose_for
from trophenix_recruitment.store import athletes, search
from trophenix_recruitment.store.athletes import StoredAthlete
from trophenix_recruitment.store.search import Sort, Wanted
from trophenix_recruitment.views import Athlete, view
from trophenix_sdk.clock import today
from trophenix_sdk.context import Context
from trophenix_sdk.errors import Conflict, FieldProblem, Invalid, PreconditionFailed
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import DELETE, GET, PATCH, POST, Operation, operation
from trophenix_sdk.paging import Page

_ = gettext_lazy("recruitment")

LIMIT: Final = "athletes"
Age = Annotated[int, Meta(ge=0, le=150)]
Rank = Annotated[int, Meta(ge=1, le=2_147_483_647)]
Word = Annotated[str, Meta(max_length=200)]


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which athletes: those for whom everything asked for is certainly true.

    Attributes:
        q: words of the name, or their beginnings, in any order; accents and case do not matter.
        country: nationality, as ISO alpha-2 or alpha-3, IOC or FIFA code, or a country's name. A code that two systems read
            differently is ISO's; ``IOC:BRN`` says which system is meant.
        age_min, age_max: completed years on the tenant's present day, themselves included. Where only a range of births is known, every
            day of it has to fit.
        position, club: whole words of it.
    """

    q: Word | None = None
    sport: Word | None = None
    country: Word | None = None
    ranking_min: Rank | None = None
    ranking_max: Rank | None = None
    age_min: Age | None = None
    age_max: Age | None = None
    position: Word | None = None
    club: Word | None = None
    visibility: Visibility | None = None


class AthleteQuery(Filters, frozen=True, kw_only=True):
    """Which athletes, in which order and how many."""

    sort: Sort = "name"
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: str | None = None
    count: bool = False


class OneAthlete(msgspec.Struct, frozen=True):
    """An athlete by id."""

    id: UUID


class AthleteChange(profiles.Fields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is changed of an athlete.

    Attributes:
        version: the version the change was decided on; refused when the athlete has another by now. ``If-Match`` says the same.
    """

    id: UUID
    version: int | None = None


class AthleteEnd(msgspec.Struct, frozen=True):
    """An athlete to be deleted, if still at *version* when one is given."""

    id: UUID
    version: int | None = None


def wanted_of(filters: Filters, ctx: Context) -> Wanted:
    """The conditions that *filters* stand for today.

    Raises:
        Invalid: no country has that code or name.
    """
    day = today(ctx.clock, ctx.tenant.time_zone)
    return Wanted(
        words=search.words_of(filters.q) if filters.q is not None else None,
        sport=text_key(filters.sport),
        **(_country(filters.country) if filters.country else {}),
        ranking_min=filters.ranking_min,
        ranking_max=filters.ranking_max,
        born_until=born_by(day, filters.age_min) if filters.age_min is not None else None,
        born_after=born_by(day, filters.age_max + 1) if filters.age_max is not None else None,
        position=name_key(filters.position) if filters.position is not None else None,
        club=name_key(filters.club) if filters.club is not None else None,
        visibility=filters.visibility,
    )


def _country(text: str) -> dict[str, Any]:
    system, sign, code = text.partition(":")
    preferred = system.strip().upper()
    named = sign and preferred in SYSTEMS
    found = resolve(code, (cast("CodeSystem", preferred),)) if named else resolve(text, ("ISO",))
    if isinstance(found, CountryRefused):
        raise Invalid(
            "The country is not known.",
            problems=(FieldProblem("/country", found.code, found.message),),
            next_step="Give an ISO, IOC or FIFA code, or the country's name.",
        )
    if found.alpha_2 is None:
        return {"code": found.code, "former": True}
    # England, Scotland, Wales and Northern Ireland are nations of their own in football, and GB elsewhere.
    home_nation = found.alpha_2 == "GB" and found.system == "FIFA"
    return {"country": found.alpha_2, "code": found.code if home_nation else None}


@operation(
    name="athlete.search",
    title=_("Search athletes"),
    http=GET("/athletes"),
    permission="athlete.read",
)
async def search_athletes(ctx: Context, query: AthleteQuery) -> Page[Athlete]:
    """The athletes for whom everything asked for is true, page by page."""
    wanted = wanted_of(query, ctx)
    found, following = await search.page(ctx.db, wanted, query.sort, query.limit, query.cursor)
    total = await search.count(ctx.db, wanted) if query.count else None
    return Page([view(one) for one in found], following, total)


@operation(
    name="athlete.read",
    title=_("See an athlete"),
    http=GET("/athletes/{id}"),
    permission="athlete.read",
)
async def read_athlete(ctx: Context, given: OneAthlete) -> Athlete:
    """One athlete."""
    return view(await athletes.read(ctx.db, given.id))


@operation(
    name="athlete.create",
    title=_("Add an athlete"),
    http=POST("/athletes"),
    permission="athlete.write",
    limit=LIMIT,
    emits=[CREATED],
    status=201,
)
async def create_athlete(ctx: Context, fields: profiles.Fields) -> Athlete:
    """The new athlete; those who may be the same person are proposed for a decision."""
    return await create(ctx, fields)


async def create(ctx: Context, fields: profiles.Fields) -> Athlete:
    """The athlete is stored, announced, and compared with the others.

    Raises:
        Invalid: with every fault.
        Conflict: ``external_id_taken``, another athlete has one of the identifiers.
    """
    draft = profiles.new_draft(fields, today(ctx.clock, ctx.tenant.time_zone))
    athlete_id = new_id()
    await _refuse_taken(athletes.insert(ctx.db, athlete_id, draft, ctx.now))
    found = await athletes.read(ctx.db, athlete_id)
    proposed = await propose_for(ctx, found)
    ctx.events.emit(CREATED, fact(found), aggregate=found.id)
    ctx.audit(
        f"Athlete {found.name} added",
        target=str(found.id),
        details={"duplicates_proposed": proposed} if proposed else None,
    )
    return view(found)


@operation(
    name="athlete.update",
    title=_("Change an athlete"),
    http=PATCH("/athletes/{id}"),
    permission="athlete.write",
    emits=[UPDATED],
)
async def update_athlete(ctx: Context, change: AthleteChange) -> Athlete:
    """The athlete with the given fields changed and all others as they were; nothing happens when all are so already."""
    return await update(ctx, change)


async def update(ctx: Context, change: AthleteChange) -> Athlete:
    """The athlete is changed and announced, unless nothing would change.

    Raises:
        NotFound: the tenant has no such athlete.
        PreconditionFailed: it has another version than the change was decided on.
        Invalid: with every fault.
        Conflict: ``external_id_taken``, another athlete has one of the identifiers.
    """
    known = await athletes.lock(ctx.db, change.id)
    _refuse_other_version(ctx, known.version, change.version)
    before = known.draft()
    after = profiles.changed_draft(before, change, today(ctx.clock, ctx.tenant.time_zone))
    # Identifiers are stored in one order and spelling, whatever was sent.
    if msgspec.structs.replace(after, external_ids=before.external_ids) == before and plain_ids(
        after
    ) == plain_ids(before):
        return view(known)
    await _refuse_taken(athletes.update(ctx.db, change.id, after, ctx.now))
    found = await athletes.read(ctx.db, change.id)
    ctx.events.emit(UPDATED, fact(found), aggregate=found.id)
    ctx.audit(
        f"Athlete {found.name} changed",
        target=str(found.id),
        details={"fields": sorted(profiles.given_fields(change)), "version": found.version},
    )
    return view(found)


@operation(
    name="athlete.delete",
    title=_("Delete an athlete"),
    http=DELETE("/athletes/{id}"),
    permission="athlete.delete",
    emits=[DELETED],
)
async def delete_athlete(ctx: Context, given: AthleteEnd) -> None:
    """The athlete is gone, with what imports kept of the person; the place counts as free again."""
    wanted = given.version if given.version is not None else ctx.expected_version
    # The count is taken first, as everywhere: whoever holds it cannot be waited for in a circle.
    await ctx.use_limit(LIMIT, -1)
    if not await athletes.delete(ctx.db, given.id, wanted):
        found = await athletes.version_of(ctx.db, given.id)
        _refuse_other_version(ctx, found, given.version)
        raise Conflict("Somebody else is changing the athlete.", next_step="Try again.")
    ctx.events.emit(DELETED, AthleteGone(given.id), aggregate=given.id)
    ctx.audit("Athlete deleted", target=str(given.id))


def fact(found: StoredAthlete) -> AthleteFact:
    """What is announced of an athlete."""
    return AthleteFact(found.id, found.name, found.sport, found.nationality, found.version)


def _refuse_other_version(ctx: Context, found: int, given: int | None) -> None:
    for wanted in (given, ctx.expected_version):
        if wanted is not None and wanted != found:
            raise PreconditionFailed(
                f"The athlete is at version {found}; the change was decided on version {wanted}.",
                next_step="Read it again and decide anew.",
            )


async def _refuse_taken(write: Awaitable[None]) -> None:
    try:
        await write
    except Conflict as error:
        if error.reason != "external_id_taken":
            raise
        raise Conflict(
            "Another athlete has one of these identifiers.",
            next_step="Correct the identifier, or change the athlete who has it.",
            code=error.reason,
        ) from error


OPERATIONS: Final[tuple[Operation, ...]] = (
    search_athletes,
    read_athlete,
    create_athlete,
    update_athlete,
    delete_athlete,
)
