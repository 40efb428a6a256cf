"""What a person may do in a tenant, from memory; dropped the moment a membership or a grant changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from trophenix_kernel.access import store
from trophenix_kernel.access.authority import Authority
from trophenix_kernel.access.model import NO_RIGHTS, Grant, Rights, within_scopes
from trophenix_kernel.identity.credentials import Credentials
from trophenix_kernel.identity.model import Identity, Membership
from trophenix_kernel.storage.changes import Changes
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.session import APP_ROLE, Reader
from trophenix_kernel.tenancy.model import TenantRecord
from trophenix_sdk.clock import Clock
from trophenix_sdk.permissions import ROLES

_RANK: Final = {role: rank for rank, role in enumerate(ROLES)}


class Decisions:
    """Answers "what may this identity do here".

    Args:
        main: the main cluster's pool.
        credentials: for memberships.
        changes: what announces a change.
        authority: the compiled policy.
        clock: for memberships that end.
    """

    def __init__(
        self,
        main: Pool,
        credentials: Credentials,
        changes: Changes,
        authority: Authority,
        clock: Clock,
    ) -> None:
        self._main = main
        self._credentials = credentials
        self._authority = authority
        self._clock = clock
        self._grants = changes.cache(self._load_grants)
        self._rights: dict[
            tuple[UUID, UUID, frozenset[str]], tuple[object, object, Rights, datetime | None]
        ] = {}
        changes.on("grants", lambda tenant: self._grants.drop(UUID(tenant)))

    async def of(self, identity: Identity, tenant: TenantRecord) -> Rights:
        """What the identity may do in the tenant; nothing for a stranger or another tenant's key."""
        if identity.tenant_id is not None and identity.tenant_id != tenant.id:
            return NO_RIGHTS
        memberships = await self._credentials.memberships(identity.user_id)
        grants = self._grants.peek(tenant.id)
        if grants is None:
            grants = await self._grants.get(tenant.id)
        key = (tenant.id, identity.user_id, identity.scopes)
        known = self._rights.get(key)
        # The sources are replaced, never changed in place: identity tells whether the answer still follows from them.
        if (
            known is not None
            and known[0] is memberships
            and known[1] is grants
            and (known[3] is None or known[3] > self._clock.now())
        ):
            return known[2]
        rights, until = self._work_out(identity, tenant, memberships, grants)
        if len(self._rights) >= 20_000:
            self._rights.clear()
        self._rights[key] = (memberships, grants, rights, until)
        return rights

    def _work_out(
        self,
        identity: Identity,
        tenant: TenantRecord,
        memberships: Sequence[Membership],
        grants: Sequence[Grant],
    ) -> tuple[Rights, datetime | None]:
        """The rights, and until when they hold if nothing changes: the end of the first membership to run out by itself."""
        now = self._clock.now()
        here = {tenant.id, *tenant.ancestors}
        roles: list[str] = []
        until: datetime | None = None
        for membership in memberships:
            if membership.tenant_id not in here or membership.status != "active":
                continue
            if membership.expires_at is not None:
                if membership.expires_at <= now:
                    continue
                until = min(until or membership.expires_at, membership.expires_at)
            roles.append(membership.role)
        if not roles:
            return NO_RIGHTS, None
        role = min(roles, key=_RANK.__getitem__)
        permissions = self._authority.permissions(
            str(tenant.id), str(identity.user_id), role, grants
        )
        return Rights(role, within_scopes(permissions, identity.scopes)), until

    async def _load_grants(self, tenant: UUID) -> list[Grant]:
        return await Reader(self._main, APP_ROLE, tenant).all(store.GRANTS)
