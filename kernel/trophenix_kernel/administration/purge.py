"""A deleted tenant whose time to come back has passed: every row of it goes, on every cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.platform import Platform
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.session import APP_ROLE, Transaction
from trophenix_kernel.tenancy import store
from trophenix_kernel.tenancy.model import RESTORE_DAYS, TenantRecord
from trophenix_sdk.database import Query
from trophenix_sdk.errors import TrophenixError


class TenantTable(msgspec.Struct, frozen=True):
    """A table that holds rows of tenants.

    Attributes:
        referred_to_by: the tables that must be emptied before it, as ``schema.name``.
    """

    schema: str
    name: str
    referred_to_by: list[str] = []

    @property
    def full_name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"


_log: Final = logging.getLogger("trophenix.tenants")
_TABLES: Final = Query(
    "select cast(n.nspname as text), cast(c.relname as text),"
    " (select coalesce(jsonb_agg(cast(f.relname as text)), cast('[]' as jsonb))"
    "  from pg_constraint k join pg_class f on f.oid = k.conrelid"
    "  where k.confrelid = c.oid and k.contype = 'f' and f.oid <> c.oid)"
    " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    " where c.relkind in ('r', 'p') and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')"
    " and exists (select from pg_attribute a"
    "  where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)"
    " order by 1, 2",
    TenantTable,
)


async def purge_due(clusters: Clusters, now: datetime) -> None:
    """Every tenant whose thirty days have passed is purged; one that cannot be is left for the next time."""
    before = now - timedelta(days=RESTORE_DAYS)
    for record in await Platform(clusters.main).all(store.PURGEABLE, before=before):
        try:
            removed = await purge(clusters, record)
        except TrophenixError as error:
            _log.warning("tenant %s was not purged: %s", record.id, error)
        else:
            _log.info("tenant %s was purged, %d rows", record.id, removed)


async def purge(clusters: Clusters, record: TenantRecord) -> int:
    """Every row of a deleted tenant is gone afterwards, the tenant itself last; returns how many there were.

    Each cluster is one transaction, as the roles that own nothing: row security keeps the deletion inside the tenant.
    """
    removed = 0
    own = clusters.of(record.cluster)
    if own is not clusters.main:
        removed += await _empty(own, record.id, last=False)
    return removed + await _empty(clusters.main, record.id, last=True)


async def _empty(pool: Pool, tenant: UUID, *, last: bool) -> int:
    transaction = Transaction(pool, APP_ROLE, tenant)
    await transaction.begin()
    removed = 0
    try:
        for table in in_order(await transaction.all(_TABLES)):
            role = APP_ROLE if table.schema == "kernel" else table.schema
            async with transaction.as_role(role):
                removed += await transaction.execute(
                    Query(f'delete from {table.schema}."{table.name}"')
                )
        if last:
            await transaction.all(store.DELETE, id=tenant)
        await transaction.finish()
    finally:
        await transaction.rollback()
    return removed


def in_order(tables: Iterable[TenantTable]) -> list[TenantTable]:
    """The tables so that each comes after all that refer to it; a ring of references is broken at its first name."""
    left = {table.full_name: table for table in tables}
    ordered: list[TenantTable] = []
    while left:
        free = [
            key
            for key, table in left.items()
            if not any(other in left and other != key for other in table.referred_to_by)
        ]
        for key in free or [next(iter(left))]:
            ordered.append(left.pop(key))
    return ordered
