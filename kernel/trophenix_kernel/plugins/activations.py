"""Which plugins a tenant has switched on, with which settings and which consent; from memory, dropped when a row changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import msgspec

from trophenix_kernel.storage.changes import Changes
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.session import APP_ROLE, Reader
from trophenix_sdk.database import Query


class Activation(msgspec.Struct, frozen=True):
    """One plugin in one tenant.

    Attributes:
        state: see ``TenantPluginState``; stored in capitals, ``DISABLED`` for a plugin that was on and keeps its data.
        settings: what the tenant set, without defaults.
        consented: the capabilities the tenant agreed to.
        version: the plugin's version that was agreed to.
    """

    plugin_id: str
    state: str
    settings: msgspec.Raw
    consented: list[str]
    version: str

    @property
    def enabled(self) -> bool:
        """Whether the tenant's people can use it."""
        return self.state == "ENABLED"


_COLUMNS: Final = "plugin_id, state, settings, consented, version"
ALL: Final = Query(f"select {_COLUMNS} from kernel.activations order by plugin_id", Activation)
PUT: Final = Query(
    "insert into kernel.activations (plugin_id, state, settings, consented, version, changed_by)"
    " values (:plugin_id, :state, coalesce(:settings, cast('{}' as jsonb)), :consented, :version, :changed_by)"
    " on conflict (tenant_id, plugin_id) do update set state = excluded.state,"
    " settings = coalesce(:settings, activations.settings), consented = excluded.consented, version = excluded.version,"
    f" changed_at = clock_timestamp(), changed_by = excluded.changed_by returning {_COLUMNS}",
    Activation,
)
SET_STATE: Final = Query(
    "update kernel.activations set state = :state, changed_at = clock_timestamp(), changed_by = :changed_by"
    f" where plugin_id = :plugin_id returning {_COLUMNS}",
    Activation,
)
SET_SETTINGS: Final = Query(
    "update kernel.activations set settings = :settings, changed_at = clock_timestamp(), changed_by = :changed_by"
    f" where plugin_id = :plugin_id returning {_COLUMNS}",
    Activation,
)

Activated = Mapping[str, Activation]
NOTHING_ACTIVATED: Final[Activated] = {}


class Activations:
    """Answers "what has this tenant switched on"."""

    def __init__(self, main: Pool, changes: Changes) -> None:
        self._main = main
        self._kept = changes.cache(self._load, capacity=20_000)
        changes.on("activations", lambda tenant: self._kept.drop(UUID(tenant)))

    async def of(self, tenant: UUID) -> Activated:
        """Every plugin the tenant ever switched on, by id."""
        known = self._kept.peek(tenant)
        return known if known is not None else await self._kept.get(tenant)

    def forget(self, tenant: UUID) -> None:
        """The next call of this process sees what was just committed; other processes hear of it within milliseconds."""
        self._kept.drop(tenant)

    async def _load(self, tenant: UUID) -> Activated:
        rows = await Reader(self._main, APP_ROLE, tenant).all(ALL)
        return {row.plugin_id: row for row in rows}
