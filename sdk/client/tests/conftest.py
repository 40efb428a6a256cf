"""A small real platform on a loopback port, and both clients behind one face.

The platform keeps the contract of the routes it has: authentication, problems, cursors, versions,
idempotency keys, multipart uploads. Faults are ordered in advance, so no test waits for chance.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import inspect
import io
import json
import mmap
import tempfile
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from trophenix import AsyncTrophenixClient, TrophenixClient
from trophenix.keys import assemble

T = TypeVar("T")

TENANT = "olympic-france"
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """Fault: this answer instead of the real one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    document: object = None
    raw: bytes | None = None


@dataclass(frozen=True)
class Drop:
    """Fault: the connection is cut, before or after the work is done."""

    after_work: bool = False


class Stall:
    """Fault: no answer until the platform closes."""


@dataclass
class Received:
    """A call as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    length: int
    document: Any = None
    fields: dict[str, str] = field(default_factory=dict[str, str])
    filename: str = ""
    file_size: int = 0


class Platform:
    """What the tests arrange and look at; the server thread does the rest."""

    def __init__(self) -> None:
        self.key = assemble("production", "0123456789abcdefghijABCDEFGHIJ00")
        self.athletes: dict[str, dict[str, Any]] = {}
        self.imports: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.progress: list[float] = [10, 10, 55, 40, 99.6]
        self.final_status = ""
        self.parses = True
        self.received: list[Received] = []
        self.faults: deque[Reply | Drop | Stall] = deque()
        self.replies: dict[str, tuple[str, int, object]] = {}
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, **fields: object) -> dict[str, Any]:
        number = len(self.athletes) + 1
        athlete: dict[str, Any] = {
            "id": f"athlete-{number}",
            "name": f"Athlete {number}",
            "sport": "tennis",
            "nationality": "FR",
            "ranking": number,
            "version": 1,
            **fields,
        }
        self.athletes[athlete["id"]] = athlete
        return athlete

    def answer(self, call: Received, content: bytes) -> tuple[int, object]:
        """The status and document that the contract promises for *call*."""
        if call.headers.get("authorization") != f"Bearer {self.key}":
            echoed = call.headers.get("authorization", "")
            return problem(401, "unauthenticated", f"{echoed} is not known here.")
        if call.headers.get("x-tenant-id") != TENANT:
            return problem(403, "permission_denied", "The key belongs to another tenant.")
        if call.method in {"GET", "HEAD"}:
            return self._route(call, content)
        key = call.headers.get("idempotency-key")
        if not key:
            return problem(400, "idempotency_key_missing", "An unsafe call needs one.")
        kind = call.headers.get("content-type", "")
        told = f"{call.method} {call.path} {kind}".encode()
        print_ = hashlib.sha256(told + content).hexdigest()
        if key in self.replies:
            known, status, document = self.replies[key]
            if known != print_:
                return problem(422, "idempotency_key_reused", "Another body had this key.")
            return status, document
        status, document = self._route(call, content)
        if status < 500:
            self.replies[key] = (print_, status, document)
        return status, document

    def _route(self, call: Received, content: bytes) -> tuple[int, object]:
        parts = [unquote(part) for part in call.path.removeprefix("/api/v1/").split("/")]
        match (call.method, parts):
            case ("GET", ["athletes"]):
                return self._search(call)
            case ("POST", ["athletes"]):
                if not call.document.get("last_name"):
                    return problem(
                        422,
                        "invalid_input",
                        "One value is missing.",
                        errors=[
                            {"pointer": "/last_name", "code": "missing", "message": "is missing"}
                        ],
                    )
                return 201, self.add(**call.document)
            case ("POST", ["athletes", "bulk-import"]):
                rows = call.document["athletes"]
                for row in rows:
                    self.add(**row)
                return 200, {
                    "status": "success",
                    "imported": len(rows),
                    "errors": 0,
                    "duration_ms": 12,
                    "batch_id": "batch-now",
                }
            case ("POST", ["athletes", "imports"]):
                return self._start(call, content)
            case ("GET", ["athletes", "imports", batch]):
                return self._advance(batch)
            case ("GET", ["athletes", "imports", batch, "rows"]):
                rows = [r for r in self.rows[batch] if r["status"] == call.query.get("status")]
                return 200, page(rows, call, size=2)
            case ("POST", ["athletes", "imports", batch, ("apply" | "revert") as action]):
                state = self.imports[batch]
                state["status"] = "running"
                state["then"] = "applied" if action == "apply" else "reverted"
                return 202, state
            case (_, ["athletes", athlete_id]):
                return self._one(call, athlete_id)
            case ("GET", ["tenants", slug, "stats"]):
                return 200, {"tenant": slug, "athletes": len(self.athletes)}
            case ("POST", ["operations", name]):
                return 200, {"operation": name, "input": call.document}
            case _:
                return problem(404, "not_found", f"No route {call.method} {call.path}.")

    def _one(self, call: Received, athlete_id: str) -> tuple[int, object]:
        athlete = self.athletes.get(athlete_id)
        if athlete is None:
            return problem(404, "not_found", f"No athlete {athlete_id!r}.")
        wanted = call.headers.get("if-match")
        if wanted is not None and wanted != f'"{athlete["version"]}"':
            return problem(412, "version_mismatch", f"It is at version {athlete['version']}.")
        if call.method == "PATCH":
            athlete.update(call.document, version=athlete["version"] + 1)
        if call.method == "DELETE":
            del self.athletes[athlete_id]
            return 204, None
        return 200, dict(athlete)

    def _search(self, call: Received) -> tuple[int, object]:
        asked = call.query
        found = [
            athlete
            for athlete in self.athletes.values()
            if asked.get("q", "").lower() in athlete["name"].lower()
            and asked.get("sport") in {None, athlete["sport"]}
            and asked.get("country") in {None, athlete["nationality"]}
            and int(asked.get("ranking_min", 0)) <= athlete["ranking"]
            and athlete["ranking"] <= int(asked.get("ranking_max", 10**9))
        ]
        return 200, page(found, call, size=20)

    def _start(self, call: Received, content: bytes) -> tuple[int, object]:
        batch = f"batch-{len(self.imports) + 1}"
        rows = list(csv.DictReader(io.StringIO(content.decode()))) if self.parses else []
        bad = [
            {
                "line": line,
                "column": "last_name",
                "code": "missing",
                "message": "The last name is missing.",
                "value": "",
                "status": "rejected",
            }
            for line, row in enumerate(rows, start=2)
            if not row["last_name"]
        ]
        self.rows[batch] = bad
        then = "previewed" if call.fields["mode"] == "preview" else "applied"
        if bad and then == "applied":
            then = "applied_with_errors"
        if then != "previewed":
            for row in rows:
                if row["last_name"]:
                    self.add(name=f"{row['first_name']} {row['last_name']}")
        self.imports[batch] = {
            "batch_id": batch,
            "status": "running",
            "progress": 0,
            "total": None,
            "then": self.final_status or then,
            "counted": len(rows),
            "bad": len(bad),
            "step": 0,
        }
        return 202, self.imports[batch]

    def _advance(self, batch: str) -> tuple[int, object]:
        state = self.imports.get(batch)
        if state is None:
            return problem(404, "not_found", f"No import {batch!r}.")
        step = state["step"]
        state["step"] += 1
        if step < len(self.progress):
            state["progress"] = self.progress[step]
            return 200, dict(state)
        state.update(
            status=state["then"],
            progress=100,
            total=state["counted"],
            imported=state["counted"] - state["bad"],
            rejected=state["bad"],
            errors=state["bad"],
            duplicates_proposed=0,
            duration_ms=12,
        )
        return 200, dict(state)


def problem(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> tuple[int, object]:
    """A problem document as the platform writes it."""
    return status, {
        "type": f"https://trophenix.dev/problems/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": errors or [],
        "request_id": "request-7",
        "next_step": f"Do what {code} asks for.",
    }


def page(rows: list[dict[str, Any]], call: Received, *, size: int) -> dict[str, Any]:
    """One page of *rows*, with cursors that are opaque to the client."""
    begin = int(call.query.get("cursor", "after-0").removeprefix("after-"))
    end = begin + int(call.query.get("limit", size))
    return {
        "data": rows[begin:end],
        "next_cursor": f"after-{end}" if end < len(rows) else None,
        "total": len(rows) if call.query.get("count") == "true" else None,
    }


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            with tempfile.TemporaryFile() as spool:
                length = self._receive(cast("BinaryIO", spool))
                call = Received(self.command, parts.path, query, headers, length)
                content = self._understand(call, cast("BinaryIO", spool))
            with platform.lock:
                platform.received.append(call)
                fault = platform.faults.popleft() if platform.faults else None
                if isinstance(fault, Stall):
                    platform.lock.release()
                    platform.closing.wait()
                    platform.lock.acquire()
                if isinstance(fault, Drop) and fault.after_work:
                    platform.answer(call, content)
                if isinstance(fault, (Drop, Stall)):
                    self.close_connection = True
                    return
                if isinstance(fault, Reply):
                    body = json.dumps(fault.document).encode() if fault.raw is None else fault.raw
                    self._reply(fault.status, body, fault.headers)
                    return
                status, document = platform.answer(call, content)
                self._reply(status, b"" if status == 204 else json.dumps(document).encode(), {})

        def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            kind = "application/problem+json" if status >= 400 else "application/json"
            for name, value in {"Content-Type": kind, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _receive(self, spool: BinaryIO) -> int:
            left = int(self.headers.get("Content-Length", 0))
            total = 0
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline(), 16):
                    spool.write(self.rfile.read(size))
                    self.rfile.readline()
                    total += size
                self.rfile.readline()
                return total
            while left and (piece := self.rfile.read(min(CHUNK, left))):
                spool.write(piece)
                left -= len(piece)
                total += len(piece)
            return total

        def _understand(self, call: Received, spool: BinaryIO) -> bytes:
            """The file's content for uploads (unless only counted), else the body."""
            if not call.length:
                return b""
            spool.flush()
            kind = call.headers.get("content-type", "")
            with mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ) as body:
                if kind.startswith("application/json"):
                    call.document = json.loads(body[:])
                    return body[:]
                boundary = b"--" + kind.partition("boundary=")[2].encode()
                content = b""
                start = body.find(boundary) + len(boundary) + 2
                while (end := body.find(b"\r\n" + boundary, start)) >= 0:
                    split = body.find(b"\r\n\r\n", start)
                    head = body[start:split].decode()
                    name = head.partition('name="')[2].partition('"')[0]
                    if 'filename="' in head:
                        call.filename = head.partition('filename="')[2].partition('"')[0]
                        call.file_size = end - split - 4
                        content = body[split + 4 : end] if platform.parses else b""
                    else:
                        call.fields[name] = body[split + 4 : end].decode()
                    start = end + len(boundary) + 4
                return content

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            """Say nothing: the tests read `Platform.received`."""

    return Handler


class Surface:
    """Either client, used through one face: what is awaited in one is plain in the other.

    Tests are written, and type-checked, against the blocking client.
    """

    def __init__(self, name: str, platform: Platform) -> None:
        self.name = name
        self.waits: list[float] = []
        self.draw = 0.5
        self._platform = platform
        self._runner = asyncio.Runner()
        self._clients: list[TrophenixClient | AsyncTrophenixClient] = []

    def client(self, **settings: Any) -> TrophenixClient:
        """A client for the platform that does not really sleep, closed after the test."""
        settings = {
            "api_key": self._platform.key,
            "tenant": TENANT,
            "base_url": self._platform.base_url,
            "random": lambda: self.draw,
            **settings,
        }
        client: TrophenixClient | AsyncTrophenixClient
        if self.name == "sync":
            client = TrophenixClient(sleep=self.waits.append, **settings)
        else:
            client = AsyncTrophenixClient(sleep=self._note, **settings)
        self._clients.append(client)
        return cast("TrophenixClient", client)

    def call(self, use: Callable[[TrophenixClient], T], **settings: Any) -> T:
        """What *use* returns for a new client with *settings*."""
        return self.settle(use(self.client(**settings)))

    def settle(self, value: T) -> T:
        """*value*, awaited where it has to be."""
        return cast("T", self._runner.run(_awaited(value))) if inspect.isawaitable(value) else value

    def items(self, several: Iterator[T]) -> list[T]:
        """Everything *several* yields."""
        if isinstance(several, AsyncIterator):
            return self._runner.run(_collected(cast("AsyncIterator[T]", several)))
        return list(several)

    def close(self) -> None:
        for client in self._clients:
            self.settle(client.close())
        self._runner.close()

    async def _note(self, seconds: float) -> None:
        self.waits.append(seconds)


async def _awaited(value: Awaitable[T]) -> T:
    return await value


async def _collected(several: AsyncIterator[T]) -> list[T]:
    return [item async for item in several]


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    yield made
    made.close()


@pytest.fixture(params=["sync", "async"])
def surface(request: pytest.FixtureRequest, platform: Platform) -> Iterator[Surface]:
    made = Surface(request.param, platform)
    yield made
    made.close()


@pytest.fixture
def faults() -> type[FaultKinds]:
    return FaultKinds


class FaultKinds:
    """The faults, for tests, which cannot import from here."""

    Reply = Reply
    Drop = Drop
    Stall = Stall
