"""A site folder to install plugins in, and an event loop on which waiting takes no time."""

from __future__ import annotations

import asyncio
import importlib
import selectors
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.loader import LoadedPlugins, load_plugins

T = TypeVar("T")


class _LeapingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, time leaps there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits and no timer is set: the loop would stand still for ever")
        self.now += max(timeout, 0.0)
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop with its own time, which only passes while everything waits."""

    def __init__(self) -> None:
        self.leaping = _LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


def run_leaping(work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*, run to its end on a new `LeapingLoop`."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(work)


@pytest.fixture(scope="session")
def leaping_runner() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine on a loop on which waiting takes no time."""
    return run_leaping


class Site:
    """A folder on ``sys.path`` whose plugins alone are discovered."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def load(self, host: Host | None = None, **options: Any) -> LoadedPlugins:
        """Load what is installed in the folder."""
        importlib.invalidate_caches()
        records = discover(path=[str(self.root)])
        return load_plugins(host or Host(kernel="0.1.0"), records=records, **options)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site folder; whatever is imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Site(tmp_path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
