"""Every refusal the platform can answer, each with a stable code, an HTTP status and the next step.

A subclass exists only where a caller would act differently. Doors turn an error into an RFC 9457 problem (HTTP), an exit
status (command line) or a failed job (background) without knowing its class.
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

PROBLEM_BASE: Final = "https://trophenix.dev/problems/"


class FieldProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with one place of an input.

    Attributes:
        pointer: RFC 6901 JSON pointer into the input, ``""`` for the whole.
        code: stable word such as ``missing`` or ``too_long``.
        message: what was found and what was expected, in English; panels translate by *code*.
    """

    pointer: str
    code: str
    message: str


class TrophenixError(Exception):
    """The root of every expected refusal.

    Args:
        detail: what was found and what was expected.
        next_step: what the caller can do about it.
        problems: the single faults of an input, all of them.
        headers: extra HTTP response headers, such as ``Retry-After``.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str = "",
        *,
        next_step: str = "",
        problems: tuple[FieldProblem, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        code: str | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.next_step = next_step
        self.problems = problems
        self.headers = headers
        self.reason = code or self.code


class Unauthenticated(TrophenixError):
    """No credential, or one that is unknown, expired or revoked; the answer never says which."""

    code = "unauthenticated"
    title = "Sign in to continue"
    status = 401


class PermissionDenied(TrophenixError):
    """The caller is known and may not do this here."""

    code = "permission_denied"
    title = "You may not do this"
    status = 403


class NotFound(TrophenixError):
    """Nothing the caller may see has this address; says nothing about other tenants."""

    code = "not_found"
    title = "Nothing here"
    status = 404


class Conflict(TrophenixError):
    """The state found does not allow the change asked for."""

    code = "conflict"
    title = "This conflicts with what is stored"
    status = 409


class PreconditionFailed(TrophenixError):
    """The thing was changed by somebody else since it was read."""

    code = "version_mismatch"
    title = "It was changed in the meantime"
    status = 412


class TooLarge(TrophenixError):
    """The input is larger than what is accepted."""

    code = "too_large"
    title = "Too large"
    status = 413


class Unsupported(TrophenixError):
    """The input's format is not one that is read."""

    code = "unsupported_media_type"
    title = "This format is not read"
    status = 415


class Invalid(TrophenixError):
    """The input breaks the declared rules; ``problems`` holds every fault found."""

    code = "invalid_input"
    title = "Some values are not valid"
    status = 422


class LimitReached(TrophenixError):
    """The plan's quota for this is used up."""

    code = "limit_reached"
    title = "Your plan's limit is reached"
    status = 402


class RateLimited(TrophenixError):
    """Too many calls in the window; ``Retry-After`` is among the headers."""

    code = "rate_limited"
    title = "Too many calls"
    status = 429


class Unavailable(TrophenixError):
    """A part the answer needs does not respond; trying again later is right."""

    code = "unavailable"
    title = "Not available right now"
    status = 503


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem document, with this platform's extension members."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    next_step: str = ""
    errors: tuple[FieldProblem, ...] = ()
    instance: str = ""
    request_id: str = ""


def as_problem(error: TrophenixError, *, instance: str = "", request_id: str = "") -> Problem:
    """The error as a document any door can show.

    Source: RFC 9457.
    """
    return Problem(
        type=PROBLEM_BASE + error.reason,
        title=error.title,
        status=error.status,
        code=error.reason,
        detail=error.detail,
        next_step=error.next_step,
        errors=error.problems,
        instance=instance,
        request_id=request_id,
    )
