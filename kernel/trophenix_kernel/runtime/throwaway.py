"""PostgreSQL and NATS for the length of a test run, in a directory that goes away with them."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trophenix_kernel.runtime.guard import process_guard
from trophenix_kernel.runtime.nats import EmbeddedNats
from trophenix_kernel.runtime.postgres import EmbeddedPostgres
from trophenix_kernel.runtime.service import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

# A test run is short and its data small: no background cleaning, few processes, no waiting.
_TEST_SETTINGS: Final = {
    "max_connections": "200",
    "max_wal_size": "4GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True, slots=True)
class Services:
    """A running PostgreSQL and a running NATS."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats

    @property
    def dsn(self) -> str:
        """The superuser's address of the database ``postgres``."""
        return self.postgres.dsn()

    @property
    def nats_url(self) -> str:
        """The address of NATS, with its credentials."""
        return self.nats.url


@contextmanager
def throwaway_directory() -> Generator[Path]:
    """Lend a directory that is gone afterwards, even when this process is killed meanwhile."""
    directory = Path(tempfile.mkdtemp(prefix="trophenix-"))
    process_guard().remove_at_end(directory)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def throwaway_postgres(
    settings: Mapping[str, str] | None = None, *, report: Callable[[str], None] = silent
) -> Generator[EmbeddedPostgres]:
    """Lend an empty PostgreSQL that is fast because it would not survive a power cut."""
    with (
        throwaway_directory() as directory,
        EmbeddedPostgres(
            directory / "postgres",
            settings={**_TEST_SETTINGS, **(settings or {})},
            durable=False,
            report=report,
        ) as postgres,
    ):
        yield postgres


@contextmanager
def throwaway_nats(*, report: Callable[[str], None] = silent) -> Generator[EmbeddedNats]:
    """Lend a NATS server without streams."""
    with (
        throwaway_directory() as directory,
        EmbeddedNats(directory / "nats", report=report) as nats,
    ):
        yield nats


@contextmanager
def throwaway_services(
    settings: Mapping[str, str] | None = None, *, report: Callable[[str], None] = silent
) -> Generator[Services]:
    """Lend both, for one test session."""
    with (
        throwaway_postgres(settings, report=report) as postgres,
        throwaway_nats(report=report) as nats,
    ):
        yield Services(postgres, nats)
