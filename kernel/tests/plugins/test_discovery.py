"""Plugins are found and described without running any of their code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trophenix_kernel.plugins.discovery import discover, installed_plugins
from trophenix_kernel.plugins.model import PluginRecord, PluginState
from trophenix_testing.plugins import write_plugin


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def found(root: Path) -> dict[str, PluginRecord]:
    """What is discovered below *root*, by key."""
    return {one.key: one for one in discover(path=[str(root)])}


def test_the_manifest_is_read_although_the_package_cannot_be_imported(root: Path) -> None:
    write_plugin(root, id="acme.broken", files={"__init__.py": "raise SystemExit(1)\n"})

    one = found(root)["acme.broken"]

    assert one.state is PluginState.DISCOVERED
    assert one.manifest is not None
    assert one.manifest.plugin.name == "acme.broken"
    assert "acme_broken" not in sys.modules


def test_an_editable_install_is_found_through_its_path_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata lies in one folder, the package in another."""
    source, site = tmp_path / "source", tmp_path / "site"
    write_plugin(source, id="acme.edited")
    site.mkdir()
    info = next(source.glob("*.dist-info"))
    info.rename(site / info.name)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    monkeypatch.setattr(sys, "path", [str(source), *sys.path])

    assert found(site)["acme.edited"].package_path == str(source / "acme_edited")


def test_names_are_compared_as_installers_write_them(root: Path) -> None:
    """``Acme_Loyalty`` and ``acme-loyalty`` are one distribution; 1.0 and 1.0.0 are one version."""
    write_plugin(
        root,
        id="acme.loyalty",
        distribution="Acme_Loyalty",
        version="1.0",
        metadata_version="1.0.0",
        extra={"plugin": {"distribution": "acme-loyalty"}},
    )

    assert found(root)["acme.loyalty"].state is PluginState.DISCOVERED


def test_entry_point_names_identify_nothing(root: Path) -> None:
    """Two plugins may use the same name there."""
    write_plugin(root, id="acme.one", entry_name="main")
    write_plugin(root, id="acme.two", entry_name="main")

    assert {one.state for one in found(root).values()} == {PluginState.DISCOVERED}
    assert set(found(root)) == {"acme.one", "acme.two"}


def test_one_distribution_may_bring_several_plugins(root: Path) -> None:
    write_plugin(root, id="acme.one", distribution="acme-suite")
    write_plugin(
        root,
        id="acme.two",
        distribution="acme-suite-two",
        extra={"plugin": {"distribution": "acme-suite"}},
    )
    second = next(root.glob("acme_suite_two-*.dist-info"))
    points = root / "acme_suite-1.0.0.dist-info" / "entry_points.txt"
    points.write_text(points.read_text() + "two = acme_two.plugin\n")
    for file in second.iterdir():
        file.unlink()
    second.rmdir()

    assert {key: one.state for key, one in found(root).items()} == {
        "acme.one": PluginState.DISCOVERED,
        "acme.two": PluginState.DISCOVERED,
    }


def test_of_two_claims_to_an_id_none_wins(root: Path) -> None:
    write_plugin(root, id="acme.twin", distribution="twin-one", package="twin_one")
    write_plugin(root, id="acme.twin", distribution="twin-two", package="twin_two")
    write_plugin(root, id="acme.other")

    states = {key: one.state for key, one in found(root).items()}

    assert states == {
        "twin-one[twin]": PluginState.DUPLICATE_ID,
        "twin-two[twin]": PluginState.DUPLICATE_ID,
        "acme.other": PluginState.DISCOVERED,
    }


def test_a_false_claim_to_an_id_does_not_harm_its_owner(root: Path) -> None:
    """A manifest copied from elsewhere disagrees with its distribution and falls out before ids are compared."""
    write_plugin(root, id="acme.loyalty")
    write_plugin(
        root,
        id="acme.loyalty",
        distribution="evil",
        package="evil",
        extra={"plugin": {"distribution": "acme-loyalty"}},
    )

    assert {key: one.state for key, one in found(root).items()} == {
        "acme.loyalty": PluginState.DISCOVERED,
        "evil[loyalty]": PluginState.INVALID_MANIFEST,
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"entry_point": "acme_odd plugin!"}, "plugin.invalid_entry_point"),
        ({"entry_point": "no_such_package.plugin"}, "plugin.missing_package"),
        ({"with_manifest": False}, "plugin.missing_manifest"),
        ({"manifest": "manifest = 1\n["}, "plugin.invalid_manifest"),
    ],
)
def test_what_cannot_be_described_is_refused_with_a_reason(
    root: Path, change: dict[str, str], code: str
) -> None:
    write_plugin(root, id="acme.odd", **change)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    one = found(root)["acme-odd[odd]"]

    assert one.state is PluginState.INVALID_MANIFEST
    assert one.errors[0].code == code
    assert one.errors[0].next_step


def test_a_plugin_that_is_a_single_file_is_refused(root: Path) -> None:
    """It has nowhere to put its manifest."""
    write_plugin(root, id="acme.flat", entry_point="flat_module")
    (root / "flat_module.py").write_text("")

    assert found(root)["acme-flat[flat]"].errors[0].code == "plugin.missing_manifest"


def test_all_faults_of_a_manifest_are_problems_of_the_plugin(root: Path) -> None:
    write_plugin(root, id="acme.odd", kernel="==1", hook_api=0)

    assert [one.where.rpartition(": ")[2] for one in found(root)["acme-odd[odd]"].errors] == [
        "compat.hook_api",
        "compat.kernel",
    ]


def test_unreadable_metadata_of_a_stranger_stops_nothing(root: Path) -> None:
    write_plugin(root, id="acme.fine")
    (root / "broken-1.0.dist-info").mkdir()
    (root / "worse-1.0.dist-info").mkdir()
    (root / "worse-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00")
    (root / "worse-1.0.dist-info" / "entry_points.txt").write_bytes(
        b"\xff[trophenix.plugins]\n\xff = x"
    )

    assert list(found(root)) == ["acme.fine"]


def test_a_plugin_whose_metadata_cannot_be_read_is_shown_as_refused(root: Path) -> None:
    """It does not vanish: its entry point says that it is meant to be there."""
    write_plugin(root, id="acme.lost")
    (root / "acme_lost-1.0.0.dist-info" / "METADATA").unlink()

    listed = list(found(root).values())

    assert [one.state for one in listed] == [PluginState.INVALID_MANIFEST]
    assert listed[0].id == "acme.lost"
    assert listed[0].errors[0].code == "plugin.metadata_mismatch"


def test_a_distribution_hidden_by_another_of_its_name_does_not_count(tmp_path: Path) -> None:
    """As for imports, the first on the path is the one that is there."""
    for folder, version in (("first", "2.0.0"), ("second", "1.0.0")):
        write_plugin(tmp_path / folder, id="acme.twice", version=version)

    listed = installed_plugins(path=[str(tmp_path / "first"), str(tmp_path / "second")])

    assert [one.version for one in listed] == ["2.0.0"]


def test_only_the_group_asked_for_is_read(root: Path) -> None:
    write_plugin(root, id="acme.fine")

    assert installed_plugins("trophenix.themes", path=[str(root)]) == ()
    assert len(installed_plugins(path=[str(root)])) == 1
