"""The fixtures, found by pytest through the entry point ``pytest11``.

Nothing of the platform is imported before a test asks for a fixture: the plugin is loaded in every test run of an environment it is
installed in, and may cost those that do not use it nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from trophenix_testing.platform import Platform, PlatformFactory
    from trophenix_testing.servers import Servers


@pytest.fixture(scope="session")
def trophenix_servers() -> Iterator[Servers]:
    """The PostgreSQL and the NATS of this process, started when first used, gone after the last test."""
    from trophenix_testing.servers import Servers  # noqa: PLC0415 - see above

    with Servers() as servers:
        yield servers


@pytest_asyncio.fixture
async def platform_factory(trophenix_servers: Servers) -> AsyncIterator[PlatformFactory]:
    """Makes further platforms, all of which end with the test; what to give it is said at its class."""
    from trophenix_testing.platform import PlatformFactory  # noqa: PLC0415 - see above

    async with AsyncExitStack() as stack:
        yield PlatformFactory(trophenix_servers, stack)


@pytest_asyncio.fixture
async def platform(platform_factory: PlatformFactory) -> Platform:
    """A running platform with all installed plugins and the tenants ``alpha`` and ``beta``, on a database of its own."""
    return await platform_factory()


@pytest_asyncio.fixture
async def platform_two_clusters(platform_factory: PlatformFactory) -> Platform:
    """Like `platform`, but beta's rows are in a second cluster, which is another PostgreSQL."""
    return await platform_factory(clusters=2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_platform_factory(trophenix_servers: Servers) -> AsyncIterator[PlatformFactory]:
    """Like `platform_factory`, but what it makes ends with the module.

    For suites that only look, or undo what they do. Their tests and fixtures run on the module's event loop:
    ``pytestmark = pytest.mark.asyncio(loop_scope="module")`` and ``@pytest_asyncio.fixture(scope="module", loop_scope="module")``.
    """
    from trophenix_testing.platform import PlatformFactory  # noqa: PLC0415 - see above

    async with AsyncExitStack() as stack:
        yield PlatformFactory(trophenix_servers, stack)
