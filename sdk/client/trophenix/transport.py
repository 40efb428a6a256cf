"""The two ways to carry out a plan: blocking, and with asyncio; nothing else differs."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypedDict, TypeVar

import httpx

from trophenix.errors import ConnectionFailed, TimeoutError  # noqa: A004 - it is one, too
from trophenix.exchange import Plan, Request, Response, Send, Step, Tell, Wait
from trophenix.keys import ApiKey

T = TypeVar("T")


class BearerKey(httpx.Auth):
    """Puts the key on each request as it leaves; until then no request object holds it."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Put the key on the request; nothing else ever sees it."""
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        yield request


class _Outgoing(TypedDict, total=False):
    content: bytes
    data: dict[str, Any]
    files: dict[str, Any]


class _Wire:
    """What both ways share: requests and answers in the words of the HTTP library."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self._base_url = base_url
        self._key = key

    def _url(self, request: Request) -> httpx.URL:
        url = httpx.URL(self._base_url + request.path)
        for name, value in request.query:
            url = url.copy_add_param(name, value)
        return url

    def _headers(self, request: Request) -> list[tuple[str, str]]:
        headers = list(request.headers)
        if request.upload is not None:
            kind = f"multipart/form-data; boundary={request.upload.boundary}"
            headers.append(("Content-Type", kind))
        return headers

    def _content(self, request: Request) -> _Outgoing:
        if (upload := request.upload) is not None:
            file = (upload.filename, upload.file, upload.content_type)
            return _Outgoing(data=dict(upload.fields), files={"file": file})
        return _Outgoing() if request.body is None else _Outgoing(content=request.body)

    def _answer(self, response: httpx.Response) -> Response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status_code, headers, response.content)

    def _lost(self, request: Request, error: httpx.RequestError) -> ConnectionFailed:
        """Our error for the library's, which is not chained.

        The frames of the library's traceback hold the headers as they were sent, and error
        reporters print the variables of frames; its text says all that a caller can use.
        """
        place = f"{request.method} {self._base_url}{request.path}"
        reason = self._key.redact(str(error)) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            return TimeoutError(f"{place} got no answer in time ({type(error).__name__}).")
        lasting = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.DecodingError)
        return ConnectionFailed(
            f"{place} got no answer: {reason}.", transient=not isinstance(error, lasting)
        )


class Connection(_Wire):
    """Carries out plans in the calling thread; may be shared between threads."""

    def __init__(
        self, base_url: str, key: ApiKey, http: httpx.Client, sleep: Callable[[float], object]
    ) -> None:
        super().__init__(base_url, key)
        self._http = http
        self._sleep = sleep

    def run(self, plan: Plan[T]) -> T:
        """What *plan* returns, all its steps done."""
        try:
            step = next(plan)
            while True:
                try:
                    reply = self._do(step)
                except BaseException as error:  # noqa: BLE001 - the plan decides, and cleans up
                    step = plan.throw(error)
                else:
                    step = plan.send(reply)
        except StopIteration as done:
            return done.value

    def close(self) -> None:
        """The connections are closed."""
        self._http.close()

    def _do(self, step: Step) -> Response | None:
        match step:
            case Send(request):
                return self._send(request)
            case Wait(seconds):
                self._sleep(seconds)
            case Tell(listener, percent):
                listener(percent)
        return None

    def _send(self, request: Request) -> Response:
        try:
            outgoing = self._http.build_request(
                request.method,
                self._url(request),
                headers=self._headers(request),
                **self._content(request),
            )
            return self._answer(self._http.send(outgoing))
        except httpx.RequestError as error:
            lost = self._lost(request, error)
        raise lost


class AsyncConnection(_Wire):
    """Carries out plans in the running asyncio loop."""

    def __init__(
        self,
        base_url: str,
        key: ApiKey,
        http: httpx.AsyncClient,
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        super().__init__(base_url, key)
        self._http = http
        self._sleep = sleep

    async def run(self, plan: Plan[T]) -> T:
        """What *plan* returns, all its steps done."""
        try:
            step = next(plan)
            while True:
                try:
                    reply = await self._do(step)
                except BaseException as error:  # noqa: BLE001 - the plan decides, and cleans up
                    step = plan.throw(error)
                else:
                    step = plan.send(reply)
        except StopIteration as done:
            return done.value

    async def close(self) -> None:
        """The connections are closed."""
        await self._http.aclose()

    async def _do(self, step: Step) -> Response | None:
        match step:
            case Send(request):
                return await self._send(request)
            case Wait(seconds):
                await self._sleep(seconds)
            case Tell(listener, percent):
                told = listener(percent)
                if inspect.isawaitable(told):
                    await told
        return None

    async def _send(self, request: Request) -> Response:
        try:
            outgoing = self._http.build_request(
                request.method,
                self._url(request),
                headers=self._headers(request),
                **self._content(request),
            )
            return self._answer(await self._http.send(outgoing))
        except httpx.RequestError as error:
            lost = self._lost(request, error)
        raise lost
