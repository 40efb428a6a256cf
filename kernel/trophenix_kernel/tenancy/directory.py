"""Who a call is for: tenants found by slug, id or domain, kept in memory and dropped when they change."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from trophenix_kernel.storage.changes import Changes
from trophenix_kernel.storage.platform import Platform
from trophenix_kernel.tenancy import store
from trophenix_kernel.tenancy.model import TenantRecord
from trophenix_sdk.context import Tenant

_NOBODYS: Final = UUID(int=0)


class Entry:
    """A tenant, once as it is stored and once as handlers see it."""

    __slots__ = ("record", "tenant")

    def __init__(self, record: TenantRecord) -> None:
        self.record = record
        self.tenant = Tenant(
            id=record.id,
            slug=record.slug,
            name=record.name,
            plan=record.plan,
            locale=record.locale,
            time_zone=record.time_zone,
            currency=record.currency,
        )


class Directory:
    """The tenants of the installation.

    Args:
        platform: the main cluster.
        changes: what announces that a tenant changed.
        capacity: tenants kept in memory at most.
    """

    def __init__(self, platform: Platform, changes: Changes, *, capacity: int = 20_000) -> None:
        self._platform = platform
        self._by_slug = changes.cache(self._load_slug, capacity=capacity)
        self._by_id = changes.cache(self._load_id, capacity=capacity)
        self._by_domain = changes.cache(self._load_domain, capacity=capacity)
        changes.on("tenants", lambda key: self.forget(UUID(key)))
        changes.on("tenant_domains", lambda _tenant: self._by_domain.clear())

    async def by_slug(self, slug: str) -> Entry | None:
        """The tenant of this slug; deleted ones are not found."""
        return self._by_slug.peek(slug) or await self._by_slug.get(slug)

    async def by_id(self, tenant: UUID) -> Entry | None:
        """The tenant of this id; deleted ones are not found."""
        return self._by_id.peek(tenant) or await self._by_id.get(tenant)

    async def by_domain(self, domain: str) -> Entry | None:
        """The tenant that proved it owns this host name."""
        found = await self._by_domain.get(domain)
        return await self.by_id(found) if found != _NOBODYS else None

    def forget(self, tenant: UUID) -> None:
        """The next call of this process sees what was just committed; other processes hear of it within milliseconds."""
        self._by_id.drop(tenant)
        self._by_slug.drop_where(
            lambda _slug, entry: entry is not None and entry.record.id == tenant
        )

    async def _load_slug(self, slug: str) -> Entry | None:
        return _live(await self._platform.first(store.BY_SLUG, slug=slug))

    async def _load_id(self, tenant: UUID) -> Entry | None:
        return _live(await self._platform.first(store.BY_ID, id=tenant))

    async def _load_domain(self, domain: str) -> UUID:
        # Every request under the platform's other host names asks this: the answer "nobody's" is kept as well.
        return await self._platform.first(store.BY_DOMAIN, domain=domain) or _NOBODYS


def _live(record: TenantRecord | None) -> Entry | None:
    return Entry(record) if record is not None and record.deleted_at is None else None
