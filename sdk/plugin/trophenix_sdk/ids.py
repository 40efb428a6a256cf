"""Identifiers: UUID version 7, made by the application so that a row's key is known before it is written."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A UUIDv7, strictly greater than every one this process made before.

    48 bits of Unix milliseconds, 12 bits that count within the millisecond, 62 random bits. When more than 4,096 are asked for
    within one millisecond the time part runs ahead of the clock instead of repeating.

    Source: RFC 9562 §5.7 and §6.2 method 1.
    """
    global _last  # noqa: PLW0603 - the counter belongs to the process
    now = time.time_ns() // 1_000_000 << 12
    with _lock:
        _last = now if now > _last else _last + 1
        stamp = _last
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0x2 << 62 | random)


def new_ids(count: int) -> list[UUID]:
    """*count* UUIDv7 in rising order, at one lock and one read of the random source."""
    global _last  # noqa: PLW0603 - the counter belongs to the process
    now = time.time_ns() // 1_000_000 << 12
    with _lock:
        first = max(now, _last + 1)
        _last = first + count - 1
    noise = os.urandom(8 * count)
    head = 0x7 << 76 | 0x2 << 62
    made: list[UUID] = []
    for index in range(count):
        stamp = first + index
        random = int.from_bytes(noise[8 * index : 8 * index + 8], "big") & 0x3FFF_FFFF_FFFF_FFFF
        made.append(UUID(int=(stamp >> 12) << 80 | head | (stamp & 0xFFF) << 64 | random))
    return made
