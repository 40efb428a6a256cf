"""Statements outside any tenant: the directory of tenants, people and sessions, in the main cluster."""

from __future__ import annotations

from typing import Any, TypeVar

from trophenix_kernel.storage.failures import translate
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.session import APP_ROLE
from trophenix_sdk.database import Query

T = TypeVar("T")


class Platform:
    """The kernel's own view of the main cluster, each statement in its own transaction.

    Tables with a ``tenant_id`` look empty from here.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def all(self, query: Query[T], /, **params: Any) -> list[T]:
        """Every row."""
        lease = await self.pool.acquire(APP_ROLE)
        try:
            rows = await lease.fetch(query.sql, query.arguments(params))
        except Exception as error:
            raise translate(error) from error
        finally:
            self.pool.release(lease)
        return [query.make(row) for row in rows]

    async def first(self, query: Query[T], /, **params: Any) -> T | None:
        """The first row, or ``None``."""
        rows = await self.all(query, **params)
        return rows[0] if rows else None
