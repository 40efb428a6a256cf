"""How long one process takes from nothing to composed: run as a program, it says so in JSON."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from figures import Figure
from ground import SECRET, Ground
from machine import APPLICATION, pin

from trophenix_kernel.composition import Kernel, load
from trophenix_kernel.settings import Settings

RUNS: Final = 5


class Start(msgspec.Struct, frozen=True):
    """The parts of one start, in milliseconds of processor time."""

    load_ms: float
    compose_ms: float
    serving: int


async def start() -> Start:
    """This process has a composed kernel."""
    settings = Settings.from_environment()
    began = time.process_time()
    loaded = load(settings)
    loaded_at = time.process_time()
    kernel = await Kernel.compose(settings, loaded=loaded)
    composed_at = time.process_time()
    serving = len(kernel.catalogue.serving)
    await kernel.stop()
    return Start((loaded_at - began) * 1000, (composed_at - loaded_at) * 1000, serving)


def boots(sites: dict[int, Path], ground: Ground) -> list[Figure]:
    """What starting costs with few and with many plugins installed, in turns."""
    found: dict[int, list[Start]] = {count: [] for count in sites}
    for _ in range(RUNS):
        for count, site in sites.items():
            found[count].append(_fresh(site, ground))
    few, many = min(found), max(found)
    milliseconds = {
        count: statistics.median(one.load_ms + one.compose_ms for one in starts)
        for count, starts in found.items()
    }
    parts = found[many][0]
    per_plugin = (milliseconds[many] - milliseconds[few]) / (many - few)
    return [
        Figure(
            f"start with {many} plugins: load and compose",
            milliseconds[many],
            unit="ms",
            digits=0,
            note=f"{milliseconds[few]:.0f} ms with {few}; {per_plugin:.1f} ms per plugin; {parts.serving} serve",
        )
    ]


def _fresh(site: Path, ground: Ground) -> Start:
    said = subprocess.run(
        [sys.executable, __file__],
        env={
            **os.environ,
            "PYTHONPATH": str(site),
            "TROPHENIX_DATABASE_URL": ground.application,
            "TROPHENIX_SECRET_KEY": SECRET.decode(),
        },
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return msgspec.json.decode(said, type=Start)


if __name__ == "__main__":
    pin(APPLICATION)
    sys.stdout.write(msgspec.json.encode(asyncio.run(start())).decode())
