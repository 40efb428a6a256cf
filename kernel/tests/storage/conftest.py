"""A platform with two plugins of two publishers, and pools that end with their test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from trophenix_kernel.storage.pool import Pool
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import write_carpool, write_lunch

NewPool = Callable[..., Pool]


@pytest.fixture
async def carpool(platform_factory: PlatformFactory, tmp_path: Path) -> Platform:
    """A platform on which ``acme.carpool`` and ``other.lunch`` are installed."""
    return await platform_factory(plugins=[write_carpool(tmp_path), write_lunch(tmp_path)])


@pytest.fixture
async def new_pool(carpool: Platform) -> AsyncIterator[NewPool]:
    """Makes pools to the platform's database."""
    made: list[Pool] = []

    def make(dsn: str = carpool.databases.application["main"], **options: float) -> Pool:
        made.append(Pool(dsn, **options))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield make
    for pool in made:
        await pool.close()
