"""The web process's ASGI application: the gateway in front, Litestar for everything that is not an operation."""

from __future__ import annotations

from litestar import Litestar, get
from litestar.datastructures import State
from litestar.response import Response

from trophenix_kernel.composition import Kernel
from trophenix_kernel.web.gateway import Gateway
from trophenix_kernel.web.recognition import Recognition


def recognition_of(kernel: Kernel) -> Recognition:
    """The kernel's `Recognition`."""
    return Recognition(
        kernel.credentials,
        kernel.directory,
        kernel.decisions,
        kernel.activations,
        kernel.quota,
        kernel.clock,
        base_host=kernel.base_host,
    )


@get("/health/live", include_in_schema=False)
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


def build(kernel: Kernel) -> Gateway:
    """The application of a kernel; the caller starts and stops the kernel."""
    app = Litestar([live], openapi_config=None, state=State({"kernel": kernel}))
    _ = Response
    return Gateway(kernel.registry, kernel.pipeline, recognition_of(kernel), kernel.meter, app)
