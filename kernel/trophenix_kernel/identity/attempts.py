"""How often one address may try to sign in, so that guessing over many accounts is slow and cannot keep the processor busy."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from trophenix_sdk.errors import RateLimited

ATTEMPTS_PER_MINUTE: Final = 30
MINUTE: Final = 60
ADDRESSES_KEPT: Final = 50_000


class Attempts:
    """Counts in this process's memory: each web process allows its own share."""

    def __init__(self, limit: int = ATTEMPTS_PER_MINUTE) -> None:
        self._limit = limit
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, address: str, now: datetime) -> None:
        """Count one attempt from *address*; an unknown address is not counted.

        Raises:
            RateLimited: too many in this minute; ``Retry-After`` says how long to wait.
        """
        if not address:
            return
        stamp = int(now.timestamp())
        minute = stamp // MINUTE
        if minute != self._minute or len(self._counts) >= ADDRESSES_KEPT:
            self._minute = minute
            self._counts = {}
        count = self._counts[address] = self._counts.get(address, 0) + 1
        if count > self._limit:
            wait = MINUTE - stamp % MINUTE
            raise RateLimited(
                f"{self._limit} attempts to sign in per minute are allowed from one address.",
                next_step=f"Try again in {wait} s.",
                headers=(("Retry-After", str(wait)),),
                code="too_many_sign_ins",
            )
