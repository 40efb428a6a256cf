"""What the documentation shows really runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Platform

CLIENT = Path(__file__).parents[1]
EXAMPLE = CLIENT.parents[1] / "examples" / "api_client" / "import_athletes.py"
GOOD = "first_name,last_name\nOns,Jabeur\nZoé,Élan\n"
BAD = GOOD + "No,\n"


@pytest.fixture
def variables(platform: Platform) -> dict[str, str]:
    return {
        "TROPHENIX_API_KEY": platform.key,
        "TROPHENIX_TENANT": "olympic-france",
        "TROPHENIX_BASE_URL": platform.base_url,
    }


def test_the_readme_runs_from_top_to_bottom(
    platform: Platform,
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    platform.progress = []
    (tmp_path / "athletes_2024.csv").write_text(BAD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    text = (CLIENT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)

    exec(  # noqa: S102 - our own documentation
        compile("\n".join(blocks), "README.md", "exec"),
        {"API_KEY": platform.key, "BASE_URL": platform.base_url},
    )

    shown = capsys.readouterr().out
    assert len(blocks) == 7
    assert "Imported 3 athletes\nErrors: 1\nline 4, last_name: The last name is missing." in shown
    assert "Progress: 100%" in shown
    assert "Zoé Élan - Ranking: 2" in shown


@pytest.mark.parametrize(
    ("content", "options", "status", "expected"),
    [
        (GOOD, ["--sport", "tennis"], 0, "2 new, 0 updated, 0 errors"),
        (BAD, [], 1, "line 4, last_name: The last name is missing. (found '')"),
        (BAD, ["--max-rejected", "1"], 0, "2 new, 0 updated, 1 errors"),
        (None, [], 1, "No such file"),
    ],
)
def test_the_example_script_runs(
    content: str | None,
    options: list[str],
    status: int,
    expected: str,
    variables: dict[str, str],
    platform: Platform,
    tmp_path: Path,
) -> None:
    platform.progress = []
    file = tmp_path / "athletes.csv"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    ended = subprocess.run(
        [sys.executable, str(EXAMPLE), str(file), *options],
        env={**os.environ, **variables, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )

    assert (ended.returncode, expected in ended.stdout + ended.stderr) == (status, True), ended
    assert platform.key not in ended.stdout + ended.stderr
