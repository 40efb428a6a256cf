"""Any operation of any plugin, by its name: the door for what this client has no method for."""

from __future__ import annotations

from collections.abc import Mapping

from trophenix.exchange import API, Exchange, JsonValue, Plan, json_request, segment
from trophenix.transport import AsyncConnection, Connection


def _call(
    exchange: Exchange,
    name: str,
    values: Mapping[str, object] | None,
    idempotency_key: str | None,
) -> Plan[JsonValue]:
    path = f"{API}/operations/{segment(name, 'operation')}"
    request = json_request("POST", path, {} if values is None else values)
    response = yield from exchange.perform(request, idempotency_key=idempotency_key)
    return response.json()


class Operations:
    """The operations that the tenant's plugins offer."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    def call(
        self,
        name: str,
        input: Mapping[str, object] | None = None,  # noqa: A002 - the contract's word
        *,
        idempotency_key: str | None = None,
    ) -> JsonValue:
        """What the operation called *name* answers to *input*.

        Raises:
            NotFound: no plugin enabled for the tenant offers it.
            ValidationFailed: *input* is not what it declares.
        """
        return self._connection.run(_call(self._exchange, name, input, idempotency_key))


class AsyncOperations:
    """The operations that the tenant's plugins offer."""

    def __init__(self, connection: AsyncConnection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    async def call(
        self,
        name: str,
        input: Mapping[str, object] | None = None,  # noqa: A002 - the contract's word
        *,
        idempotency_key: str | None = None,
    ) -> JsonValue:
        """See `Operations.call`."""
        return await self._connection.run(_call(self._exchange, name, input, idempotency_key))
