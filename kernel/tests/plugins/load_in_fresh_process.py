"""Load the plugins installed below a folder in every mode and print what became of them, as JSON.

Run as a script: ``python load_in_fresh_process.py FOLDER LIMIT_MS``. A process of its own, because what plugins do to ``sys.modules`` at
import must not reach other tests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.dispatcher import Audience, Dispatcher, HookFailure
from trophenix_kernel.plugins.loader import LoadedPlugins, LoadMode, load_plugins
from trophenix_kernel.plugins.model import PluginsFailed, summary


def load(root: str, limit_ms: int, mode: LoadMode) -> LoadedPlugins:
    """The plugins below *root*, and no others that are installed."""
    return load_plugins(
        Host(kernel="0.1.0"), mode=mode, records=discover(path=[root]), import_limit_ms=limit_ms
    )


async def call(loaded: LoadedPlugins) -> tuple[list[str], list[HookFailure]]:
    """Ids of the plugins asked and the failures, of one call of a hook for all that serve."""
    failures: list[HookFailure] = []
    dispatcher = Dispatcher.of(loaded, report=failures.append)
    audience = Audience.of("tenant", [record.key for record in loaded.catalogue.serving])
    await dispatcher.call("tenant_disabled", audience, None, "")
    return list(dispatcher.plugins("tenant_disabled", audience)), failures


def main(root: str, limit_ms: int) -> dict[str, Any]:
    """Everything a test asks about."""
    sys.path.insert(0, root)
    before = set(sys.modules)
    safe = load(root, limit_ms, LoadMode.SAFE)
    imported_in_safe_mode = sorted(
        name
        for name in set(sys.modules) - before
        if any(name.partition(".")[0] == record.package for record in safe.catalogue)
    )
    normal = load(root, limit_ms, LoadMode.NORMAL)
    asked, failures = asyncio.run(call(normal))
    try:
        load(root, limit_ms, LoadMode.STRICT)
        strict = None
    except PluginsFailed as error:
        strict = str(error)
    return {
        "normal": summary(normal.catalogue),
        "asked": asked,
        "failures": [
            {"plugin": failure.plugin, "code": failure.code, "message": str(failure)}
            for failure in failures
        ],
        "imported_in_safe_mode": imported_in_safe_mode,
        "strict": strict,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))  # noqa: T201 - its only output
