"""However a plugin is broken, the platform starts, the healthy plugins serve, and the message names plugin, cause and remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trophenix_testing.plugins import (
    FAULTS,
    HEALTHY,
    BrokenPlugin,
    write_broken_plugin,
    write_healthy_plugin,
)

LOADER = Path(__file__).parent / "load_in_fresh_process.py"


def load(root: Path, *, limit_ms: int = 400) -> dict[str, Any]:
    """What the script prints for the plugins below *root*."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(LOADER), str(root), str(limit_ms)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def by_key(report: dict[str, Any]) -> dict[str, Any]:
    """The plugins of a report by their key."""
    return {plugin["key"]: plugin for plugin in report["normal"]}


def check(broken: BrokenPlugin, report: dict[str, Any]) -> None:
    """The report says about *broken* what it must."""
    plugins = by_key(report)
    for key in broken.plugins:
        assert plugins[key]["state"] == broken.state
        said = [one for one in plugins[key]["problems"] if one["code"] == broken.code] + [
            one for one in report["failures"] if (one["plugin"], one["code"]) == (key, broken.code)
        ]
        assert any(all(part in one["message"] for part in broken.mentions) for one in said), said
        assert all(
            plugins[key]["distribution"] in one["message"] or key in one["message"] for one in said
        )


@pytest.mark.parametrize("fault", FAULTS)
def test_the_platform_starts_with_a_broken_plugin(fault: str, tmp_path: Path) -> None:
    """Normal mode serves the rest, strict mode fails, safe mode imports nothing."""
    write_healthy_plugin(tmp_path)
    broken = write_broken_plugin(tmp_path, fault)

    report = load(tmp_path)

    healthy = by_key(report)[HEALTHY]
    assert healthy["state"] == "ready"
    assert healthy["problems"] == []
    assert HEALTHY in report["asked"]
    check(broken, report)
    assert report["imported_in_safe_mode"] == []
    if broken.serves:
        assert report["strict"] is None
    else:
        assert all(key.partition("[")[0] in report["strict"] for key in broken.plugins)


def test_all_faults_together_are_all_named(tmp_path: Path) -> None:
    """One start shows everything there is to repair, in the log and in strict mode's message."""
    write_healthy_plugin(tmp_path)
    broken = [write_broken_plugin(tmp_path, fault) for fault in FAULTS]

    report = load(tmp_path)

    assert by_key(report)[HEALTHY]["state"] == "ready"
    for one in broken:
        check(one, report)
        if not one.serves:
            assert one.code in report["strict"]


def test_a_platform_without_plugins_starts_in_every_mode(tmp_path: Path) -> None:
    """Nothing installed is nothing wrong."""
    report = load(tmp_path)

    assert report["normal"] == []
    assert report["strict"] is None
