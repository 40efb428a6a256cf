"""A stranger's plugin comes, works, and goes without a trace.

Everything is installed from wheels in environments that have never seen the checkout; PostgreSQL and NATS are throw-away ones; the platform
runs as its own process and is spoken to over HTTP.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import asyncpg
import httpx
import pytest

from trophenix_kernel.composition import Kernel
from trophenix_kernel.plugins.residue import mention, snapshot
from trophenix_kernel.runtime.databases import create_database
from trophenix_kernel.runtime.throwaway import throwaway_services
from trophenix_kernel.settings import Settings
from trophenix_testing.servers import no_plugins

ROOT: Final = Path(__file__).resolve().parents[2]
PLATFORM: Final = (
    "trophenix",
    "trophenix-sdk",
    "trophenix-migrations",
    "trophenix-kernel",
    "trophenix-testing",
)
UV: Final = os.environ.get("UV") or shutil.which("uv") or "uv"
PLUGIN: Final = "acme.hello"
PASSWORD: Final = "correct horse battery staple"
GREETINGS: Final = "/api/v1/hello/greetings"
START_SECONDS: Final = 90

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(
    command: list[str | Path],
    cwd: Path,
    *,
    status: int = 0,
    variables: Mapping[str, str] | None = None,
) -> str:
    """What a command writes, away from this process's environment and settings; it must end with *status*."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode == status, f"{' '.join(map(str, command))}\n{told[-6000:]}"
    return told


def clean(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what belongs to the checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "PYTHONPATH"} and not name.startswith("TROPHENIX_")
    }
    return {**kept, **(variables or {})}


class Environment:
    """A virtual environment outside the checkout.

    Attributes:
        folder: where its commands run.
        variables: what they find in their environment.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.variables: dict[str, str] = {}
        run([UV, "venv", "--quiet", "--python", sys.executable, "venv"], folder)
        self.programs = folder / "venv" / "bin"

    def pip(self, *words: str | Path) -> None:
        """Run `uv pip` on it."""
        python = self.programs / "python"
        run([UV, "pip", words[0], "--quiet", "--python", python, *words[1:]], self.folder)

    def run(
        self, program: str, *words: str | Path, status: int = 0, cwd: Path | None = None
    ) -> str:
        """What one of its programs writes."""
        return run(
            [self.programs / program, *words],
            cwd or self.folder,
            status=status,
            variables=self.variables,
        )

    @contextmanager
    def web(self) -> Generator[str]:
        """`trophenix web` on a free port; its address once it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [self.programs / "trophenix", "web", "--port", str(port)],
            cwd=self.folder,
            env=clean({**self.variables, "TROPHENIX_BASE_URL": address}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said: list[str] = []
        listening = threading.Event()
        assert process.stdout is not None
        reader = threading.Thread(
            target=_listen, args=(process.stdout, said, listening), daemon=True
        )
        reader.start()
        try:
            assert listening.wait(START_SECONDS), "".join(said)
            assert process.poll() is None, "".join(said)
            with http(address) as client:
                assert client.get("/health/ready").status_code == 200, "".join(said)
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join(10)
            process.stdout.close()


def _listen(stream: IO[str], said: list[str], listening: threading.Event) -> None:
    for line in stream:
        said.append(line)
        if "Listening at" in line:
            listening.set()
    listening.set()  # it ended; whoever waits finds out why


def http(address: str, token: str = "", tenant: str = "") -> httpx.Client:
    """A client that waits for a worker that is only just starting."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if tenant:
        headers["X-Tenant-ID"] = tenant
    transport = httpx.HTTPTransport(retries=8)
    return httpx.Client(base_url=address, headers=headers, transport=transport, timeout=60)


@pytest.fixture(scope="session")
def outside() -> Iterator[Path]:
    """A folder that has nothing to do with the checkout."""
    with tempfile.TemporaryDirectory(prefix="trophenix-stranger-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root: its account has to get through
        yield folder


@pytest.fixture(scope="session")
def wheels(outside: Path) -> dict[str, Path]:
    """Distribution → its freshly built wheel."""
    target = outside / "wheels"
    for name in PLATFORM:
        run([UV, "build", "--quiet", "--wheel", "--package", name, "--out-dir", target], ROOT)
    return {name: next(target.glob(f"{name.replace('-', '_')}-[0-9]*.whl")) for name in PLATFORM}


@pytest.fixture(scope="session")
def hello(outside: Path) -> Path:
    """The example's wheel, built outside the workspace."""
    source = outside / "hello_plugin"
    skip = shutil.ignore_patterns("__pycache__", ".*", "dist")
    shutil.copytree(ROOT / "examples" / "hello_plugin", source, ignore=skip)
    run([UV, "build", "--quiet", "--wheel", "--out-dir", outside / "hello", source], outside)
    return next((outside / "hello").glob("*.whl"))


@pytest.fixture(scope="session")
def product(outside: Path, wheels: dict[str, Path]) -> Environment:
    """An environment with the platform and its test kit."""
    environment = Environment(outside / "product")
    others = [wheel for name, wheel in wheels.items() if name != "trophenix-kernel"]
    extras = ["hypothesis>=6.100", "pytest-asyncio>=0.24", "pytest>=8"]
    environment.pip("install", *others, f"{wheels['trophenix-kernel']}[embedded]", *extras)
    return environment


def test_the_example_needs_the_sdk_alone(
    outside: Path, wheels: dict[str, Path], hello: Path
) -> None:
    environment = Environment(outside / "sdk-only")
    environment.pip("install", wheels["trophenix"], wheels["trophenix-sdk"], hello)

    told = environment.run("trophenix-plugin", "check", outside / "hello_plugin")
    assert told == "0 errors, 0 warnings.\n"
    script = (
        "import acme_hello.plugin as p, importlib.util as u;"
        " assert p.operations() and u.find_spec('trophenix_kernel') is None"
    )
    environment.run("python", "-c", script)


class People:
    """Who uses the platform: two tenants and their owner, signed in."""

    def __init__(self, address: str) -> None:
        with http(address) as client:
            admin = self.sign_in(client, "admin@stranger.example")
            for slug in ("north", "south"):
                made = client.post(
                    "/api/v1/platform/tenants",
                    headers={"Authorization": f"Bearer {admin}"},
                    json={
                        "slug": slug,
                        "name": slug.capitalize(),
                        "plan": "custom",
                        "owner_email": "owner@stranger.example",
                    },
                )
                assert made.status_code == 201, made.text
            self.owner = self.sign_in(client, "owner@stranger.example")

    @staticmethod
    def sign_in(client: httpx.Client, email: str) -> str:
        answer = client.post("/api/v1/auth/sign-in", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]


async def make_accounts(dsn: str) -> None:
    """An administrator of the platform and somebody who will own tenants."""
    kernel = await Kernel.compose(Settings(database_url=dsn), loaded=no_plugins())
    try:
        for name, is_admin in (("admin", True), ("owner", False)):
            await kernel.credentials.create_user(
                email=f"{name}@stranger.example",
                name=name.capitalize(),
                password=PASSWORD,
                platform_admin=is_admin,
            )
    finally:
        await kernel.stop()


async def catalogue(dsn: str) -> frozenset[str]:
    """Everything a database holds but rows."""
    connection = await asyncpg.connect(dsn)
    try:
        return await snapshot(connection)
    finally:
        await connection.close()


async def mentions(dsn: str) -> dict[str, int]:
    """Kernel table → rows that name the plugin, the exempt tables counted too."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select tablename from pg_tables where schemaname = 'kernel'"
        )
        found: dict[str, int] = {}
        for (table,) in tables:
            rows = await connection.fetch(f"select t::text from kernel.{table} t")
            count = sum(re.search(mention(PLUGIN), row[0]) is not None for row in rows)
            if count:
                found[table] = count
        return found
    finally:
        await connection.close()


async def fetch(dsn: str, statement: str) -> Any:
    """One value of the database, past row security."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_it_comes_works_and_goes_without_a_trace(
    outside: Path, product: Environment, hello: Path
) -> None:
    with throwaway_services() as services:
        dsn = asyncio.run(create_database(services.dsn, "stranger"))
        product.variables = {
            "TROPHENIX_DATABASE_URL": dsn,
            "TROPHENIX_NATS_URL": services.nats_url,
        }
        product.run("trophenix", "migrate", "--strict")
        before = asyncio.run(catalogue(dsn))

        comes(product, hello, dsn, before)
        asyncio.run(make_accounts(dsn))
        with product.web() as address:
            people = People(address)
            works(address, people, dsn)
            goes(product, outside / "hello.zip", dsn)
            with http(address, people.owner, "north") as north:
                assert north.get(GREETINGS).json()["code"] == "plugin_not_enabled"
        product.pip("uninstall", "acme-hello")

        product.run("trophenix", "migrate", "--strict")
        assert asyncio.run(catalogue(dsn)) == before
        assert set(asyncio.run(mentions(dsn))) == {"audit_entries"}
        assert json.loads(product.run("trophenix", "plugins", "--json", "--strict")) == []


def comes(product: Environment, hello: Path, dsn: str, before: frozenset[str]) -> None:
    """Installed from its wheel, its tables are made and it is ready."""
    product.pip("install", "--no-deps", hello)
    product.run("trophenix", "migrate", "--strict")
    listed = json.loads(product.run("trophenix", "plugins", "--json", "--strict"))

    assert [(one["id"], one["state"], one["problems"]) for one in listed] == [(PLUGIN, "ready", [])]
    added = asyncio.run(catalogue(dsn)) - before
    assert any(line.startswith("schema plugin_acme_hello ") for line in added)
    assert all("acme_hello" in line for line in added), "nothing but its own was added"


def works(address: str, people: People, dsn: str) -> None:
    """Switched on for one tenant it answers that tenant; switched off it answers nobody and forgets nothing."""
    switch = f"/api/v1/plugins/{PLUGIN}"
    with (
        http(address, people.owner, "north") as north,
        http(address, people.owner, "south") as south,
    ):
        assert north.get(GREETINGS).json()["code"] == "plugin_not_enabled"
        enabled = north.post(f"{switch}/enable", json={"consent": []})
        assert enabled.status_code == 200, enabled.text
        key = {"Idempotency-Key": "hello-1"}
        sent = north.post(GREETINGS, json={"name": "Ada"}, headers=key)
        assert (sent.status_code, sent.json()["text"]) == (201, "Hello, Ada!")
        assert north.post(GREETINGS, json={"name": "Ada"}, headers=key).json() == sent.json()
        assert north.get(GREETINGS).json()["data"] == [sent.json()]
        assert south.get(GREETINGS).json()["code"] == "plugin_not_enabled"
        put = north.put(f"{switch}/settings", json={"values": {"word": "Salut"}})
        assert put.status_code == 200, put.text
        assert north.post(GREETINGS, json={"name": "Léa"}).json()["text"] == "Salut, Léa!"

        assert north.post(f"{switch}/disable").status_code == 200
        assert north.get(GREETINGS).status_code == 404
        assert asyncio.run(fetch(dsn, "select count(*) from plugin_acme_hello.greetings")) == 2
        assert north.post(f"{switch}/enable", json={"consent": []}).status_code == 200
        assert len(north.get(GREETINGS).json()["data"]) == 2

        document = north.get("/api/openapi.json").json()
        assert (
            document["paths"]["/hello/greetings"]["post"]["x-permission"]
            == f"{PLUGIN}:greeting.send"
        )


def goes(product: Environment, archive: Path, dsn: str) -> None:
    """Planned, then exported, purged and proven gone, while the web process still runs."""
    assert "outbox" in asyncio.run(mentions(dsn))
    command = ("trophenix", "plugins", "uninstall", PLUGIN, "--export", archive)
    plan = product.run(*command)
    assert "greetings: 2 rows, exported, then removed, about people: name, text" in plan
    assert not archive.exists()

    told = product.run(*command, "--yes")
    assert "proven: nothing else of it is left" in told
    digest = re.search(r"sha256 ([0-9a-f]{64})", told)
    assert digest is not None
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest.group(1)
    with zipfile.ZipFile(archive) as file:
        rows = [json.loads(row) for row in file.read("data/main/greetings.jsonl").splitlines()]
    assert {row["text"] for row in rows} == {"Hello, Ada!", "Salut, Léa!"}


def test_a_new_project_passes_its_own_tests_and_rules_outside_the_workspace(
    outside: Path, product: Environment
) -> None:
    product.variables = {}
    product.run("trophenix-plugin", "new", "stranger.car_pool", "--dir", outside)
    project = outside / "car-pool"
    product.pip("install", "--no-deps", project)
    try:
        assert product.run("trophenix-plugin", "check", project) == "0 errors, 0 warnings.\n"
        told = product.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    finally:
        product.pip("uninstall", "stranger-car-pool")

    assert re.search(r"\b\d+ passed", told), told
    assert "failed" not in told
    assert "skipped" not in told


def test_the_checker_and_the_kernel_ask_for_the_same_names() -> None:
    """`trophenix-plugin check` knows the collect hooks without the kernel; the two lists may not drift apart."""
    from trophenix_kernel.plugins.contract import SECTIONS  # noqa: PLC0415 - needed here only
    from trophenix_sdk.tools.inspection import COLLECTED  # noqa: PLC0415

    assert {section.hook: (section.declared, section.named_by) for section in SECTIONS} == COLLECTED
