"""Players."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec


class Player(msgspec.Struct, frozen=True):
    """Somebody who plays.

    Attributes:
        attributes: whatever else is known, passed on as it is stored.
    """

    id: UUID
    family_name: str
    given_name: str
    sex: str | None
    born_on: date | None
    country: str | None
    sport: str | None
    club: str | None
    ranking: int | None
    height_cm: float | None
    attributes: msgspec.Raw
    version: int
    created_at: datetime


class NewPlayer(msgspec.Struct, frozen=True, kw_only=True):
    """A player to be."""

    family_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    given_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    born_on: date | None = None
    sport: str | None = None


class OnePlayer(msgspec.Struct, frozen=True):
    """A player by id."""

    id: UUID


class PlayersQuery(msgspec.Struct, frozen=True):
    """Which players, by name."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class PlayerSigned(msgspec.Struct, frozen=True):
    """A player joined."""

    player_id: UUID
