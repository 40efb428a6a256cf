"""A clock that tests move."""

from __future__ import annotations

from datetime import datetime, timedelta

from trophenix_sdk.clock import SystemClock


class MovableClock:
    """The machine's time, shifted; or one instant, once it was stopped.

    It starts at the machine's time because the database has its own clock, which nothing here can move.
    """

    def __init__(self) -> None:
        self._machine = SystemClock()
        self._shift = timedelta()
        self._standing: datetime | None = None

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        return self._standing or self._machine.now() + self._shift

    def advance(self, by: timedelta | None = None, /, **parts: float) -> datetime:
        """It is that much later afterwards, for every kernel of the platform.

        Args:
            by: how much; or say it in the words of `timedelta`: ``advance(days=15)``. Negative goes back.
        """
        by = by if by is not None else timedelta(**parts)
        if self._standing is not None:
            self._standing += by
        else:
            self._shift += by
        return self.now()

    def stop(self, at: datetime | None = None) -> datetime:
        """Time stands still from here on, at *at* if given, and moves by `advance` only.

        Raises:
            ValueError: *at* has no time zone.
        """
        if at is not None and at.tzinfo is None:
            raise ValueError(
                f"found {at.isoformat()} without a time zone; expected an aware instant"
            )
        self._standing = at or self.now()
        return self._standing
