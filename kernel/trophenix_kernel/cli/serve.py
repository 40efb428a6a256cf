"""The three processes of a running platform."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
from collections.abc import Callable
from typing import Any

from trophenix_kernel.composition import Kernel
from trophenix_kernel.events.reach import bus_answers
from trophenix_kernel.scheduler import Scheduler
from trophenix_kernel.settings import Settings
from trophenix_kernel.web.application import build, recognition_of
from trophenix_kernel.worker import Worker


def web(settings: Settings, *, host: str, port: int, processes: int) -> int:
    """Answer HTTP until told to stop."""
    from granian.constants import Interfaces, Loops
    from granian.server import Server

    asyncio.run(_look_first(settings))
    os.environ.setdefault("TROPHENIX_BASE_URL", f"http://{host}:{port}")
    server = Server(
        "trophenix_kernel.cli.serve:application",
        factory=True,
        address=host,
        port=port,
        workers=processes,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        log_access=False,
        backlog=2048,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    )
    server.serve()
    return 0


async def _look_first(settings: Settings) -> None:
    """Refuse here, with a message, what would otherwise fail in every worker."""
    kernel = await Kernel.compose(settings)
    await kernel.stop()


def application() -> Any:
    """The ASGI application of one web process, composed when the server starts its lifespan."""
    return _Lifespan(Settings.from_environment())


class _Lifespan:
    """Composes the kernel at start-up and stops it at shut-down."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: Any = None
        self._kernel: Kernel | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    self._kernel = await Kernel.compose(self._settings)
                    await self._kernel.start()
                    nats = functools.partial(bus_answers, self._settings.nats_url)
                    self._app = build(self._kernel, probes={"nats": nats})
                    _keep_loaded()
                except Exception as error:  # noqa: BLE001 - the server is told, whatever it is
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._kernel is not None:
                    await self._kernel.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _keep_loaded() -> None:
    """What is loaded by now lives as long as the process, so the garbage collector never looks at it again.

    It would otherwise walk over every module whenever a large answer or import made many objects.
    """
    gc.collect()
    gc.freeze()


async def worker(settings: Settings) -> int:
    """Run background work until told to stop; what runs is finished first."""
    kernel = await Kernel.compose(settings)
    await kernel.start()
    working = Worker(kernel, recognition_of(kernel))
    _keep_loaded()
    _on_stop(working.stop)
    try:
        await working.run()
    finally:
        await kernel.stop()
    return 0


async def scheduler(settings: Settings) -> int:
    """Lead or stand by until told to stop."""
    kernel = await Kernel.compose(settings)
    await kernel.start()
    leading = Scheduler(kernel)
    _on_stop(leading.stop)
    try:
        await leading.run()
    finally:
        await kernel.stop()
    return 0


def _on_stop(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop)
