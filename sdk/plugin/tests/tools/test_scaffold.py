"""`trophenix-plugin new` writes a project that satisfies every rule, for every id, and touches nothing that exists."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_sdk.manifest import id_fault
from trophenix_sdk.manifest_file import read_manifest
from trophenix_sdk.tools.check import check_project
from trophenix_sdk.tools.command import main
from trophenix_sdk.tools.scaffold import CannotScaffold, names_of, write_project

IDS = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\.[a-z](_?[a-z0-9]){0,12}\Z").filter(
    lambda word: id_fault(word) is None
)


def test_a_new_project_breaks_no_rule(tmp_path: Path) -> None:
    write_project("acme.carpool", tmp_path)

    assert check_project(tmp_path / "carpool") == ()


def test_everything_a_publisher_needs_is_there(tmp_path: Path) -> None:
    files = {
        path.relative_to(tmp_path / "carpool").as_posix()
        for path in write_project("acme.carpool", tmp_path)
    }

    assert {
        "README.md",
        "CHANGELOG.md",
        "quality.toml",
        "pyproject.toml",
        ".gitignore",
        "acme_carpool/trophenix.toml",
        "acme_carpool/plugin.py",
        "acme_carpool/model.py",
        "acme_carpool/store.py",
        "acme_carpool/operations.py",
        "acme_carpool/permissions.py",
        "acme_carpool/events.py",
        "acme_carpool/panels.py",
        "acme_carpool/settings.py",
        "acme_carpool/py.typed",
        "acme_carpool/migrations/v0001_items.py",
        "acme_carpool/locales/fr/LC_MESSAGES/carpool.po",
        "tests/test_items.py",
        "tests/test_model.py",
    } <= files


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(plugin_id=IDS)
def test_every_id_gives_a_project_whose_names_agree(
    plugin_id: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("projects")
    written = write_project(plugin_id, folder)
    names = names_of(plugin_id)
    project = folder / names.folder
    metadata = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    manifest = read_manifest((project / names.package / "trophenix.toml").read_bytes())

    assert manifest.id == plugin_id
    assert metadata["name"] == manifest.plugin.distribution
    assert metadata["version"] == manifest.plugin.version
    assert metadata["dependencies"] == ["trophenix-sdk>=0.1,<1"]
    assert metadata["entry-points"]["trophenix.plugins"] == {names.name: f"{names.package}.plugin"}
    for path in written:
        text = path.read_text("utf-8")
        assert re.search(r"__(PLUGIN_ID|PACKAGE|NAME|ROUTE|TITLE|DISTRIBUTION)__", text) is None, (
            path
        )
        if path.suffix == ".py":
            ast.parse(text)


@given(word=st.text(max_size=40))
def test_what_is_no_id_writes_nothing_and_says_what_is_expected(
    word: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if id_fault(word) is None:
        return
    folder = tmp_path_factory.mktemp("none")
    with pytest.raises(CannotScaffold, match="expected") as refused:
        write_project(word, folder)

    assert refused.value.next_step
    assert list(folder.iterdir()) == []


def test_an_existing_folder_is_never_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "carpool").mkdir()
    (tmp_path / "carpool" / "mine.txt").write_text("mine")

    assert main(["new", "acme.carpool", "--dir", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "carpool").iterdir()] == ["mine.txt"]


def test_a_folder_that_is_not_there_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "acme.carpool", "--dir", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "word",
    ["carpool", "Acme.carpool", "acme.car-pool", "acme.car__pool", "kernel.x", "a.b.c", "../x.y"],
)
def test_wrong_ids_are_refused(word: str, tmp_path: Path) -> None:
    assert main(["new", word, "--dir", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []


def test_it_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> str:
        pytest.fail("the command asked a question")

    monkeypatch.setattr("builtins.input", asked)
    assert main(["new", "acme.carpool", "--dir", str(tmp_path)]) == 0
