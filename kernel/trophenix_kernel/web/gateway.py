"""The HTTP door of operations: from an ASGI request to the pipeline and back, as short as it can be.

It stands before the web framework because a framework's routing, dependency injection and response objects cost more than a whole indexed
read; everything that is not an operation goes on to Litestar. Decided in docs/adr/0006-operations-before-the-framework.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from trophenix_kernel.operations.binding import from_document, from_json, from_query
from trophenix_kernel.operations.call import Caller
from trophenix_kernel.operations.pipeline import Answer, Pipeline, Request
from trophenix_kernel.operations.registry import Bound, Registry
from trophenix_kernel.usage.meter import Meter
from trophenix_kernel.usage.quota import Standing, headers_of
from trophenix_kernel.web.forms import Form, read_form
from trophenix_kernel.web.recognition import Recognition, Seen
from trophenix_sdk.errors import (
    Invalid,
    NotFound,
    PermissionDenied,
    PreconditionFailed,
    TooLarge,
    TrophenixError,
    Unsupported,
    as_problem,
)
from trophenix_sdk.files import Download

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX: Final = "/api/v1"
GENERIC: Final = "/operations/"
COMPRESS_FROM_BYTES: Final = 1_400
MAX_VERSION: Final = (1 << 31) - 1
_log: Final = logging.getLogger("trophenix.web")
_encode: Final = msgspec.json.Encoder().encode
_JSON: Final = (b"content-type", b"application/json")
_COMMON: Final = (
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"Authorization, X-Tenant-ID, Cookie, Accept-Encoding, Accept-Language"),
    (b"x-content-type-options", b"nosniff"),
)


class MethodNotAllowed(TrophenixError):
    """The path exists and answers other methods; they are in ``Allow``."""

    code = "method_not_allowed"
    title = "This method is not answered here"
    status = 405


class Gateway:
    """The outermost ASGI application.

    Args:
        registry, pipeline: the operations.
        recognition: who calls and for which tenant.
        meter: what is counted.
        otherwise: the application for every other path.
    """

    def __init__(
        self,
        registry: Registry,
        pipeline: Pipeline,
        recognition: Recognition,
        meter: Meter,
        otherwise: Application,
    ) -> None:
        self._registry = registry
        self._pipeline = pipeline
        self._recognition = recognition
        self._meter = meter
        self._otherwise = otherwise
        # Drawn once and counted: no two processes share the first half, and a request costs no randomness.
        process = secrets.token_hex(8)
        self._ids = (f"{process}{number:016x}" for number in itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        path: str = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(PREFIX + "/"):
            await self._answer(scope, receive, send, path[len(PREFIX) :])
        else:
            await self._otherwise(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        started = time.perf_counter_ns()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = _given_id(headers) or next(self._ids)
        call = _HttpCall(scope, headers, receive, request_id)
        try:
            await self._run(call, path)
        except TrophenixError as error:
            call.fail(error)
        except asyncio.CancelledError:
            call.close()
            raise
        except Exception:  # noqa: BLE001 - logged; the caller gets a refusal that says nothing of the inside
            _log.exception("request %s failed: %s %s", request_id, scope["method"], path)
            call.fail(_INTERNAL)
        try:
            await call.send(send)
        finally:
            call.close()
            entry = call.caller.entry if call.caller else None
            if (
                entry is not None
                and call.bound is not None
                and call.caller
                and call.caller.rights.role
                # A module that is off is not used by being asked, and one that was uninstalled leaves no trace.
                and call.caller.has(call.bound.plugin_id)
            ):
                self._meter.record(
                    entry.record.id,
                    entry.record.cluster,
                    call.bound.name,
                    call.status,
                    (time.perf_counter_ns() - started) // 1000,
                    self._pipeline.clock.now().date(),
                )

    async def _run(self, call: _HttpCall, path: str) -> None:
        tenant_word = ""
        if path.startswith("/tenants/"):
            word, _, rest = path[9:].partition("/")
            tenant_word, path = word, ("/" + rest if rest else "/tenant")
        method = call.method
        if path.startswith(GENERIC):
            bound, fields = self._registry.find(path[len(GENERIC) :]), {}
            allowed = frozenset({"POST"}) if bound is not None else frozenset[str]()
            if method != "POST":
                bound = None
        else:
            bound, fields, allowed = self._registry.route(
                "GET" if method == "HEAD" else method, path
            )
        call.bound = bound
        seen = Seen.of(call.scope, call.headers, tenant_word)
        call.caller = caller = await self._recognition.caller(
            seen, door="http", request_id=call.request_id
        )
        call.standing = await self._recognition.count(
            caller, bound.operation.rate_class if bound else "api"
        )
        if bound is None:
            raise _no_route(method, path, allowed)
        if seen.from_cookie and method not in ("GET", "HEAD"):
            check_same_origin(call.headers)
        answer = await self._pipeline.run(bound, caller, call.request(fields, path))
        call.succeed(bound, answer)


class _HttpCall:
    """One request and the response it will get."""

    __slots__ = (
        "bound",
        "caller",
        "download",
        "extra",
        "form",
        "headers",
        "method",
        "payload",
        "receive",
        "request_id",
        "scope",
        "standing",
        "status",
    )

    def __init__(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, request_id: str
    ) -> None:
        self.scope = scope
        self.headers = headers
        self.receive = receive
        self.method: str = scope["method"]
        self.request_id = request_id
        self.bound: Bound | None = None
        self.caller: Caller | None = None
        self.form: Form | None = None
        self.download: Download | None = None
        self.status = 500
        self.payload = b""
        self.extra: list[tuple[bytes, bytes]] = []
        self.standing: Standing | None = None

    def request(self, fields: Mapping[str, str], path: str) -> Request:
        """What the pipeline is asked."""
        bound = self.bound
        assert bound is not None  # noqa: S101 - set before
        if bound.reads and self.method in ("GET", "HEAD"):
            return Request(
                read_input=lambda: from_query(bound.operation.input_type, self.query(), fields)
            )
        key = self.headers.get(b"idempotency-key", b"").decode("latin-1")
        if len(key) > 255:
            raise Invalid(
                "The Idempotency-Key is longer than 255 characters.",
                code="idempotency_key_too_long",
            )
        # The body is read only after the decision, and the key is claimed after that: by then the digest holds both.
        digest = hashlib.sha256(
            f"{self.method} {path}?".encode() + self.scope.get("query_string", b"")
        )
        return Request(
            read_input=lambda: self._read_input(fields, digest.update),
            idempotency_key=key,
            fingerprint=digest.digest,
            expected_version=self._expected_version(),
        )

    def query(self) -> list[tuple[str, str]]:
        """The query string's pairs."""
        raw: bytes = self.scope.get("query_string", b"")
        return parse_qsl(raw.decode("latin-1"), keep_blank_values=True) if raw else []

    def _expected_version(self) -> int | None:
        raw = self.headers.get(b"if-match")
        if raw is None:
            return None
        text = raw.decode("latin-1").strip().removeprefix("W/").strip('"')
        if not (text.isascii() and text.isdigit()) or int(text) > MAX_VERSION:
            raise PreconditionFailed(
                f"If-Match holds {text!r}; expected the version from the ETag."
            )
        return int(text)

    async def _read_input(self, fields: Mapping[str, str], bind: Callable[[bytes], object]) -> Any:
        bound = self.bound
        assert bound is not None  # noqa: S101
        kind = bound.operation.input_type
        content_type = self.headers.get(b"content-type", b"").decode("latin-1")
        if content_type.startswith("multipart/"):
            return await self._read_form(kind, fields, content_type, bind)
        body = await self.body(bound.operation.max_body_bytes)
        bind(body)
        if not body and self.method == "DELETE":
            return from_query(kind, self.query(), fields)
        if (
            content_type
            and body
            and not content_type.startswith(("application/json", "application/problem+json"))
        ):
            raise Unsupported(
                f"The body is {content_type.partition(';')[0]}; expected application/json"
                f"{' or multipart/form-data' if bound.fields.uploads else ''}."
            )
        return from_json(kind, body, fields)

    async def _read_form(
        self,
        kind: type[msgspec.Struct],
        fields: Mapping[str, str],
        content_type: str,
        bind: Callable[[bytes], object],
    ) -> Any:
        bound = self.bound
        assert bound is not None  # noqa: S101
        if not bound.fields.uploads:
            raise Unsupported(
                "This operation takes JSON, not a form.", next_step="Send application/json."
            )
        self.form = form = await read_form(
            content_type, self.chunks(), max_bytes=bound.operation.max_body_bytes
        )
        # A file is told apart by name and size: reading it again to digest it would cost more than it protects.
        bind(
            msgspec.json.encode(
                [form.texts, [(n, f.file_name, f.size_bytes) for n, f in form.files.items()]]
            )
        )
        document: dict[str, Any] = {**dict(form.texts), **fields}
        for name in [name for name, value in document.items() if value == ""]:
            del document[name]
        return from_document(kind, {**document, **form.files}, strict=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise _incomplete()
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def body(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it is larger than *limit* bytes.
        """
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise _incomplete()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            parts = [body]
            size = len(body)
            async for chunk in self.chunks():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                parts.append(chunk)
            body = b"".join(parts)
        if len(body) > limit:
            raise _too_large(limit)
        return body

    def succeed(self, bound: Bound, answer: Answer) -> None:
        """Prepare the response of a success."""
        self.status = answer.status
        if isinstance(answer.value, Download):
            self.download = answer.value
            return
        self.payload = answer.body
        if answer.replayed:
            self.extra.append((b"idempotency-replayed", b"true"))
        if answer.status == 200 and bound.versioned and answer.value is not None:
            self._tag(f'"{answer.value.version}"'.encode())
        elif bound.reads and answer.status == 200:
            # Processors have instructions for this one: half the time of the others.
            self._tag(f'W/"{hashlib.sha256(answer.body).hexdigest()[:24]}"'.encode())

    def _tag(self, tag: bytes) -> None:
        self.extra.append((b"etag", tag))
        wanted = self.headers.get(b"if-none-match")
        if wanted and self.method in ("GET", "HEAD"):
            tags = {word.strip().removeprefix(b"W/") for word in wanted.split(b",")}
            if tag.removeprefix(b"W/") in tags or b"*" in tags:
                self.status, self.payload = 304, b""

    def fail(self, error: TrophenixError) -> None:
        """Prepare the response of a refusal."""
        problem = as_problem(error, instance=self.scope.get("path", ""), request_id=self.request_id)
        self.status = error.status
        self.payload = _encode(problem)
        self.download = None
        self.extra = [(name.lower().encode(), value.encode()) for name, value in error.headers]
        if error.status == 401:
            self.extra.append((b"www-authenticate", b'Bearer realm="trophenix"'))

    async def send(self, send: Send) -> None:
        """Send the response."""
        headers: list[tuple[bytes, bytes]] = [
            *_COMMON,
            *self.extra,
            (b"x-request-id", self.request_id.encode()),
        ]
        if self.standing is not None and self.status != 429:
            headers += headers_of(self.standing)
        if self.download is not None:
            await self._send_file(send, headers, self.download)
            return
        payload = self.payload
        if payload:
            headers.append(
                _JSON if self.status < 400 else (b"content-type", b"application/problem+json")
            )
            if len(payload) >= COMPRESS_FROM_BYTES and b"gzip" in self.headers.get(
                b"accept-encoding", b""
            ):
                packer = zlib.compressobj(4, zlib.DEFLATED, 31)
                payload = packer.compress(payload) + packer.flush()
                headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(payload)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if self.method == "HEAD" else payload}
        )

    async def _send_file(
        self, send: Send, headers: list[tuple[bytes, bytes]], file: Download
    ) -> None:
        name = file.file_name.encode("ascii", "replace").decode().replace('"', "'")
        headers += [
            (b"content-type", file.content_type.encode()),
            (b"content-disposition", f'attachment; filename="{name}"'.encode()),
            (b"content-length", str(file.path.stat().st_size).encode()),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        with file.path.open("rb") as stream:
            while chunk := stream.read(1 << 18):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        """Remove the temporary files."""
        if self.form is not None:
            self.form.close()
        if self.download is not None:
            self.download.path.unlink(missing_ok=True)


def _given_id(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id")
    if given and 8 <= len(given) <= 64 and given.replace(b"-", b"").isalnum():
        return given.decode()
    return ""


def _no_route(method: str, path: str, allowed: frozenset[str]) -> TrophenixError:
    if allowed:
        methods = ", ".join(sorted(allowed))
        return MethodNotAllowed(
            f"{path} answers {methods}, not {method}.", headers=(("Allow", methods),)
        )
    return NotFound(
        f"There is no {path} in the API.", next_step="See /api/docs.", code="route_unknown"
    )


def _incomplete() -> Invalid:
    return Invalid("The connection ended before the body did.", code="body_incomplete")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than the {limit:,} bytes this operation reads.",
        next_step="Send less at once, or upload a file.",
    )


def check_same_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a browser's cross-site request that carries the session cookie.

    Source: OWASP CSRF cheat sheet, "verifying origin"; Fetch Metadata.
    """
    site = headers.get(b"sec-fetch-site")
    if site in (b"same-origin", b"none"):
        return
    origin = headers.get(b"origin", b"").decode("latin-1").partition("://")[2]
    if origin and origin == headers.get(b"host", b"").decode("latin-1"):
        return
    raise PermissionDenied("This request came from another site.", code="cross_site_request")


_INTERNAL: Final = TrophenixError(
    "Something failed on our side; nothing was changed.",
    next_step="Try again; tell support the request_id if it stays.",
)
