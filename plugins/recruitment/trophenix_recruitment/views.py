"""Athletes as callers see them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from trophenix_recruitment.countries import CodeSystem
from trophenix_recruitment.dates import birth_text
from trophenix_recruitment.model import ExternalId, Sex, Visibility
from trophenix_recruitment.store.athletes import StoredAthlete


class Athlete(msgspec.Struct, frozen=True, kw_only=True):
    """An athlete.

    Attributes:
        name: the full name, given name first.
        birth_date: ``1998``, ``1998-05`` or ``1998-05-12``: as exact as it is known; ``1998-05-01/1998-06-15`` for any other range.
        birth_earliest: the first day ``birth_date`` can mean.
        birth_latest: the last day ``birth_date`` can mean.
        nationality: a three-letter code in ``nationality_system``.
        country: ISO 3166-1 alpha-2 of the nationality, where there is one.
        version: rises with every change.
    """

    id: UUID
    name: str
    first_name: str
    last_name: str
    sex: Sex | None
    birth_date: str | None
    birth_earliest: date | None
    birth_latest: date | None
    nationality: str | None
    nationality_system: CodeSystem | None
    country: str | None
    sport: str | None
    ranking: int | None
    position: str | None
    club: str | None
    height_cm: float | None
    weight_kg: float | None
    visibility: Visibility
    external_ids: tuple[ExternalId, ...]
    attributes: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


def view(found: StoredAthlete) -> Athlete:
    """*found* as callers see it."""
    earliest, latest = found.birth_earliest, found.birth_latest
    return Athlete(
        id=found.id,
        name=found.name,
        first_name=found.given_name,
        last_name=found.family_name,
        sex=found.sex,
        birth_date=birth_text(earliest, latest) if earliest and latest else None,
        birth_earliest=earliest,
        birth_latest=latest,
        nationality=found.nationality,
        nationality_system=found.nationality_system,
        country=found.country,
        sport=found.sport,
        ranking=found.ranking,
        position=found.position,
        club=found.club,
        height_cm=found.height_cm,
        weight_kg=found.weight_kg,
        visibility=found.visibility,
        external_ids=found.external_ids,
        attributes=found.attributes,
        version=found.version,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )
