"""The platform's worker process, on the core of what is measured."""

from __future__ import annotations

import asyncio

from machine import APPLICATION, pin

from trophenix_kernel.cli.serve import worker
from trophenix_kernel.settings import Settings

if __name__ == "__main__":
    pin(APPLICATION)
    asyncio.run(worker(Settings.from_environment()))
