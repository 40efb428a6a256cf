"""A platform with a plugin whose operations do, and break, everything an operation can."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.plugins import WrittenPlugin, write_plugin

WORKSHOP: Final = "acme.workshop"
_SOURCE: Final = Path(__file__).parent / "workshop"


def write_workshop(root: Path) -> WrittenPlugin:
    """``acme.workshop`` is installed below *root*."""
    files = {
        str(file.relative_to(_SOURCE)): file.read_text(encoding="utf-8")
        for file in _SOURCE.rglob("*.py")
    }
    manifest = (_SOURCE / "trophenix.toml").read_text(encoding="utf-8")
    return write_plugin(
        root, id=WORKSHOP, files={"migrations/__init__.py": "", **files}, manifest=manifest
    )


@pytest.fixture
def open_workshop(
    platform_factory: PlatformFactory, tmp_path: Path
) -> Callable[..., Awaitable[Platform]]:
    """Makes a platform with the workshop and the plugins beside it; takes what `PlatformFactory` takes."""

    async def make(*beside: WrittenPlugin, **options: Any) -> Platform:
        return await platform_factory(plugins=[write_workshop(tmp_path), *beside], **options)

    return make


@pytest.fixture
async def workshop(open_workshop: Callable[..., Awaitable[Platform]]) -> Platform:
    """A platform with the workshop."""
    return await open_workshop()


@pytest.fixture
def gate() -> Callable[[str], Any]:
    """The workshop's gate of a name: `entered` and `open` are events."""

    def named(name: str) -> Any:
        # Looked up late: the plugin is imported when the platform is made.
        return sys.modules["acme_workshop.plugin"].gate(name)

    return named
