"""The fixtures work in a project that knows only the test kit, and cost nothing where they are not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_TEST = """
import pytest


@pytest.mark.asyncio
async def test_a_viewer_reads(platform_factory):
    platform = await platform_factory(plugins=[])

    answer = await platform.http("alpha", role="viewer").get("/api/v1/members")

    assert answer.status_code == 200
"""

_IDLE = """
import sys


def test_the_kernel_is_not_there():
    assert not [name for name in sys.modules if name.startswith(("trophenix_kernel", "litestar", "asyncpg"))]
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_project_without_any_configuration_uses_a_platform(tmp_path: Path) -> None:
    (tmp_path / "test_reading.py").write_text(_TEST)

    done = _pytest(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_that_uses_no_platform_imports_none(tmp_path: Path) -> None:
    (tmp_path / "test_idle.py").write_text(_IDLE)

    done = _pytest(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
