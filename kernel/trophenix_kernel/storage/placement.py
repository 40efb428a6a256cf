"""Where a tenant's rows live: one cluster by default, several when configured.

The control plane (tenants, people, keys, memberships, activations) is in the cluster named ``main``. A tenant's own rows (its plugins'
tables, audit, outbox, jobs, usage) are in the cluster its ``cluster`` column names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trophenix_kernel.storage.pool import Pool
from trophenix_sdk.errors import Unavailable

MAIN: Final = "main"


class Clusters:
    """The pools of this process, by cluster name.

    Args:
        pools: at least ``main``.
    """

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = dict(pools)
        self.main = self._pools[MAIN]

    def of(self, cluster: str) -> Pool:
        """The pool of a cluster.

        Raises:
            Unavailable: the tenant is placed on a cluster this process does not know.
        """
        pool = self._pools.get(cluster)
        if pool is None:
            raise Unavailable(
                f"This tenant lives on the cluster {cluster!r}; this process knows {', '.join(sorted(self._pools))}.",
                next_step="Add the cluster to TROPHENIX_CLUSTERS.",
                code="cluster_unknown",
            )
        return pool

    def names(self) -> list[str]:
        """The clusters' names, ``main`` first."""
        return [MAIN, *sorted(name for name in self._pools if name != MAIN)]

    async def close(self) -> None:
        """Close every pool."""
        for pool in self._pools.values():
            await pool.close()
