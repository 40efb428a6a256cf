"""The Python client against the running product: a web process of its own, a worker, a real database and the recruitment module."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from trophenix import (
    AsyncTrophenixClient,
    AuthenticationError,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TrophenixClient,
    ValidationFailed,
)
from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.worker import Worker
from trophenix_testing.platform import Platform

T = TypeVar("T")
RECRUITMENT = "trophenix.recruitment"
pytestmark = pytest.mark.slow


class Product(msgspec.Struct):
    """Where the product answers, and who uses it."""

    platform: Platform
    base_url: str

    def options(self, role: str = "owner", tenant: str = "alpha") -> dict[str, Any]:
        person = self.platform.person(tenant, role)
        assert person is not None
        # The web process is still starting when the first call comes: the client tries again by itself.
        return {
            "api_key": person.key,
            "tenant": tenant,
            "base_url": self.base_url,
            "max_retries": 10,
        }

    async def use(
        self, work: Callable[[TrophenixClient], T], role: str = "owner", tenant: str = "alpha"
    ) -> T:
        """Do *work* with the blocking client, beside this test's event loop."""

        def run() -> T:
            with TrophenixClient(**self.options(role, tenant)) as client:
                return work(client)

        return await asyncio.wait_for(asyncio.to_thread(run), 90)


def seen_tenant(client: TrophenixClient) -> Any:
    """The tenant as its own route tells it."""
    return client.request("GET", "/api/v1/tenant").json()


async def ask_until_refused(client: AsyncTrophenixClient) -> None:
    """Ask and ask: the web process hears of a revocation a moment after it was committed."""
    while True:
        await client.athletes.search(limit=1)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
async def product(platform: Platform) -> AsyncIterator[Product]:
    platform.plugin(RECRUITMENT)
    settings = platform.kernel.settings
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "trophenix_kernel", "web", "--port", str(port)),
        env={
            **os.environ,
            "TROPHENIX_DATABASE_URL": settings.database_url,
            "TROPHENIX_NATS_URL": settings.nats_url,
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    worker = Worker(platform.kernel, recognition_of(platform.kernel))
    working = asyncio.create_task(worker.run())
    try:
        yield Product(platform, f"http://127.0.0.1:{port}")
    finally:
        worker.stop()
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(working, process.wait()), 30)


async def test_a_scouts_day(product: Product, tmp_path: Path) -> None:
    """One journey through everything the client offers, in one started product."""

    def athletes(client: TrophenixClient) -> str:
        made = client.athletes.create(
            first_name="Inès",
            last_name="Moreau",
            sport="athletics",
            nationality="FRA",
            birth_date="2001-05",
            ranking=12,
        )
        seen = client.athletes.get(made.id)
        changed = client.athletes.update(made.id, version=seen.version, ranking=7)
        with pytest.raises(PreconditionFailed):
            client.athletes.update(made.id, version=seen.version, ranking=1)
        with pytest.raises(ValidationFailed):
            client.athletes.update(made.id, ranking=-5)
        assert seen == made
        assert (changed.ranking, changed.name, changed.nationality) == (
            7,
            made.name,
            made.nationality,
        )
        twice = [
            client.athletes.create(idempotency_key="the-same", name="Only Once", sport="judo")
            for _ in range(2)
        ]
        assert twice[0] == twice[1]
        return made.id

    def many(client: TrophenixClient) -> None:
        seen: list[int] = []
        rows = [
            {"name": f"Runner {number:03}", "sport": "athletics", "ranking": 100 + number}
            for number in range(120)
        ]
        result = client.athletes.bulk_import(source="json", athletes=rows, on_progress=seen.append)
        assert (result.total, result.imported, result.errors) == (120, 120, 0)
        assert seen == sorted(seen)
        assert seen[-1] == 100
        page = client.athletes.search(
            sport="athletics", ranking_min=100, sort="ranking", limit=50, count=True
        )
        assert len(list(page)) == 50
        assert page.total == 120
        assert [athlete.ranking for athlete in page.auto_paging()] == list(range(100, 220))
        assert [athlete.name for athlete in client.athletes.search("Runner 007")] == ["Runner 007"]
        assert client.tenant.stats()["plan"] == "custom"
        assert client.operations.call("kernel:tenant.read", {}) == seen_tenant(client)

    def file(client: TrophenixClient) -> None:
        path = tmp_path / "squad.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["First name", "Last name", "Sport", "Nationality", "Birth date"])
            writer.writerows(
                [["Amina", f"Diallo{number}", "judo", "SEN", "2003-01-02"] for number in range(30)]
            )
            writer.writerow(["", "", "judo", "FRA", "not a date"])
        seen: list[int] = []
        preview = client.athletes.bulk_import(
            file_path=path, mode="preview", on_progress=seen.append
        )
        assert (preview.total, preview.rejected) == (31, 1)
        assert not list(client.athletes.search("Diallo"))
        done = client.athletes.imports.apply(preview.batch_id)
        assert (done.imported, done.finished) == (30, True)
        assert seen[-1] == 100
        assert {row.line for row in done.rows()} == {32}
        assert len(list(client.athletes.search("Diallo", limit=100))) == 30
        again = client.athletes.imports.get(preview.batch_id)
        assert again.imported == 30
        client.athletes.imports.revert(preview.batch_id)
        assert not list(client.athletes.search("Diallo"))

    def refused(client: TrophenixClient) -> None:
        with pytest.raises(PermissionDenied):
            client.athletes.create(name="Nobody", sport="judo")
        with pytest.raises(NotFound):
            client.athletes.get("01890000-0000-7000-8000-000000000000")

    made = await product.use(athletes)
    await product.use(many)
    await product.use(file)
    await product.use(refused, "viewer")
    assert await product.use(lambda client: list(client.athletes.search()), tenant="beta") == []
    async with AsyncTrophenixClient(**product.options()) as client:
        found = await client.athletes.get(made)
        await client.athletes.delete(made, version=found.version)
        with pytest.raises(NotFound):
            await client.athletes.get(made)
    revoked: dict[str, Any] = {**product.options(), "max_retries": 0}
    async with product.platform.sql("admin") as connection:
        await connection.execute("update kernel.api_keys set revoked_at = now()")
    async with AsyncTrophenixClient(**revoked) as client:
        with pytest.raises(AuthenticationError):
            await ask_until_refused(client)
