"""Rides and passengers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from trophenix_sdk.files import Upload

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Seats = Annotated[int, msgspec.Meta(ge=1, le=60)]


class Ride(msgspec.Struct, frozen=True):
    """A car that drives somewhere.

    Attributes:
        details: whatever the driver wants to say, by topic.
    """

    id: UUID
    name: str
    seats: int
    leaves_at: datetime | None
    details: dict[str, str]
    version: int


class NewRide(msgspec.Struct, frozen=True, kw_only=True):
    """A ride to be; its name is free in the tenant."""

    name: Name
    seats: Seats = 4
    leaves_at: datetime | None = None
    details: dict[str, str] = {}


class RideChange(msgspec.Struct, frozen=True, kw_only=True):
    """A ride and what changes of it."""

    id: UUID
    name: Name | None = None
    seats: Seats | None = None


class OneRide(msgspec.Struct, frozen=True):
    """A ride by its id."""

    id: UUID


class RidesQuery(msgspec.Struct, frozen=True):
    """Which rides: those whose name begins with *q*."""

    q: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class NewPassenger(msgspec.Struct, frozen=True):
    """Somebody who wants to come along."""

    ride_id: UUID
    name: Name


class Passenger(msgspec.Struct, frozen=True):
    """Somebody who comes along."""

    id: UUID
    ride_id: UUID
    name: str


class Passengers(msgspec.Struct, frozen=True):
    """Who comes along on a ride."""

    data: list[Passenger]


class RideList(msgspec.Struct, frozen=True):
    """A text file with a ride's name per line."""

    file: Upload


class Imported(msgspec.Struct, frozen=True):
    """How many rides were made of a file."""

    made: int


class Tidied(msgspec.Struct, frozen=True):
    """How many rides had left and were removed."""

    removed: int


class Tidying(msgspec.Struct, frozen=True):
    """Until when a ride has to have left to be removed."""

    left_before: datetime


class RideOffered(msgspec.Struct, frozen=True):
    """A ride can be joined."""

    ride_id: UUID
    seats: int


class CarpoolSettings(msgspec.Struct, frozen=True):
    """What a tenant chooses."""

    greeting: Annotated[str, msgspec.Meta(max_length=80)] = "Hop in"
    seats_offered: Seats = 4
