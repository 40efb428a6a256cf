"""The two clients: one that blocks, one for asyncio, the same in everything else."""

from __future__ import annotations

import asyncio
import os
import platform
import random as chance
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

import httpx

from trophenix.athletes import AsyncAthletes, Athletes
from trophenix.configuration import Configuration, Wishes, configure
from trophenix.errors import InvalidArgument
from trophenix.exchange import Exchange, QueryValue, Request, Response, json_request, query
from trophenix.keys import Environment
from trophenix.operations import AsyncOperations, Operations
from trophenix.retry import RetryPolicy
from trophenix.tenant import AsyncTenant, Tenant
from trophenix.transport import AsyncConnection, BearerKey, Connection

DEFAULT_TIMEOUT_SECONDS: Final = 30.0
DEFAULT_RETRIES: Final = 3
USER_AGENT: Final = (
    f"trophenix-python/{version('trophenix')} "
    f"({platform.python_implementation()} {platform.python_version()}; {platform.system()})"
)


def _exchange(settings: Configuration, random: Callable[[], float]) -> Exchange:
    return Exchange(
        key=settings.key,
        policy=RetryPolicy(max_retries=settings.max_retries),
        random=random,
        headers=(
            ("Accept", "application/json"),
            ("User-Agent", USER_AGENT),
            ("X-Tenant-ID", settings.tenant),
        ),
    )


def _request(
    method: str, path: str, params: Mapping[str, QueryValue] | None, json: object
) -> Request:
    # The path is joined to the base URL as text: with a slash first it cannot change the host,
    # and so cannot carry the key elsewhere.
    if not path.startswith("/") or not path.isprintable():
        raise InvalidArgument(
            f"The path is {path!r}.", next_step="begin it with '/', such as '/api/v1/athletes'."
        )
    parameters = query(**(params or {}))
    if json is None:
        return Request(method.upper(), path, parameters)
    return json_request(method.upper(), path, json, query=parameters)


class TrophenixClient:
    """A connection to one tenant's Trophenix, for programs that wait for each answer.

    May be shared between threads. Close it, or use it in a ``with`` statement.

    Args:
        api_key: ``troph_sk_live_…`` or ``troph_sk_test_…``; else ``TROPHENIX_API_KEY``.
        tenant: the tenant's slug; else ``TROPHENIX_TENANT``.
        base_url: the address of the platform; else ``TROPHENIX_BASE_URL``.
        environment: which world is meant; a key of the other one is refused before anything is
            sent. Follows the key when left out.
        timeout: seconds that connecting, sending a piece or waiting for a piece of the answer may
            take each; not a limit for the whole call.
        max_retries: tries after the first one, for failures that may pass.
        verify_key: ``False`` sends keys whose form this client does not know.
        insecure_http: ``True`` allows ``http`` to another machine, which shows the key to the
            network between.
        transport: carries the requests instead of the network, such as through a proxy of yours.
        sleep: lets seconds pass.
        random: gives numbers in ``[0, 1)`` for the jitter of retries.

    Attributes:
        athletes: search, read, change and import athletes.
        tenant: the tenant and its figures.
        operations: any operation by name.

    Raises:
        ConfigurationError: something is missing or wrong; every fault is named.
    """

    def __init__(
        self,
        api_key: str | None = None,
        tenant: str | None = None,
        base_url: str | None = None,
        *,
        environment: Environment | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        max_retries: int = DEFAULT_RETRIES,
        verify_key: bool = True,
        insecure_http: bool = False,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        wishes = Wishes(
            api_key,
            tenant,
            base_url,
            environment,
            timeout,
            max_retries,
            verify_key,
            insecure_http,
        )
        self._settings = settings = configure(wishes, os.environ)
        self._exchange = _exchange(settings, random)
        http = httpx.Client(
            auth=BearerKey(settings.key), timeout=settings.timeout_seconds, transport=transport
        )
        self._connection = Connection(settings.base_url, settings.key, http, sleep)
        self.athletes: Final = Athletes(self._connection, self._exchange)
        self.tenant: Final = Tenant(self._connection, self._exchange, settings.tenant)
        self.operations: Final = Operations(self._connection, self._exchange)

    @property
    def base_url(self) -> str:
        """The address of the platform, without a slash at the end."""
        return self._settings.base_url

    @property
    def environment(self) -> Environment:
        """The world the key belongs to."""
        return self._settings.environment

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        json: object = None,
        idempotency_key: str | None = None,
    ) -> Response:
        """The platform's answer to a call this client has no method for.

        Retries, idempotency and errors are those of every other call.

        Args:
            path: from the base URL on, such as ``/api/v1/tournaments``.
            params: the query; a parameter that is ``None`` is left out.
            json: the body, when it is not ``None``.

        Raises:
            ApiError: the platform refused.
            ConnectionFailed: no answer came.
            InvalidArgument: *path* does not begin with ``/``.
        """
        request = _request(method, path, params, json)
        return self._connection.run(
            self._exchange.perform(request, idempotency_key=idempotency_key)
        )

    def close(self) -> None:
        """The client's connections are closed, and it cannot be used any more."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return _described(self, self._settings)


class AsyncTrophenixClient:
    """A connection to one tenant's Trophenix, for asyncio programs.

    Takes the arguments of `TrophenixClient` and offers the same methods as coroutines. Belongs to
    one event loop. Close it, or use it in an ``async with`` statement.
    """

    def __init__(
        self,
        api_key: str | None = None,
        tenant: str | None = None,
        base_url: str | None = None,
        *,
        environment: Environment | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        max_retries: int = DEFAULT_RETRIES,
        verify_key: bool = True,
        insecure_http: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = chance.random,
    ) -> None:
        wishes = Wishes(
            api_key,
            tenant,
            base_url,
            environment,
            timeout,
            max_retries,
            verify_key,
            insecure_http,
        )
        self._settings = settings = configure(wishes, os.environ)
        self._exchange = _exchange(settings, random)
        http = httpx.AsyncClient(
            auth=BearerKey(settings.key), timeout=settings.timeout_seconds, transport=transport
        )
        self._connection = AsyncConnection(settings.base_url, settings.key, http, sleep)
        self.athletes: Final = AsyncAthletes(self._connection, self._exchange)
        self.tenant: Final = AsyncTenant(self._connection, self._exchange, settings.tenant)
        self.operations: Final = AsyncOperations(self._connection, self._exchange)

    @property
    def base_url(self) -> str:
        """The address of the platform, without a slash at the end."""
        return self._settings.base_url

    @property
    def environment(self) -> Environment:
        """The world the key belongs to."""
        return self._settings.environment

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, QueryValue] | None = None,
        json: object = None,
        idempotency_key: str | None = None,
    ) -> Response:
        """See `TrophenixClient.request`."""
        request = _request(method, path, params, json)
        return await self._connection.run(
            self._exchange.perform(request, idempotency_key=idempotency_key)
        )

    async def close(self) -> None:
        """The client's connections are closed, and it cannot be used any more."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return _described(self, self._settings)


def _described(client: object, settings: Configuration) -> str:
    return (
        f"{type(client).__name__}(tenant={settings.tenant!r}, base_url={settings.base_url!r}, "
        f"environment={settings.environment!r}, api_key={str(settings.key)!r})"
    )
