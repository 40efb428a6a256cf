"""Commands that look at the platform, set it up and mend it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import asyncpg
import msgspec
import nats

from trophenix_kernel.composition import Kernel, load
from trophenix_kernel.demo import run_as
from trophenix_kernel.plugins.model import PluginCatalogue
from trophenix_kernel.plugins.schema import histories
from trophenix_kernel.settings import Settings
from trophenix_kernel.storage.installation import application_dsn, set_up
from trophenix_kernel.storage.row_security import survey
from trophenix_kernel.tenancy import store as tenant_store
from trophenix_kernel.tenancy.model import TenantRecord
from trophenix_kernel.web.application import recognition_of
from trophenix_sdk.errors import Invalid, NotFound, TrophenixError


async def migrate(settings: Settings, *, strict: bool) -> int:
    """Set every cluster up and bring every history to its newest revision."""
    loaded = load(settings)
    secret = settings.secret_key.encode() or None
    failed = False
    for name, dsn in {"main": settings.database_url, **settings.clusters}.items():
        print(f"cluster {name}")
        secret, steps = await set_up(
            dsn,
            histories(loaded.catalogue),
            secret=secret,
            report=lambda line: print(f"  {line}", flush=True),
        )
        failed = failed or any(step.error for step in steps)
    for record in loaded.catalogue.failed:
        for problem in record.errors:
            print(f"  {problem}", file=sys.stderr)
    if strict:
        loaded.catalogue.require_all_ready() if loaded.catalogue.failed else None
    return 1 if failed else 0


async def plugins(settings: Settings, *, as_json: bool, strict: bool) -> int:
    """Print every installed plugin, its state, and what is wrong with it."""
    kernel = await Kernel.compose(msgspec.structs.replace(settings, strict=False))
    catalogue = kernel.catalogue
    await kernel.stop()
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(_rows(catalogue))).decode())
    else:
        _print_plugins(catalogue)
    if strict:
        catalogue.require_all_ready()
    return 0


def _rows(catalogue: PluginCatalogue) -> list[dict[str, Any]]:
    return [
        {
            "id": record.id or record.key,
            "distribution": record.distribution,
            "version": record.version,
            "state": record.state,
            "import_ms": record.import_ms,
            "problems": [problem.message for problem in record.problems],
        }
        for record in catalogue
    ]


def _print_plugins(catalogue: PluginCatalogue) -> None:
    if not len(catalogue):
        print("No plugins are installed. `pip install trophenix-recruitment` brings the first.")
    for record in catalogue:
        print(
            f"{record.state.upper():22} {record.id or record.key:32} {record.version:10} {record.distribution}"
        )
        for problem in record.problems:
            print(f"{'':22} {problem}")


async def uninstall(settings: Settings, plugin_id: str, export: Path | None, *, go: bool) -> int:
    """Show what removing a plugin's data means; with *go*, export, detach, purge and prove it."""
    from trophenix_kernel.plugins import uninstall as steps

    clusters = {"main": settings.database_url, **settings.clusters}
    return await steps.run(clusters, plugin_id, export, go=go, report=print)


async def tenants(settings: Settings, *, as_json: bool) -> int:
    """Print every tenant."""
    kernel = await Kernel.compose(settings)
    try:
        records: list[TenantRecord] = []
        while True:
            after = records[-1].slug if records else ""
            page = await kernel.platform.all(tenant_store.PAGE, after=after, q=None, limit=500)
            if not page:
                break
            records += page
    finally:
        await kernel.stop()
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(records)).decode())
        return 0
    for record in records:
        print(
            f"{record.slug:32} {record.plan:13} {record.status:10} {record.cluster:8} {record.name}"
        )
    if not records:
        print("There are no tenants yet. `trophenix up --demo` makes four.")
    return 0


async def call(settings: Settings, operation: str, tenant: str, email: str, given: str) -> int:
    """Run one operation as a person and print its answer."""
    try:
        text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"--input names a file that cannot be read: {error}") from error
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Invalid(f"--input is not a JSON object: {error}") from error
    kernel = await Kernel.compose(settings)
    await kernel.start()
    try:
        user = await kernel.credentials.user_by_email(email)
        if user is None:
            raise NotFound(f"{email} has no account.")
        value = await run_as(kernel, recognition_of(kernel), user, tenant, operation, document)
    finally:
        await kernel.stop()
    print(msgspec.json.format(msgspec.json.encode(value)).decode())
    return 0


async def doctor(settings: Settings) -> int:
    """Look at every part and say what to do about what is not in order."""
    faults = 0

    def say(name: str, fault: str = "", detail: str = "") -> None:
        nonlocal faults
        faults += bool(fault)
        print(
            f"{'✗' if fault else '✓'} {name}{': ' + fault if fault else ''}{'  ' + detail if detail and not fault else ''}"
        )

    for name, dsn in {"main": settings.database_url, **settings.clusters}.items():
        try:
            app = await application_dsn(dsn, settings.secret_key.encode() or None)
            connection = await asyncpg.connect(app, timeout=5)
        except (TrophenixError, OSError, asyncpg.PostgresError, TimeoutError) as error:
            say(f"PostgreSQL ({name})", f"{error}")
            continue
        try:
            version = connection.get_server_version()
            old = version.major < 15
            say(
                f"PostgreSQL ({name})",
                f"{version.major} is older than 15" if old else "",
                f"{version.major}.{version.minor}",
            )
            gaps = await survey(connection)
            say(
                f"row security ({name})",
                "; ".join(f"{gap.table}: {gap.fault}" for gap in gaps),
                "every table is closed",
            )
        finally:
            await connection.close()
    try:
        bus: Any = await cast("Any", nats).connect(
            settings.nats_url,
            connect_timeout=3,
            # Not 0, which means for ever.
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            allow_reconnect=False,
        )
        await bus.jetstream().account_info()
        await bus.close()
        say("NATS JetStream", detail=settings.nats_url.rpartition("@")[2])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        say(
            "NATS JetStream",
            f"{type(error).__name__}: {error}; check TROPHENIX_NATS_URL and that JetStream is on",
        )
    if not faults:
        try:
            kernel = await Kernel.compose(msgspec.structs.replace(settings, strict=False))
            await kernel.stop()
            for record in kernel.catalogue:
                say(
                    f"plugin {record.id or record.key}",
                    "; ".join(str(problem) for problem in record.errors)
                    or ("" if record.serves or settings.safe else record.state),
                    record.version,
                )
        except TrophenixError as error:
            say("kernel", f"{error} {error.next_step}")
    return 1 if faults else 0
