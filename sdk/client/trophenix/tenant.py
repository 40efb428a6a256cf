"""The tenant the client works for."""

from __future__ import annotations

from typing import Final, cast

from trophenix.errors import UnexpectedResponse
from trophenix.exchange import API, Exchange, JsonValue, Plan, Request, segment
from trophenix.transport import AsyncConnection, Connection


def _stats(exchange: Exchange, slug: str) -> Plan[dict[str, JsonValue]]:
    request = Request("GET", f"{API}/tenants/{segment(slug, 'tenant')}/stats")
    response = yield from exchange.perform(request)
    figures = response.json()
    if not isinstance(figures, dict):
        raise UnexpectedResponse(
            "The tenant's figures are no JSON object.",
            status=response.status,
            request_id=response.request_id,
        )
    return cast("dict[str, JsonValue]", figures)


class Tenant:
    """The tenant the client works for.

    Attributes:
        slug: its name in addresses.
    """

    def __init__(self, connection: Connection, exchange: Exchange, slug: str) -> None:
        self._connection = connection
        self._exchange = exchange
        self.slug: Final = slug

    def stats(self) -> dict[str, JsonValue]:
        """The tenant's figures as of now; which ones depends on its plugins."""
        return self._connection.run(_stats(self._exchange, self.slug))


class AsyncTenant:
    """The tenant the client works for.

    Attributes:
        slug: its name in addresses.
    """

    def __init__(self, connection: AsyncConnection, exchange: Exchange, slug: str) -> None:
        self._connection = connection
        self._exchange = exchange
        self.slug: Final = slug

    async def stats(self) -> dict[str, JsonValue]:
        """The tenant's figures as of now; which ones depends on its plugins."""
        return await self._connection.run(_stats(self._exchange, self.slug))
