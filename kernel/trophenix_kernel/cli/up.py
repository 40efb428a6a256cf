"""`trophenix up`: the whole product on one machine that has nothing else."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from trophenix_kernel.composition import Kernel, load
from trophenix_kernel.demo import Ready, load_demo
from trophenix_kernel.plugins.schema import histories
from trophenix_kernel.runtime import Console, EmbeddedNats, EmbeddedPostgres, Program, Supervisor
from trophenix_kernel.settings import Settings
from trophenix_kernel.storage.installation import set_up
from trophenix_kernel.web.application import recognition_of

DATABASE: Final = "trophenix"
KEPT: Final = "demo.json"


async def run(asked: argparse.Namespace) -> int:
    """Start everything, keep it running, stop it all on Ctrl-C."""
    data: Path = asked.data_dir.absolute()
    data.mkdir(parents=True, exist_ok=True)
    console = Console()
    started = time.monotonic()
    postgres = EmbeddedPostgres(data / "postgres", report=console.say)
    nats = EmbeddedNats(data / "nats", report=console.say)
    base_url = f"http://127.0.0.1:{asked.port}"
    ready: Ready | None = None

    async def programs() -> list[Program]:
        nonlocal ready
        dsn = await _database(postgres)
        environment = {
            "TROPHENIX_DATABASE_URL": dsn,
            "TROPHENIX_NATS_URL": nats.url,
            "TROPHENIX_BASE_URL": os.environ.get("TROPHENIX_BASE_URL", base_url),
        }
        settings = Settings.from_environment({**os.environ, **environment})
        loaded = load(settings)
        _, steps = await set_up(dsn, histories(loaded.catalogue), report=console.say)
        if settings.strict and any(step.error for step in steps):
            console.problem("a plugin's tables could not be made")
        if asked.demo:
            ready = await _demo(settings, data / KEPT, base_url, console)
        command = [sys.executable, "-m", "trophenix_kernel"]
        return [
            Program(
                "web",
                [
                    *command,
                    "web",
                    "--port",
                    str(asked.port),
                    "--processes",
                    str(asked.web_processes),
                ],
                environment=environment,
                ready=lambda: asyncio.to_thread(_answers, f"{base_url}/health/live"),
            ),
            Program("worker", [*command, "worker"], copies=asked.workers, environment=environment),
            Program("scheduler", [*command, "scheduler"], environment=environment),
        ]

    async def on_ready() -> None:
        console.say(f"ready in {time.monotonic() - started:.1f} s")
        if asked.json_ready:
            _write(asked.json_ready, ready or {"base_url": base_url, "tenants": []})
        _welcome(console, base_url, ready)
        if asked.check:
            supervisor.stop()

    supervisor = Supervisor(
        data,
        services=[postgres, nats],
        programs=programs,
        on_ready=on_ready,
        console=console,
        verbose=asked.verbose,
    )
    return await supervisor.run()


async def _database(postgres: EmbeddedPostgres) -> str:
    connection = await asyncpg.connect(postgres.dsn())
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
            await connection.execute(f"create database {DATABASE}")
    finally:
        await connection.close()
    return postgres.dsn(DATABASE)


async def _demo(settings: Settings, kept_file: Path, base_url: str, console: Console) -> Ready:
    kept = msgspec.json.decode(kept_file.read_bytes(), type=Ready) if kept_file.exists() else None
    kernel = await Kernel.compose(settings)
    await kernel.start()
    try:
        ready = await load_demo(kernel, recognition_of(kernel), kept, base_url, console.say)
    finally:
        await kernel.stop()
    _write(kept_file, ready)
    return ready


def _write(path: Path, document: object) -> None:
    """Write all or nothing, readable by this user only: it holds passwords and keys."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json.dumps(msgspec.to_builtins(document), indent=2).encode())
    partial.replace(path)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _welcome(console: Console, base_url: str, ready: Ready | None) -> None:
    console.say(f"Trophenix answers at {base_url}")
    if ready is None:
        return
    owner = ready.tenants[0].owner
    console.say(f"  sign in as      {owner.email}")
    console.say(f"  password        {owner.password}")
    console.say(f"  API key         {ready.tenants[0].api_key}  (tenant {ready.tenants[0].slug})")
    console.say(f"  platform admin  {ready.platform_admin.email} / {ready.platform_admin.password}")
    console.say("Ctrl-C stops everything.")
