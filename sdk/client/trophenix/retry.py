"""When a call is tried again, and after how long; pure, so that it can be proved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

RETRIED_STATUSES: Final = frozenset({408, 429, 502, 503, 504})

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
# 2**_DOUBLINGS times any sensible base is beyond any sensible cap; more would overflow a float.
_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a client is.

    Attributes:
        max_retries: tries after the first one; 0 turns retrying off.
        base_seconds: upper bound of the first back-off; it doubles with every retry.
        cap_seconds: upper bound of every back-off.
        patience_seconds: the longest ``Retry-After`` that is waited for. When the platform asks
            for more, the caller gets the error at once instead of a program that seems to hang.
    """

    max_retries: int = 3
    base_seconds: float = 0.5
    cap_seconds: float = 8.0
    patience_seconds: float = 60.0

    def backoff(self, retry: int, draw: float) -> float:
        """The back-off before retry number *retry* (0 is the first), in seconds.

        "Full jitter": evenly between 0 and the doubled bound, so that clients which failed
        together do not come back together.

        Args:
            draw: a random number in ``[0, 1)``.

        Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
        """
        bound = min(self.cap_seconds, self.base_seconds * 2.0 ** min(retry, _DOUBLINGS))
        return bound * draw

    def pause(self, retry: int, retry_after: float | None, draw: float) -> float | None:
        """Seconds to wait before retry number *retry*, or ``None`` to give up.

        Never shorter than *retry_after*, never longer than ``patience_seconds`` plus
        ``cap_seconds``.
        """
        if retry >= self.max_retries:
            return None
        if retry_after is None:
            return self.backoff(retry, draw)
        if retry_after > self.patience_seconds:
            return None
        return retry_after + self.backoff(retry, draw)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the headers (lower-case names) ask to leave; ``None`` when they do not.

    A date is compared with the answer's own ``Date``, so the two machines' clocks need not agree.

    Source: RFC 9110 §10.2.3.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    then, now = _instant(value), _instant(headers.get("date", ""))
    if then is None or now is None:
        return None
    return max(0.0, (then - now).total_seconds())


def _instant(value: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else None  # "-0000" parses as naive and cannot be compared


def may_retry(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the same call may succeed later.

    A 409 counts only with ``Retry-After``: so says a platform that is still working on the first
    try of the same idempotency key.
    """
    return status in RETRIED_STATUSES or (status == 409 and "retry-after" in headers)
