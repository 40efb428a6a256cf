"""Time is passed in, never taken: rules stay pure and tests can stand still."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may


class FixedClock:
    """A clock that stands still until it is moved; for tests."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """The instant it was set to."""
        return self.instant


def today(clock: Clock, time_zone: str) -> date:
    """The calendar day at a tenant's place (IANA *time_zone*)."""
    return clock.now().astimezone(ZoneInfo(time_zone)).date()
