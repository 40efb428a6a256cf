"""Large files go through little memory."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Platform, Surface

MEGABYTE = 1024 * 1024
FILE_BYTES = 96 * MEGABYTE
MEMORY_BYTES = 4 * MEGABYTE


@pytest.mark.parametrize("way", ["file_path", "file"])
def test_a_file_is_never_held_in_memory(
    way: str, tmp_path: Path, platform: Platform, surface: Surface
) -> None:
    """96 MB arrive, and client and server together never held 4 MB more than before."""
    platform.parses = False
    path = tmp_path / "large.csv"
    with path.open("wb") as sparse:
        sparse.truncate(FILE_BYTES)
    client = surface.client()
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            what = {"file": file} if way == "file" else {"file_path": path}
            result = surface.settle(client.athletes.bulk_import(**what))  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert platform.received[0].file_size == FILE_BYTES
    assert result.status == "applied"
    assert peak < MEMORY_BYTES
