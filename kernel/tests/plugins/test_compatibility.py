"""A plugin that does not fit is told what it met, what it needs, and which version would do."""

from __future__ import annotations

import pytest

from trophenix_kernel.plugins.compatibility import Host, incompatibilities, satisfies
from trophenix_kernel.plugins.model import PluginRecord
from trophenix_sdk.manifest import Compat, Contract, Kind, Level, Manifest, PluginSection


def plugin(compat: Compat) -> PluginRecord:
    """A plugin that asks for *compat*."""
    manifest = Manifest(
        manifest=1,
        plugin=PluginSection(
            id="a.a",
            distribution="a-a",
            version="1",
            kind=Kind.MODULE,
            level=Level.TENANT,
            name="A",
        ),
        compat=compat,
        contract=Contract(),
    )
    return PluginRecord(
        key="a.a",
        id="a.a",
        distribution="a-a",
        version="1",
        entry_point="a = a",
        package="a",
        manifest=manifest,
    )


def codes(compat: Compat, host: Host, *installed: str) -> list[str]:
    """The codes of what does not fit."""
    return [one.code for one in incompatibilities(plugin(compat), host, installed)]


def test_a_fitting_plugin_has_no_problem() -> None:
    assert codes(Compat(kernel=">=0.1", hook_api=1), Host(kernel="0.1.0")) == []


def test_everything_that_does_not_fit_is_said_at_once() -> None:
    compat = Compat(
        kernel=">=2,<3", hook_api=2, python=">=3.99", conflicts=("b.b",), replaces=("c.c", "d.d")
    )

    found = incompatibilities(plugin(compat), Host(kernel="1.9", python="3.11.7"), ["b.b", "c.c"])

    assert [one.code for one in found] == [
        "plugin.incompatible_kernel",
        "plugin.incompatible_hook_api",
        "plugin.incompatible_python",
        "plugin.conflict",
        "plugin.conflict",
    ]
    assert "found kernel 1.9 in compat.kernel; expected kernel >=2,<3" in found[0].message
    assert all(one.next_step for one in found)


def test_older_hook_apis_can_still_be_served() -> None:
    host = Host(kernel="1.0", hook_apis=frozenset({1, 2}))

    assert codes(Compat(kernel=">=1", hook_api=1), host) == []
    assert codes(Compat(kernel=">=1", hook_api=3), host) == ["plugin.incompatible_hook_api"]


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("1.2.0", ">=1.2,<2", True),
        ("2.0.0rc1", ">=1.2", True),
        ("1.2.0.dev1", ">=1.2", False),
        ("1.2+local", ">=1.2", True),
        ("not a version", ">=0", False),
    ],
)
def test_versions_are_compared_as_installers_do(
    version: str, specifier: str, *, expected: bool
) -> None:
    assert satisfies(version, specifier) is expected
