"""Style sheets, fonts, icons and scripts under addresses that name their content, to be kept for ever."""

from __future__ import annotations

from typing import Any, Final

from litestar import HttpMethod, Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from trophenix_kernel.panels import Assets
from trophenix_kernel.panels.assets import FOREVER
from trophenix_kernel.themes.stylesheet import Stylesheet

READ: Final = (HttpMethod.GET, HttpMethod.HEAD)


def static_handlers(assets: Assets, sheet: Stylesheet) -> list[HTTPRouteHandler]:
    """The handlers of ``/assets/…`` and of the platform's own theme, ``/theme/{version}.css``."""

    @route(assets.base + "/{path:path}", http_method=READ, include_in_schema=False)
    async def asset(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = assets.read(str(request.path_params["path"]).lstrip("/"))
        if found is None:
            return Response(b"", status_code=404, headers={"Cache-Control": "no-store"})
        packed = found.packed if "gzip" in request.headers.get("accept-encoding", "") else None
        headers = {
            "Cache-Control": found.cache_control,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        return Response(packed or found.body, media_type=found.content_type, headers=headers)

    @route("/theme/{name:str}", http_method=READ, include_in_schema=False)
    async def theme(request: Request[Any, Any, Any]) -> Response[bytes]:
        if request.path_params["name"] != f"{sheet.version}.css":
            return Response(b"", status_code=404, headers={"Cache-Control": "no-store"})
        return Response(
            sheet.text.encode(),
            media_type="text/css; charset=utf-8",
            headers={"Cache-Control": FOREVER},
        )

    return [asset, theme]


def theme_address(sheet: Stylesheet) -> str:
    """Where `static_handlers` answers with the theme; for ``Frame.theme_href``."""
    return f"/theme/{sheet.version}.css"
