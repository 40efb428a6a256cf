"""Operations: a typed use case declared once, from which every door is derived.

    @operation(http=GET("/athletes"), permission="athlete.read", title="Search athletes")
    async def search_athletes(ctx: Context, query: AthleteQuery) -> Page[Athlete]: ...

The HTTP route and its OpenAPI description, panel lists and forms, the background task, the command line and the API client all run the
same pipeline with the same decision.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, get_type_hints

import msgspec

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Effect = Literal["read", "write", "destructive"]
Scope = Literal["tenant", "platform", "public"]


class Route(msgspec.Struct, frozen=True):
    """An HTTP method and a path below ``/api/v1``; ``{name}`` segments fill fields of the input."""

    method: Method
    path: str


def GET(path: str) -> Route:  # noqa: N802 - reads as the HTTP method it is
    """A reading route."""
    return Route("GET", path)


def POST(path: str) -> Route:  # noqa: N802
    """A route that creates or acts."""
    return Route("POST", path)


def PUT(path: str) -> Route:  # noqa: N802
    """A route that replaces."""
    return Route("PUT", path)


def PATCH(path: str) -> Route:  # noqa: N802
    """A route that changes some fields."""
    return Route("PATCH", path)


def DELETE(path: str) -> Route:  # noqa: N802
    """A route that removes."""
    return Route("DELETE", path)


class Empty(msgspec.Struct, frozen=True):
    """An input without fields, or an answer without content."""


class Operation:
    """A declared use case.

    Attributes:
        name: unique inside the plugin; the platform-wide name is ``<plugin id>:<name>``.
        handler: the coroutine function.
        input_type: the msgspec struct of the input (`Empty` when the handler takes only the context).
        output_type: what the handler returns.
        permission: the plugin's permission the caller must hold; ``None`` only for a public or a signed-in-only operation.
        effect: ``read`` runs outside a transaction; ``write`` and ``destructive`` run inside one and are audited.
        scope: ``tenant`` (the default), ``platform`` (no tenant; platform administrators) or ``public`` (anybody).
        limit: the plan limit one call counts against, if any.
        emits: event types it may announce.
        background: always answered with a job to watch, and run by a worker.
        rate_class: the per-minute class that counts it.
        max_body_bytes: the largest body read.
        status: the HTTP status of success.
        confidential: the answer holds a secret: it is given once and never stored, not even to repeat it for the same idempotency key.
    """

    __slots__ = (
        "background",
        "confidential",
        "effect",
        "emits",
        "handler",
        "http",
        "input_type",
        "limit",
        "max_body_bytes",
        "name",
        "output_type",
        "permission",
        "rate_class",
        "scope",
        "status",
        "summary",
        "title",
    )

    def __init__(
        self,
        handler: Callable[..., Awaitable[Any]],
        *,
        name: str,
        title: str,
        http: Route | None,
        permission: str | None,
        effect: Effect,
        scope: Scope,
        limit: str | None,
        emits: tuple[str, ...],
        background: bool,
        rate_class: str,
        max_body_bytes: int,
        status: int,
        confidential: bool,
    ) -> None:
        self.handler = handler
        self.name = name
        self.title = title
        self.summary = inspect.getdoc(handler) or title
        self.http = http
        self.permission = permission
        self.effect: Effect = effect
        self.scope: Scope = scope
        self.limit = limit
        self.emits = emits
        self.background = background
        self.rate_class = rate_class
        self.max_body_bytes = max_body_bytes
        self.status = status
        self.confidential = confidential
        self.input_type, self.output_type = _types_of(handler)

    def __repr__(self) -> str:
        return f"Operation({self.name!r})"


def _types_of(handler: Callable[..., Any]) -> tuple[Any, Any]:
    parameters = list(inspect.signature(handler).parameters.values())
    hints = get_type_hints(handler, include_extras=True)
    output = hints.get("return", Empty)
    if len(parameters) == 1:
        given: Any = Empty
    elif len(parameters) == 2:
        given = hints.get(parameters[1].name)
    else:
        given = None
    if not (isinstance(given, type) and issubclass(given, msgspec.Struct)):
        message = (
            f"operation {handler.__qualname__} takes {len(parameters)} parameters; expected (ctx) or"
            " (ctx, input) where the input is annotated with a msgspec struct"
        )
        raise TypeError(message)
    return given, (Empty if output is type(None) else output)


MEBIBYTE: Final = 1 << 20


def operation(
    *,
    title: str,
    permission: str | None = None,
    http: Route | None = None,
    name: str | None = None,
    effect: Effect | None = None,
    scope: Scope = "tenant",
    limit: str | None = None,
    emits: list[str] | tuple[str, ...] = (),
    background: bool = False,
    rate_class: str = "api",
    max_body_bytes: int = MEBIBYTE,
    status: int | None = None,
    confidential: bool = False,
) -> Callable[[Callable[..., Awaitable[Any]]], Operation]:
    """Declare a coroutine function ``(ctx)`` or ``(ctx, input)`` as an operation.

    Args:
        title: what a person reads.
        permission: the plugin's permission it needs. Without one the operation is refused to everybody unless *scope* is ``public``.
        http: where it answers; operations without a route are reached by the other doors only.
        name: defaults to the function's name.
        effect: defaults to ``read`` for GET, ``destructive`` for DELETE and ``write`` otherwise.
        scope, limit, emits, background, rate_class, max_body_bytes, status, confidential: see `Operation`.

    Raises:
        TypeError: the function's shape is not that of an operation.
    """
    if effect is None:
        method = http.method if http else "POST"
        effect = {"GET": "read", "DELETE": "destructive"}.get(method, "write")  # type: ignore[assignment]

    def declare(handler: Callable[..., Awaitable[Any]]) -> Operation:
        if not inspect.iscoroutinefunction(handler):
            message = f"operation {handler.__qualname__} must be declared with async def"
            raise TypeError(message)
        declared = Operation(
            handler,
            name=name or handler.__name__,
            title=title,
            http=http,
            permission=permission,
            effect=effect,  # type: ignore[arg-type]
            scope=scope,
            limit=limit,
            emits=tuple(emits),
            background=background,
            rate_class=rate_class,
            max_body_bytes=max_body_bytes,
            confidential=confidential,
            status=status or (202 if background else 200),
        )
        if declared.output_type is Empty and status is None and not background:
            declared.status = 204
        return declared

    return declare
