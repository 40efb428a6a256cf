"""Everything that can go wrong with a call, as exceptions a program can act on.

`TrophenixError` is the root. Below it, `ApiError` is what the platform answered,
`ConnectionFailed` means that no answer came, and the others are found before or after the call.
"""

from __future__ import annotations

import builtins
import copyreg
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

_FIELDS_SHOWN: Final = 5


class TrophenixError(Exception):
    """The root of every error this client raises by itself.

    Attributes:
        code: stable word to branch on; it does not change with the wording.
        message: what was found and what was expected.
        next_step: what the caller can do about it.
        request_id: the platform's name for the call, to quote to support; ``None`` when the
            call never reached it.
    """

    def __init__(
        self, message: str, *, code: str, next_step: str, request_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step
        self.request_id = request_id

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.message} Next step: {self.next_step}{request}"

    def __reduce__(self) -> tuple[Any, ...]:
        # The keyword-only constructor would stop an error on its way out of a process pool.
        return (copyreg.__newobj__, (type(self), *self.args), self.__dict__)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class ConfigurationProblem:
    """One thing that is wrong with how the client was set up."""

    code: str
    message: str


class ConfigurationError(TrophenixError, ValueError):
    """The client cannot be set up like this; ``problems`` holds every fault found."""

    def __init__(self, problems: tuple[ConfigurationProblem, ...]) -> None:
        super().__init__(
            "The Trophenix client is not set up: " + " ".join(each.message for each in problems),
            code=problems[0].code,
            next_step="correct the arguments or the TROPHENIX_* environment variables.",
        )
        self.problems = problems


class InvalidArgument(TrophenixError, ValueError):
    """A call was made in a way that can never succeed; nothing was sent."""

    def __init__(self, message: str, *, next_step: str) -> None:
        super().__init__(message, code="invalid_argument", next_step=next_step)


class ConnectionFailed(TrophenixError):
    """No answer came: the name did not resolve, the connection broke, or it was refused.

    Attributes:
        transient: whether trying the same again may help.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "connection_failed",
        next_step: str = "check the network and the base URL, then try again.",
        transient: bool = True,
    ) -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.transient = transient


class TimeoutError(ConnectionFailed, builtins.TimeoutError):  # noqa: A001 - it is one, too
    """No answer came in time; whether the platform did the work is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            code="timed_out",
            next_step=(
                "try again with the same idempotency key, or give the client a longer timeout."
            ),
        )


class UnexpectedResponse(TrophenixError):
    """Something answered, but not as this API does: often a proxy, or a wrong base URL."""

    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(
            message,
            code="unexpected_response",
            next_step="check that the base URL leads to Trophenix, and upgrade this client.",
            request_id=request_id,
        )
        self.status = status


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one place of what was sent.

    Attributes:
        pointer: JSON pointer into the input (RFC 6901), empty for the whole.
        code: stable word such as ``missing``.
        message: what was found and what was expected.
    """

    pointer: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What the platform said about a call it refused.

    Source: RFC 9457, with this platform's extension members.
    """

    status: int
    code: str | None = None
    title: str | None = None
    detail: str | None = None
    type: str | None = None
    next_step: str | None = None
    errors: tuple[FieldError, ...] = ()
    request_id: str | None = None
    retry_after: float | None = None


class ApiError(TrophenixError):
    """The platform refused the call or could not serve it.

    Attributes:
        status: the HTTP status.
        title: what kind of refusal it is, in a few words.
        detail: what was found and what was expected, this time.
        type: URI that names the kind of refusal, where the platform gives one.
        errors: the single faults of what was sent, all of them.
        retry_after: seconds to leave before trying again, where the platform says so.
    """

    advice: ClassVar[str] = "correct the call; trying the same again gives the same answer."

    def __init__(self, problem: Problem) -> None:
        title = problem.title or _phrase(problem.status)
        code = problem.code or f"http_{problem.status}"
        parts = [f"{problem.status} {code}: {_sentence(title)}"]
        if problem.detail and problem.detail != title:
            parts.append(_sentence(problem.detail))
        parts += [
            _sentence(f"{each.pointer or '(input)'}: {each.message}")
            for each in problem.errors[:_FIELDS_SHOWN]
        ]
        if len(problem.errors) > _FIELDS_SHOWN:
            parts.append(f"And {len(problem.errors) - _FIELDS_SHOWN} more, see .errors.")
        super().__init__(
            " ".join(parts),
            code=code,
            next_step=problem.next_step or self.advice,
            request_id=problem.request_id,
        )
        self.status = problem.status
        self.title = title
        self.detail = problem.detail or ""
        self.type = problem.type
        self.errors = problem.errors
        self.retry_after = problem.retry_after


class AuthenticationError(ApiError):
    """The API key is unknown, expired or revoked."""

    advice = "check the API key, or create a new one in the panel."


class PaymentRequired(ApiError):
    """The plan does not include this, or its quota is used up."""

    advice = "upgrade the tenant's plan or wait for the next period."


class PermissionDenied(ApiError):
    """The key is good and may not do this."""

    advice = "ask the tenant's administrator to give the key this permission."


class NotFound(ApiError):
    """Nothing the key may see has this address."""

    advice = "check the identifier and the tenant."


class Conflict(ApiError):
    """What is stored does not allow the change asked for."""

    advice = "read the current state and decide again."


class PreconditionFailed(ApiError):
    """Somebody else changed it since it was read, or the version was not given."""

    advice = "read it again and repeat the change with the new version."


class PayloadTooLarge(ApiError):
    """More was sent at once than is accepted."""

    advice = "send less at once; import many athletes from a file."


class ValidationFailed(ApiError):
    """What was sent breaks the declared rules; ``errors`` holds every fault found."""

    advice = "correct the values named in .errors."


class RateLimited(ApiError):
    """Too many calls; ``retry_after`` says how many seconds to leave."""

    advice = "wait for .retry_after seconds, then go on more slowly."


class ServerError(ApiError):
    """The platform failed; the call itself may be right."""

    advice = "try again later; when it persists, report the request id."


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: AuthenticationError,
    402: PaymentRequired,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: PayloadTooLarge,
    422: ValidationFailed,
    428: PreconditionFailed,
    429: RateLimited,
}


def api_error(problem: Problem) -> ApiError:
    """The exception for *problem*: by its status, `ApiError` itself when no other fits."""
    kind = ServerError if problem.status >= 500 else _BY_STATUS.get(problem.status, ApiError)
    return kind(problem)


class ImportFailed(TrophenixError):
    """The platform gave up an import; rows that were refused are no failure.

    Attributes:
        batch_id: names the import; its rows can still be read.
        status: the status it ended in.
    """

    def __init__(self, batch_id: str, status: str, detail: str | None) -> None:
        reason = f": {_sentence(detail)}" if detail else "."
        super().__init__(
            f"Import {batch_id} ended as {status!r}{reason}",
            code="import_failed",
            next_step=(
                "read client.athletes.imports.rows(batch_id), correct the file, import it again."
            ),
        )
        self.batch_id = batch_id
        self.status = status


class ImportUnfinished(TrophenixError):
    """The import goes on, but the caller did not want to wait longer.

    Attributes:
        batch_id: names the import.
        status: what it was doing when last seen.
    """

    def __init__(self, batch_id: str, status: str, waited_seconds: float) -> None:
        super().__init__(
            f"Import {batch_id} is still {status!r} after {waited_seconds:.0f} seconds.",
            code="import_unfinished",
            next_step="go on waiting with client.athletes.imports.wait(batch_id).",
        )
        self.batch_id = batch_id
        self.status = status


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Refused"
