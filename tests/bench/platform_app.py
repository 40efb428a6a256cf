"""The platform as it serves, its rate limits raised so that they count every call and refuse none."""

from __future__ import annotations

from typing import Any, Final

from trophenix_kernel.cli import serve
from trophenix_kernel.usage import quota

ENOUGH: Final = 1_000_000_000


def application() -> Any:
    """The web process's application."""
    quota.DAILY_CALLS["enterprise"] = ENOUGH
    quota.CALLS_PER_MINUTE["api"] = ENOUGH
    return serve.application()
