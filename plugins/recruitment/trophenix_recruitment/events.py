"""What the module announces once a change is committed."""

from typing import Final
from uuid import UUID

import msgspec

from trophenix_sdk.events import EventType


class AthleteFact(msgspec.Struct, frozen=True):
    """An athlete that was added or changed: what a subscriber needs to decide whether to ask for more.

    Attributes:
        version: of the athlete after the change.
    """

    id: UUID
    name: str
    sport: str | None
    nationality: str | None
    version: int


class AthleteGone(msgspec.Struct, frozen=True):
    """An athlete that was deleted; nothing about the person is repeated."""

    id: UUID


class ImportFact(msgspec.Struct, frozen=True):
    """An import that was applied: one fact for the whole batch, however many athletes it brought."""

    batch_id: UUID
    source: str
    total: int
    imported: int
    updated: int
    unchanged: int
    rejected: int
    duplicates_proposed: int


class ImportUndone(msgspec.Struct, frozen=True):
    """An import that was taken back: how many athletes are gone, restored, and kept because they were changed since."""

    batch_id: UUID
    removed: int
    restored: int
    kept: int


CREATED: Final = "athlete.created"
UPDATED: Final = "athlete.updated"
DELETED: Final = "athlete.deleted"
IMPORTED: Final = "athlete.imported"
REVERTED: Final = "athlete.import_reverted"

EVENTS: Final = (
    EventType(CREATED, AthleteFact, title="Athlete added"),
    EventType(UPDATED, AthleteFact, title="Athlete changed"),
    EventType(DELETED, AthleteGone, title="Athlete deleted"),
    EventType(IMPORTED, ImportFact, title="Athletes imported"),
    EventType(REVERTED, ImportUndone, title="Import taken back"),
)
