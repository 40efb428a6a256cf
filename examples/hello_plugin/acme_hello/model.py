"""What a greeting is."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec


class Greeting(msgspec.Struct, frozen=True):
    """Somebody was greeted."""

    id: UUID
    name: str
    text: str
    sent_at: datetime
