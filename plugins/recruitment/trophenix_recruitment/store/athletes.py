"""Athletes and their identifiers as rows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_recruitment.countries import CodeSystem
from trophenix_recruitment.keys import SearchKeys, plain_ids, search_keys
from trophenix_recruitment.model import AthleteDraft, ExternalId, Sex, Visibility
from trophenix_sdk.context import Database
from trophenix_sdk.database import Query

SCHEMA: Final = "plugin_trophenix_recruitment"


class StoredAthlete(msgspec.Struct, frozen=True):
    """An athlete as it is stored; the fields stand in the order of `COLUMNS`."""

    id: UUID
    family_name: str
    given_name: str
    sex: Sex | None
    birth_earliest: date | None
    birth_latest: date | None
    nationality: str | None
    nationality_system: CodeSystem | None
    country: str | None
    sport: str | None
    ranking: int | None
    height_cm: float | None
    weight_kg: float | None
    position: str | None
    club: str | None
    visibility: Visibility
    attributes: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    external_ids: tuple[ExternalId, ...]

    @property
    def name(self) -> str:
        """The whole name as it is shown."""
        return full_name(self.given_name, self.family_name)

    def draft(self) -> AthleteDraft:
        """The athlete's values, to be compared or changed."""
        return AthleteDraft(
            family_name=self.family_name,
            given_name=self.given_name,
            sex=self.sex,
            birth_earliest=self.birth_earliest,
            birth_latest=self.birth_latest,
            nationality=self.nationality,
            nationality_system=self.nationality_system,
            nationality_alpha_2=self.country,
            sport=self.sport,
            ranking=self.ranking,
            height_cm=self.height_cm,
            weight_kg=self.weight_kg,
            position=self.position,
            club=self.club,
            external_ids=self.external_ids,
            visibility=self.visibility,
            attributes=self.attributes,
        )


def full_name(given_name: str, family_name: str) -> str:
    """Given name first, as in the language of people; either may be missing."""
    return (
        f"{given_name} {family_name}" if given_name and family_name else given_name or family_name
    )


VALUES: Final[dict[str, str]] = {
    "family_name": "text",
    "given_name": "text",
    "sex": "text",
    "birth_earliest": "date",
    "birth_latest": "date",
    "nationality": "text",
    "nationality_system": "text",
    "country": "text",
    "sport": "text",
    "ranking": "integer",
    "height_cm": "float8",
    "weight_kg": "float8",
    "position": "text",
    "club": "text",
    "visibility": "text",
    "attributes": "jsonb",
    "external_ids": "jsonb",
    "name_key": "text",
    "name_key_2": "text",
    "name_key_3": "text",
    "name_key_4": "text",
    "name_words": "smallint",
    "name_sorted": "text",
    "sport_key": "text",
    "position_key": "text",
    "club_key": "text",
}
"""Every column that a draft decides, in the order of `values_of`, and its type."""

COLUMNS: Final = (
    "a.id, a.family_name, a.given_name, a.sex, a.birth_earliest, a.birth_latest, a.nationality, a.nationality_system, a.country, a.sport,"
    " a.ranking, a.height_cm, a.weight_kg, a.position, a.club, a.visibility, a.attributes, a.version, a.created_at, a.updated_at,"
    " a.external_ids"
)
"""What `StoredAthlete` is made of, from the table under the name ``a``."""

_WRITTEN: Final = ", ".join(VALUES)
_GIVEN: Final = ", ".join(f"cast(:{name} as {kind})" for name, kind in VALUES.items())

_ONE: Final = Query(f"select {COLUMNS} from {SCHEMA}.athlete a where a.id = :id", StoredAthlete)
_LOCKED: Final = Query(
    f"select {COLUMNS} from {SCHEMA}.athlete a where a.id = :id for update of a", StoredAthlete
)
_MANY: Final = Query(
    f"select {COLUMNS} from {SCHEMA}.athlete a where a.id = any (cast(:ids as uuid[]))",
    StoredAthlete,
)
_INSERT: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.athlete (id, {_WRITTEN}, created_at, updated_at)"
    f" values (:id, {_GIVEN}, :now, :now)"
)
_UPDATE: Final[Query[Any]] = Query(
    f"update {SCHEMA}.athlete set ({_WRITTEN}, version, updated_at) = ({_GIVEN}, version + 1, :now) where id = :id"
)
_DELETE: Final = Query(
    f"delete from {SCHEMA}.athlete where id = :id and (cast(:version as integer) is null or version = :version) returning id",
    UUID,
)
_VERSION: Final = Query(f"select version from {SCHEMA}.athlete where id = :id", int)
_SCHEMES: Final = Query(
    f"select distinct scheme from {SCHEMA}.external_id order by 1 limit 50", str
)
_ATTRIBUTES: Final = Query(
    f"select k.name from {SCHEMA}.athlete a cross join lateral jsonb_object_keys(a.attributes) as k(name)"
    " group by k.name order by count(*) desc, k.name limit :limit",
    str,
)
_FORGET: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_row set raw = null, problems = null, before = null"
    " where athlete_id = :id and (raw is not null or before is not null)"
)


def values_of(draft: AthleteDraft, keys: SearchKeys | None = None) -> tuple[Any, ...]:
    """One value per column of `VALUES`; *keys* are the draft's, when they are known already."""
    found = keys or search_keys(draft)
    return (
        draft.family_name,
        draft.given_name,
        draft.sex,
        draft.birth_earliest,
        draft.birth_latest,
        draft.nationality,
        draft.nationality_system,
        draft.nationality_alpha_2,
        draft.sport,
        draft.ranking,
        draft.height_cm,
        draft.weight_kg,
        draft.position,
        draft.club,
        draft.visibility,
        draft.attributes or _EMPTY,
        _ENCODE([ExternalId(*one) for one in plain_ids(draft)]) if draft.external_ids else _NONE,
        found.name,
        found.name_2,
        found.name_3,
        found.name_4,
        found.words,
        found.name_sorted,
        found.sport,
        found.position,
        found.club,
    )


_ENCODE: Final = msgspec.json.Encoder().encode
_EMPTY: Final = b"{}"
_NONE: Final = b"[]"


async def read(db: Database, athlete_id: UUID) -> StoredAthlete:
    """The athlete.

    Raises:
        NotFound: the tenant has none of this id.
    """
    return await db.one(_ONE, id=athlete_id)


async def lock(db: Database, athlete_id: UUID) -> StoredAthlete:
    """The athlete, which nobody else can change until this transaction ends.

    Raises:
        NotFound: the tenant has none of this id.
    """
    return await db.one(_LOCKED, id=athlete_id)


async def read_many(db: Database, ids: Iterable[UUID]) -> dict[UUID, StoredAthlete]:
    """Those of the athletes that exist."""
    return {found.id: found for found in await db.all(_MANY, ids=list(ids))}


async def insert(db: Database, athlete_id: UUID, draft: AthleteDraft, now: datetime) -> None:
    """The athlete is stored, at version 1.

    Raises:
        Conflict: ``external_id_taken``, another athlete has one of the identifiers.
    """
    await db.execute(_INSERT, id=athlete_id, now=now, **_named(draft))


async def update(db: Database, athlete_id: UUID, draft: AthleteDraft, now: datetime) -> None:
    """The athlete has the draft's values, one version later.

    Raises:
        Conflict: ``external_id_taken``, another athlete has one of the identifiers.
    """
    await db.execute(_UPDATE, id=athlete_id, now=now, **_named(draft))


async def delete(db: Database, athlete_id: UUID, version: int | None) -> bool:
    """Whether the athlete was there, at *version* if one is given; then it is gone, with all that imports kept of the person."""
    if await db.first(_DELETE, id=athlete_id, version=version) is None:
        return False
    await db.execute(_FORGET, id=athlete_id)
    return True


async def export_columns(db: Database, limit: int) -> tuple[list[str], list[str]]:
    """The schemes of identifiers, and the *limit* attributes that most athletes have."""
    return await db.all(_SCHEMES), await db.all(_ATTRIBUTES, limit=limit)


async def version_of(db: Database, athlete_id: UUID) -> int:
    """The athlete's version.

    Raises:
        NotFound: the tenant has none of this id.
    """
    return await db.one(_VERSION, id=athlete_id)


def _named(draft: AthleteDraft) -> dict[str, Any]:
    return dict(zip(VALUES, values_of(draft), strict=True))
