"""The conversation with the platform, without any input or output.

A use case is a *plan*: a generator that yields steps (send this, wait so long, tell the caller)
and is given the answers. The two clients differ only in how they carry out the steps, so paging,
retrying, polling and errors are written once and behave alike in both.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Final, TypeAlias, TypeVar, cast
from urllib.parse import quote
from uuid import uuid4

import msgspec

from trophenix.errors import (
    ApiError,
    ConnectionFailed,
    FieldError,
    InvalidArgument,
    Problem,
    TrophenixError,
    UnexpectedResponse,
    api_error,
)
from trophenix.keys import ApiKey
from trophenix.retry import RetryPolicy, may_retry, retry_after

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
QueryValue: TypeAlias = str | int | float | bool | None

API: Final = "/api/v1"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_EXCERPT: Final = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and the form fields that go with it, sent as multipart without being read whole.

    Attributes:
        boundary: chosen once, so that a retry sends the same bytes; platforms compare them under
            one idempotency key.
        replayable: whether the file can be read again from its beginning.
    """

    file: BinaryIO
    filename: str
    content_type: str
    fields: tuple[tuple[str, str], ...]
    replayable: bool
    boundary: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class Request:
    """One call: *path* starts with ``/`` and is taken from the base URL."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    upload: Upload | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; the header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def request_id(self) -> str | None:
        """The platform's name for the call, to quote to support."""
        return self.headers.get("x-request-id")

    def json(self) -> JsonValue:
        """The body, decoded; ``None`` when it is empty.

        Raises:
            UnexpectedResponse: the body is not JSON.
        """
        if not self.body:
            return None
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            # The body is not quoted: what is no platform may have echoed the request's headers.
            kind = self.headers.get("content-type", "no content type")
            raise UnexpectedResponse(
                f"The answer should be JSON and is {len(self.body)} bytes of {kind}.",
                status=self.status,
                request_id=self.request_id,
            ) from None


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send the request and give back the response, or throw `ConnectionFailed` in."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """Step: let this much time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Step: call the caller's function with a percentage."""

    listener: Callable[[int], object]
    percent: int


Step: TypeAlias = Send | Wait | Tell
Plan: TypeAlias = Generator[Step, Response | None, T]


@dataclass(frozen=True, slots=True)
class Exchange:
    """The rules every call of one client follows: its headers, its retries, its errors."""

    key: ApiKey
    policy: RetryPolicy
    random: Callable[[], float]
    headers: tuple[tuple[str, str], ...]

    def perform(self, request: Request, *, idempotency_key: str | None = None) -> Plan[Response]:
        """The platform's answer to *request*, after as many tries as the policy allows.

        An unsafe call gets one idempotency key for all its tries, and only therefore may be
        tried again: the platform does the work once.

        Raises:
            ApiError: the platform refused.
            ConnectionFailed: no answer came.
            UnexpectedResponse: it was redirected; the key is not sent where it was not meant to go.
        """
        headers = self.headers + request.headers
        if request.method not in SAFE_METHODS:
            headers += (("Idempotency-Key", idempotency_key or str(uuid4())),)
        prepared = replace(request, headers=headers)
        repeatable = request.upload is None or request.upload.replayable
        tries = 0
        while True:
            failure: TrophenixError
            pause: float | None = None
            try:
                response = cast("Response", (yield Send(prepared)))
            except ConnectionFailed as lost:
                failure, again, after = lost, lost.transient, None
            else:
                if 200 <= response.status < 300:
                    return response
                failure = self._refusal(request, response)
                again = may_retry(response.status, response.headers)
                after = retry_after(response.headers)
            if again and repeatable:
                pause = self.policy.pause(tries, after, self.random())
            tries += 1
            if pause is None:
                if tries > 1:
                    failure.add_note(f"Tried {tries} times.")
                raise failure
            yield Wait(pause)

    def _refusal(self, request: Request, response: Response) -> ApiError | UnexpectedResponse:
        if response.status < 400:
            return UnexpectedResponse(
                f"{request.method} {request.path} was answered with status {response.status}, "
                "and redirects are not followed.",
                status=response.status,
                request_id=response.request_id,
            )
        return api_error(read_problem(response, self.key))


def read_problem(response: Response, key: ApiKey) -> Problem:
    """What *response* says about the refusal, however little that is, without the *key*."""
    text = key.redact(response.body.decode("utf-8", "replace"))
    after = retry_after(response.headers)
    try:
        document: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        document = None
    if not isinstance(document, dict):
        html = "html" in response.headers.get("content-type", "")
        detail = None if html else text[:_EXCERPT].strip() or None
        return Problem(
            response.status, detail=detail, request_id=response.request_id, retry_after=after
        )
    members = cast("dict[str, object]", document)

    def word(name: str) -> str | None:
        value = members.get(name)
        return value if isinstance(value, str) and value else None

    return Problem(
        response.status,
        code=word("code"),
        title=word("title"),
        detail=word("detail"),
        type=word("type"),
        next_step=word("next_step"),
        errors=_field_errors(members.get("errors")),
        request_id=word("request_id") or response.request_id,
        retry_after=after,
    )


def _field_errors(value: object) -> tuple[FieldError, ...]:
    if not isinstance(value, list):
        return ()
    found: list[FieldError] = []
    for item in cast("list[object]", value):
        if isinstance(item, dict):
            entry = cast("dict[str, object]", item)
            pointer, code, message = (
                str(entry.get(name, "")) for name in ("pointer", "code", "message")
            )
            found.append(FieldError(pointer, code, message or code))
    return tuple(found)


def json_request(
    method: str,
    path: str,
    payload: object,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    query: tuple[tuple[str, str], ...] = (),
) -> Request:
    """A request whose body is *payload* as JSON.

    Raises:
        InvalidArgument: *payload* holds something that JSON cannot say.
    """
    headers = (*headers, ("Content-Type", "application/json"))
    return Request(method, path, query, headers, body=to_json(payload))


def to_json(payload: object) -> bytes:
    """*payload* as JSON; dates become ISO 8601.

    Raises:
        InvalidArgument: it holds something that JSON cannot say.
    """
    try:
        return msgspec.json.encode(payload)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidArgument(
            f"The input cannot be written as JSON: {error}.",
            next_step="give text, numbers, dates, lists and dictionaries with text keys.",
        ) from error


def query(**values: QueryValue) -> tuple[tuple[str, str], ...]:
    """The query parameters that were given; ``None`` means not given."""
    return tuple((name, _plain(value)) for name, value in values.items() if value is not None)


def _plain(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def segment(value: str, what: str) -> str:
    """*value* as one segment of a path.

    Raises:
        InvalidArgument: it is empty or would climb in the path.
    """
    if value in {"", ".", ".."}:
        raise InvalidArgument(
            f"{value!r} is no {what}.", next_step=f"give the {what} the platform gave you."
        )
    return quote(value, safe="")


def if_match(version: int | None) -> tuple[tuple[str, str], ...]:
    """The header that lets a change through only while *version* is the current one."""
    return () if version is None else (("If-Match", f'"{version}"'),)
