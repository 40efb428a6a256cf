"""Measures the platform and prints one table: aim, measured, verdict. Says what is, judges nothing.

The application runs on one core; PostgreSQL and the sender of the load on another. Everything that is compared takes turns within this
run. PostgreSQL is the embedded one with its durable settings.

Source: docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Final

from bulk import bulk, file_import
from comparison import sender
from figures import Figure, table
from ground import RECRUITMENT, ROSTER, SECRET, Ground, populated, template, write_plugins
from in_process import decision, hook_call
from machine import OTHERS, pin, resident_mebibytes
from requests_compared import against_itself, against_others
from round_trips import round_trips
from servers import Server, serving, working
from start import boots

from trophenix_kernel.composition import load
from trophenix_kernel.plugins.schema import histories
from trophenix_kernel.runtime.nats import EmbeddedNats
from trophenix_kernel.runtime.postgres import EmbeddedPostgres
from trophenix_kernel.runtime.throwaway import throwaway_directory
from trophenix_kernel.settings import Settings

FEW: Final = 6
MANY: Final = 200
SWITCHED_ON: Final = 25
PARTS: Final = ("calls", "requests", "growth", "bulk")


class Bench:
    """What one run measures, and what it needs for that."""

    def __init__(self, stack: ExitStack, folder: Path, *, rounds: int) -> None:
        self._stack = stack
        self._folder = folder
        self._rounds = rounds
        self.figures: list[Figure] = []
        self._load = stack.enter_context(sender())
        self._postgres = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        # One of the few is the recruitment module, which is installed already.
        self._sites = {FEW: folder / "few", MANY: folder / "many"}
        self._idle = {
            count: [one.id for one in write_plugins(site, count - 1)]
            for count, site in self._sites.items()
        }
        sys.path.insert(0, str(self._sites[FEW]))
        asyncio.run(template(self._postgres, histories(load(Settings(database_url="")).catalogue)))
        self._ground = self._populated("small", tenants=10, rows=5_000, enabled=FEW)
        self._platform = self._serving("platform", self._ground, FEW)

    def requests(self) -> None:
        """Against others."""
        with self._bare() as bare, self._bare("orm_app") as orm:
            self.figures += against_others(
                self._load,
                self._folder,
                self._ground,
                self._platform,
                bare,
                orm,
                rounds=self._rounds,
            )

    def bulk(self) -> None:
        """Athletes by the thousand."""
        with self._bare() as bare:
            self.figures += bulk(self._ground, self._postgres.pid or 0, self._platform, bare)
        with (
            EmbeddedNats(self._folder / "nats") as nats,
            working(
                {**_environment(self._ground), "TROPHENIX_NATS_URL": nats.url},
                log=self._folder / "worker.log",
                paths=(str(self._sites[FEW]),),
            ),
        ):
            self.figures += file_import(self._ground, self._platform)

    def growth(self) -> None:
        """Against itself with more of everything, and what more plugins cost in memory."""
        crowd = self._populated("crowd", tenants=100_000, rows=2, enabled=FEW)
        loaded = self._populated("loaded", tenants=10, rows=5_000, enabled=SWITCHED_ON)
        crowded = self._serving("crowded", crowd, FEW)
        laden = self._serving("laden", loaded, MANY)
        self.figures += against_itself(
            self._load,
            self._folder,
            {
                f"10 tenants and {FEW} plugins": (self._platform, self._ground),
                "100,000 tenants": (crowded, crowd),
                f"{MANY} plugins, {SWITCHED_ON} enabled": (laden, loaded),
            },
            rounds=self._rounds,
        )
        few, many = (resident_mebibytes(one.worker) for one in (self._platform, laden))
        self.figures += [
            Figure(
                f"memory of a web worker with {FEW} plugins",
                few,
                unit="MiB",
                digits=0,
                note="resident, after the load",
            ),
            Figure(
                f"memory of a web worker with {MANY} plugins",
                many,
                unit="MiB",
                digits=0,
                note=f"{(many - few) / (MANY - FEW) * 1024:.0f} KiB per plugin",
            ),
        ]
        self.figures += boots(self._sites, loaded)

    def calls(self) -> None:
        """Round trips, decisions and hooks."""
        self.figures += asyncio.run(round_trips(self._ground))
        self.figures += asyncio.run(decision(self._ground))
        self.figures += asyncio.run(hook_call())

    def _bare(self, module: str = "bare_app") -> AbstractContextManager[Server]:
        environment = {"BENCH_DSN": self._ground.admin, "BENCH_KEYS": str(self._ground.keys)}
        return serving(f"{module}:application", environment, log=self._folder / f"{module}.log")

    def _populated(self, name: str, *, tenants: int, rows: int, enabled: int) -> Ground:
        plugins = [RECRUITMENT, ROSTER, *(one for one in self._idle[MANY] if one != ROSTER)][
            :enabled
        ]
        return asyncio.run(
            populated(
                self._postgres, self._folder, name, tenants=tenants, rows=rows, enabled=plugins
            )
        )

    def _serving(self, name: str, ground: Ground, plugins: int) -> Server:
        return self._stack.enter_context(
            serving(
                "platform_app:application",
                _environment(ground),
                log=self._folder / f"{name}.log",
                paths=(str(self._sites[plugins]),),
            )
        )


def _environment(ground: Ground) -> dict[str, str]:
    return {
        "TROPHENIX_DATABASE_URL": ground.application,
        "TROPHENIX_SECRET_KEY": SECRET.decode(),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; all unless given")
    parser.add_argument("--rounds", type=int, default=11, help="turns of each variant under load")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"found {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    began = time.monotonic()
    pin(OTHERS)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with throwaway_directory() as folder, ExitStack() as stack:
        bench = Bench(stack, folder, rounds=given.rounds)
        for part in PARTS:
            if not given.parts or part in given.parts:
                getattr(bench, part)()
                print(
                    f"{part}: done after {time.monotonic() - began:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    print(table(bench.figures))
    print(f"\n{time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
