"""The web process's ASGI application: the gateway in front, Litestar for everything that is not an operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from trophenix_kernel.composition import VERSION, Kernel
from trophenix_kernel.web.desk import desk_handlers, on_failure, on_http_error, on_refusal
from trophenix_kernel.web.desk.face import Face
from trophenix_kernel.web.documentation import documentation_handlers, plain_frame
from trophenix_kernel.web.gateway import Gateway
from trophenix_kernel.web.health import Probe, health_handlers
from trophenix_kernel.web.openapi import ApiDescription
from trophenix_kernel.web.recognition import Recognition
from trophenix_kernel.web.static import static_handlers
from trophenix_sdk.errors import TrophenixError


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
        trusted_proxies=kernel.settings.trusted_proxies,
    )


def build(kernel: Kernel, *, probes: Mapping[str, Probe] | None = None) -> Gateway:
    """The application of a kernel; the caller starts and stops the kernel.

    Args:
        kernel: what is served.
        probes: further parts whose answering `/health/ready` looks at, such as ``nats``.
    """
    face = Face(kernel.catalogue)
    recognition = recognition_of(kernel)
    description = ApiDescription(kernel.registry, kernel.catalogue, version=VERSION)
    app = Litestar(
        [
            *health_handlers(kernel, others=probes, metrics_token=kernel.settings.metrics_token),
            *static_handlers(face.assets, face.sheet),
            *documentation_handlers(
                description, face.environment, lambda request: plain_frame(request, face.theme_href)
            ),
            *desk_handlers(),
        ],
        openapi_config=None,
        # Who starts the process decides what is logged where.
        logging_config=None,
        exception_handlers={
            TrophenixError: on_refusal,
            HTTPException: on_http_error,
            Exception: on_failure,
        },
        request_max_body_size=kernel.settings.max_upload_bytes,
        state=State({"kernel": kernel, "face": face, "recognition": recognition}),
    )
    return Gateway(kernel.registry, kernel.pipeline, recognition, kernel.meter, cast("Any", app))
