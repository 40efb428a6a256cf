"""Rate limits that hold over every worker.

A worker leases a few calls of a window at a time from the database and hands them out from memory; what is leased is counted as used, so
the workers together never let more through than the limit. The lease shrinks as the window fills.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from trophenix_kernel.storage.platform import Platform
from trophenix_sdk.database import Query
from trophenix_sdk.errors import RateLimited

DAILY_CALLS: Final[dict[str, int | None]] = {
    "free": 1_000,
    "starter": 10_000,
    "professional": 100_000,
    "enterprise": 1_000_000,
    "custom": None,
}
CALLS_PER_MINUTE: Final[dict[str, int]] = {"api": 100, "voice": 30, "admin": 200}
MINUTE: Final = 60
DAY: Final = 86_400


class Lease(msgspec.Struct, frozen=True):
    """Calls taken out of a window, and how many of it are taken in all."""

    granted: int
    used: int


_LEASE: Final = Query(
    "select granted, used from kernel.lease_quota(:tenant, :subject, :starts_at, :maximum, :amount)",
    Lease,
)


class Standing(msgspec.Struct, frozen=True):
    """Where a caller stands in a window.

    Attributes:
        policy: the window's name.
        limit: calls in the window.
        remaining: calls left, as far as this worker knows.
        reset_seconds: until the window ends.
    """

    policy: str
    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: int


class _Window:
    __slots__ = ("ends", "leasing", "left", "limit", "used")

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.left = 0
        self.limit = 0
        self.leasing = asyncio.Lock()
        self.used = 0


class Quota:
    """Counts calls against the windows of a tenant and of a caller."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._windows: dict[tuple[UUID, UUID | None, str], _Window] = {}

    async def count_call(
        self, tenant: UUID, plan: str, caller: UUID, rate_class: str, now: datetime
    ) -> Standing | None:
        """Count one call.

        The day's limit is the tenant's and depends on its plan; the minute's is the caller's and depends on the class. A tenant on the
        custom plan has neither.

        Returns:
            The tighter of the two standings, ``None`` without limits.

        Raises:
            RateLimited: a window is used up; ``Retry-After`` says how long.
        """
        daily = DAILY_CALLS[plan]
        if daily is None:
            return None
        stamp = now.timestamp()
        minute = await self._take(
            tenant, caller, rate_class, CALLS_PER_MINUTE[rate_class], MINUTE, stamp
        )
        day = await self._take(tenant, None, "day", daily, DAY, stamp)
        return minute if minute.remaining <= day.remaining else day

    async def _take(
        self, tenant: UUID, caller: UUID | None, policy: str, limit: int, seconds: int, now: float
    ) -> Standing:
        key = (tenant, caller, policy)
        window = self._windows.get(key)
        if window is None or window.ends <= now:
            window = _Window((now // seconds + 1) * seconds)
            if len(self._windows) >= 100_000:
                self._windows = {k: w for k, w in self._windows.items() if w.ends > now}
            self._windows[key] = window
        if window.limit != limit:
            # Another plan: what was leased under the old one is not handed out any more.
            window.limit, window.left = limit, 0
        # A window that is used up is not asked about again: refusing costs no statement.
        while window.left <= 0 and window.used < limit:
            # One asks for all that wait: a burst would otherwise lease away what other workers need.
            async with window.leasing:
                if window.left <= 0 and window.used < limit:
                    subject = f"{policy} {caller}" if caller is not None else policy
                    await self._lease(tenant, subject, limit, seconds, window)
        reset = max(1, int(window.ends - now))
        if window.left <= 0:
            raise RateLimited(
                f"{limit} calls per {'day' if seconds == DAY else 'minute'} are allowed ({policy}).",
                next_step=f"Try again in {reset} s, or move to a larger plan.",
                headers=(
                    ("Retry-After", str(reset)),
                    *(
                        (name.decode(), value.decode())
                        for name, value in headers_of(Standing(policy, limit, 0, reset, seconds))
                    ),
                ),
            )
        window.left -= 1
        return Standing(policy, limit, max(0, limit - window.used) + window.left, reset, seconds)

    async def _lease(
        self, tenant: UUID, subject: str, limit: int, seconds: int, window: _Window
    ) -> None:
        starts = datetime.fromtimestamp(window.ends, UTC) - timedelta(seconds=seconds)
        row = await self._platform.first(
            _LEASE,
            tenant=tenant,
            subject=subject,
            starts_at=starts,
            maximum=limit,
            amount=max(1, (limit - window.used) // 20),
        )
        window.used = row.used if row is not None else limit
        window.left += row.granted if row is not None else 0


def headers_of(standing: Standing) -> tuple[tuple[bytes, bytes], ...]:
    """The standing as response headers, as they are sent.

    Source: draft-ietf-httpapi-ratelimit-headers-09 for ``RateLimit`` and ``RateLimit-Policy``; older clients read the ``X-`` forms.
    """
    policy = standing.policy.encode()
    limit, remaining, reset = (
        b"%d" % standing.limit,
        b"%d" % standing.remaining,
        b"%d" % standing.reset_seconds,
    )
    return (
        (b"ratelimit-policy", b'"%b";q=%b;w=%d' % (policy, limit, standing.window_seconds)),
        (b"ratelimit", b'"%b";r=%b;t=%b' % (policy, remaining, reset)),
        (b"x-ratelimit-limit", limit),
        (b"x-ratelimit-remaining", remaining),
        (b"x-ratelimit-reset", reset),
    )
