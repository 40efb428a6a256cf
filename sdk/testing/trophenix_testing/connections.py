"""Connections of a test's own, past the kernel's pools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg

# asyncpg ships no types; its connections are `Any` wherever tests use them.
connect = cast("Callable[[str], Awaitable[Any]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]
"""An asyncpg connection to a database's address; close it."""
