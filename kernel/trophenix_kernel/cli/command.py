"""What `trophenix` understands, and how a failure is told."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from trophenix_kernel.runtime.errors import RuntimeFailure
from trophenix_kernel.settings import Settings, SettingsInvalid
from trophenix_sdk.errors import TrophenixError, Unavailable

EPILOG = """\
Every command but `up` works on TROPHENIX_DATABASE_URL (PostgreSQL 15 to 18) and TROPHENIX_NATS_URL;
`up` brings both. Other variables: TROPHENIX_CLUSTERS, TROPHENIX_SECRET_KEY, TROPHENIX_BASE_URL, TROPHENIX_POOL_SIZE,
TROPHENIX_MAX_UPLOAD_BYTES, TROPHENIX_TRUSTED_PROXIES, TROPHENIX_STRICT, TROPHENIX_SAFE.
"""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = argparse.ArgumentParser(
        prog="trophenix",
        description="The Trophenix platform.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--verbose", "-v", action="store_true", help="say more")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser("up", help="run everything here, on its own PostgreSQL and NATS")
    one.add_argument("--demo", action="store_true", help="load the demonstration tenants")
    one.add_argument(
        "--port", type=int, default=8000, help="where the web answers on 127.0.0.1 (default 8000)"
    )
    one.add_argument(
        "--data-dir",
        type=Path,
        default=Path(".data"),
        help="where everything is kept (default .data)",
    )
    one.add_argument("--web-processes", type=int, default=1, help="web processes (default 1)")
    one.add_argument("--workers", type=int, default=1, help="worker processes (default 1)")
    one.add_argument(
        "--json-ready",
        type=Path,
        help="write addresses, sign-ins and keys here once everything answers",
    )
    one.add_argument(
        "--check", action="store_true", help="start, see that everything answers, stop"
    )
    one.add_argument(
        "--strict", action="store_true", help="a plugin that is not ready stops the start"
    )
    one.add_argument("--safe", action="store_true", help="start without plugins")

    one = commands.add_parser("web", help="answer HTTP")
    one.add_argument("--port", type=int, default=8000)
    one.add_argument("--host", default="127.0.0.1")
    one.add_argument("--processes", type=int, default=1)
    _modes(one)
    _modes(commands.add_parser("worker", help="run background work and relay events"))
    _modes(
        commands.add_parser("scheduler", help="do the regular chores; several may run, one leads")
    )

    one = commands.add_parser("migrate", help="set the database up, or bring it to this version")
    one.add_argument(
        "--strict", action="store_true", help="fail when any plugin's tables could not be made"
    )

    one = commands.add_parser("plugins", help="the installed plugins and their states")
    actions = one.add_subparsers(dest="action", metavar="ACTION")
    listed = actions.add_parser(
        "list", help="every plugin, its state, and what is wrong (the default)"
    )
    for shown in (one, listed):
        shown.add_argument("--json", action="store_true", help="as JSON")
        shown.add_argument("--strict", action="store_true", help="fail when any is not ready")
    removed = actions.add_parser(
        "uninstall", help="remove a plugin's data: plan, export, detach, purge, proof"
    )
    removed.add_argument("plugin_id")
    removed.add_argument("--export", type=Path, help="where the archive of its data goes")
    removed.add_argument(
        "--yes", action="store_true", help="do it; without this only the plan is shown"
    )

    one = commands.add_parser("tenants", help="the tenants")
    one.add_argument("--json", action="store_true", help="as JSON")

    one = commands.add_parser("call", help="run an operation as a person")
    one.add_argument("operation", help="such as kernel:tenant.read")
    one.add_argument("--tenant", required=True, help="the tenant's slug")
    one.add_argument("--user", required=True, help="the e-mail address of who acts")
    one.add_argument("--input", default="{}", help="a JSON object, or @FILE")

    commands.add_parser(
        "doctor", help="see whether everything is in order, and what to do when it is not"
    )
    return root


def _modes(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--strict", action="store_true", help="a plugin that is not ready stops the start"
    )
    one.add_argument("--safe", action="store_true", help="start without plugins")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status says how it went: 0 well, 1 refused or failed, 2 not understood, 130 interrupted."""
    asked = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if asked.verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("asyncio", "nats", "taskiq", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Its own report of a server that does not answer is a traceback; whoever asked the server says it in a line.
    logging.getLogger("nats").setLevel(logging.CRITICAL)
    if getattr(asked, "strict", False):
        os.environ["TROPHENIX_STRICT"] = "true"
    if getattr(asked, "safe", False):
        os.environ["TROPHENIX_SAFE"] = "true"
    try:
        return _run(asked)
    except TrophenixError as error:
        faults = [f"\n  {fault.pointer or '/'}: {fault.message}" for fault in error.problems]
        _tell(f"{error}{''.join(faults)}", error.next_step)
        return 1
    except SettingsInvalid as error:
        _tell(str(error), "")
        return 2
    except RuntimeFailure as error:
        _tell(str(error), "")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        told = _database_fault(error)
        if told is None:
            raise
        _tell(f"{told.detail} ({error})", "Check TROPHENIX_DATABASE_URL, and that the server runs.")
        return 1


def _database_fault(error: Exception) -> TrophenixError | None:
    """What the platform calls a failure to reach or enter the database, when it is one."""
    import asyncpg

    from trophenix_kernel.storage.failures import translate

    told = translate(error)
    if isinstance(told, TrophenixError):
        return told
    return (
        Unavailable("The database refuses.") if isinstance(error, asyncpg.PostgresError) else None
    )


def _run(asked: argparse.Namespace) -> int:
    # Here and not above, so that `--help` and a wrong argument answer at once.
    from trophenix_kernel.cli import inspect, serve, up

    if asked.command == "up":
        return _async(up.run(asked))
    settings = Settings.from_environment()
    match asked.command:
        case "web":
            return serve.web(settings, host=asked.host, port=asked.port, processes=asked.processes)
        case "worker":
            return _async(serve.worker(settings))
        case "scheduler":
            return _async(serve.scheduler(settings))
        case "migrate":
            return _async(inspect.migrate(settings, strict=asked.strict))
        case "plugins" if asked.action == "uninstall":
            return _async(inspect.uninstall(settings, asked.plugin_id, asked.export, go=asked.yes))
        case "plugins":
            return _async(inspect.plugins(settings, as_json=asked.json, strict=asked.strict))
        case "tenants":
            return _async(inspect.tenants(settings, as_json=asked.json))
        case "call":
            return _async(
                inspect.call(settings, asked.operation, asked.tenant, asked.user, asked.input)
            )
        case _:
            return _async(inspect.doctor(settings))


def _async(work: Coroutine[Any, Any, int]) -> int:
    import uvloop

    return uvloop.run(work)


def _tell(message: str, next_step: str) -> None:
    print(f"trophenix: {message}", file=sys.stderr)
    if next_step:
        print(f"  → {next_step}", file=sys.stderr)
