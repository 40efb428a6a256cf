"""Pages for what could not be answered."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, Final

from litestar import Response
from litestar.exceptions import HTTPException

from trophenix_kernel.web.desk.entry import Asking
from trophenix_kernel.web.desk.visit import Visit
from trophenix_sdk.errors import Invalid, NotFound, TooLarge, TrophenixError

_log: Final = logging.getLogger("trophenix.desk")


class PageError(TrophenixError):
    """A page failed for a reason that is ours."""

    code = "page_failed"
    title = "Something failed on our side"


_KINDS: Final[dict[int, type[TrophenixError]]] = {
    400: Invalid,
    404: NotFound,
    405: NotFound,
    413: TooLarge,
}


class _Later(Response[bytes]):
    """Litestar asks for the response at once; ours is made with the database."""

    def __init__(self, answer: Coroutine[Any, Any, Response[Any]]) -> None:
        super().__init__(b"")
        self._answer = answer

    def to_asgi_response(self, *_given: Any, request: Asking, **_more: Any) -> Any:
        """An application that makes the response and sends it."""

        async def send_it(scope: Any, receive: Any, send: Any) -> None:
            response: Any = await self._answer
            await response.to_asgi_response(None, request)(scope, receive, send)

        return send_it


async def _answer(request: Asking, error: TrophenixError) -> Response[Any]:
    parts = request.url.path.split("/")
    slug = parts[2] if len(parts) > 2 and parts[1] == "admin" else ""
    try:
        visit = await Visit.open(request, slug) if error.status != 401 else await Visit.of(request)
    except TrophenixError:
        visit = await Visit.of(request)
    return visit.problem(error)


def on_refusal(request: Asking, error: TrophenixError) -> Response[Any]:
    """The page of a refusal."""
    return _Later(_answer(request, error))


def on_http_error(request: Asking, error: HTTPException) -> Response[Any]:
    """The page of what Litestar itself refused, such as an address that does not exist."""
    kind = _KINDS.get(error.status_code, PageError)
    # What the framework says of an unknown address helps nobody who reads a page.
    return _Later(_answer(request, kind() if kind is NotFound else kind(str(error.detail))))


def on_failure(request: Asking, error: Exception) -> Response[Any]:
    """The page of a failure; the cause goes to the log, never to the page."""
    _log.error("page %s failed", request.url.path, exc_info=error)
    return _Later(_answer(request, PageError()))
