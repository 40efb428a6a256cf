"""What is written into the book."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta


class Entry(msgspec.Struct, frozen=True):
    """One entry."""

    id: UUID
    name: str
    message: str
    written_at: datetime


class NewEntry(msgspec.Struct, frozen=True):
    """An entry to be written."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    message: Annotated[str, Meta(min_length=1, max_length=2_000)]


class EntryQuery(msgspec.Struct, frozen=True):
    """Which page of the book, the newest entries first."""

    cursor: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
