"""The real product behind a real port: one server, its worker and its databases for all journeys of a run."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

import httpx
import msgspec
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response

from trophenix_kernel.identity.credentials import csrf_token
from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.web.recognition import SESSION_COOKIE
from trophenix_kernel.worker import Worker
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import write_carpool
from trophenix_testing.scene import Person
from trophenix_testing.servers import Servers

START_SECONDS: Final = 30
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE: Final = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
OVERFLOW: Final = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return [];
  const said = (part) => part.className + " " + part.textContent.trim().slice(0, 40);
  const beyond = (part) => { const at = part.getBoundingClientRect(); return at.right > innerWidth + 1 || at.left < -1; };
  return [wide + " pixels", ...[...document.querySelectorAll("body *")].filter(beyond).slice(0, 8).map(said)];
}"""


class Product:
    """The platform, served; it runs in a thread of its own, because the browser occupies this one.

    Attributes:
        base: its address.
        platform: the kernel behind it; whatever is asked of it goes through `run`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="the product", daemon=True
        )
        self._stack = AsyncExitStack()
        self.base = ""
        self.platform: Platform

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self._start())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns in the product's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(START_SECONDS * 2)

    def call(self, tenant: str, operation: str, given: Any = None, *, role: str = "owner") -> Any:
        """`Platform.call`, from this thread."""
        return self.run(self.platform.call(tenant, operation, given, role=role))

    async def _start(self) -> None:
        servers = self._stack.enter_context(Servers())
        carpool = write_carpool(self._folder)
        sys.path.insert(0, str(carpool.root))
        self._stack.callback(_forget, str(carpool.root), "acme_carpool")
        port = _free_port()
        self.base = f"http://127.0.0.1:{port}"
        factory = PlatformFactory(servers, self._stack)
        self.platform = await factory(settings={"base_url": self.base})
        kernel = self.platform.kernel
        worker = Worker(kernel, recognition_of(kernel))
        working = asyncio.create_task(worker.run())
        self._stack.push_async_callback(lambda: _ended(worker.stop, working))
        server = Server(
            self.platform.app,
            address="127.0.0.1",
            port=port,
            interface=Interfaces.ASGINL,
            websockets=False,
            log_enabled=False,
        )
        serving = asyncio.create_task(server.serve())
        self._stack.push_async_callback(lambda: _ended(server.stop, serving))
        async with httpx.AsyncClient() as client, asyncio.timeout(START_SECONDS):
            while not serving.done():
                try:
                    (await client.get(f"{self.base}/health/live")).raise_for_status()
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                else:
                    return
        await serving


def _forget(root: str, package: str) -> None:
    """Another test may write a plugin of this name anew."""
    sys.path.remove(root)
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


async def _ended(stop: Callable[[], object], task: asyncio.Task[Any]) -> None:
    stop()
    await task


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Face(msgspec.Struct, frozen=True):
    """How somebody looks at the product."""

    language: str = "en"
    mode: str = "light"
    width: int = 1440
    height: int = 900

    def __str__(self) -> str:
        return f"{self.language} {self.mode} {self.width}"


PHONE: Final = Face("fr", "dark", 390, 844)


class Window:
    """A browser window of somebody, which notes what goes wrong in it.

    Attributes:
        page: Playwright's.
        person: who is signed in; nobody until they do.
    """

    def __init__(
        self, product: Product, axe: str, context: BrowserContext, person: Person | None
    ) -> None:
        self._product = product
        self._axe = axe
        self.context = context
        self.person = person
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", self._fail)

    def _note(self, message: ConsoleMessage) -> None:
        # The browser itself reports every answer with an error status; `go` looks at those.
        if (
            message.type in {"error", "warning"}
            and "the server responded with a status of" not in message.text
        ):
            self.faults.append(f"{self.page.url}: {message.text}")

    def _fail(self, error: Error) -> None:
        self.faults.append(f"{self.page.url}: {error}")

    def go(self, path: str, *, status: int = 200) -> Response:
        """The page of the path is open, answered with the status."""
        answer = self.page.goto(self._product.base + path, wait_until="load")
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status}, expected {status}"
        return answer

    def look(self) -> None:
        """The page that is open is accessible, fits, and nothing failed in it.

        Raises:
            AssertionError: it is not, does not, or something did; all of it is named.
        """
        where = self.page.url.removeprefix(self._product.base)
        self.page.evaluate(self._axe)
        found = [
            f"{where}: {fault['id']} {node['html'][:160]} {node['failureSummary'][:160]}"
            for fault in self.page.evaluate(RUN_AXE, TAGS)["violations"]
            for node in fault["nodes"]
        ]
        found += [f"{where}: too wide: {part}" for part in self.page.evaluate(OVERFLOW)]
        assert found + self.faults == []

    @property
    def base(self) -> str:
        """The product's address."""
        return self._product.base

    @property
    def path(self) -> str:
        """Where it is."""
        return self.page.url.removeprefix(self._product.base)

    @property
    def heading(self) -> str:
        """The page's first heading."""
        return self.page.locator("h1").inner_text()

    def press(self, name: str) -> None:
        """The button of this name was pressed and the page it leads to is there."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()

    def agree(self, name: str) -> None:
        """The button of this name was pressed, the question answered with yes, and the page it leads to is there."""
        self.page.get_by_role("button", name=name, exact=True).click()
        with self.page.expect_navigation():
            self.page.locator("#tx-confirm [data-confirm-yes]").click()

    @property
    def csrf(self) -> str:
        """The token a page of ours would send."""
        return csrf_token(self.person.session) if self.person else ""

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, token: bool = True
    ) -> tuple[int, str]:
        """Status and text of a form sent past the pages, with the window's session; redirects are not followed."""
        form: dict[str, str | float | bool] = {**(fields or {})}
        if token:
            form["csrf_token"] = self.csrf
        answer = self.context.request.post(
            self._product.base + path,
            form=form,
            max_redirects=0,
            headers={"Origin": self._product.base},
        )
        return answer.status, answer.text()


Open = Callable[..., Window]


@pytest.fixture(scope="session", autouse=True)
def _with_third_party_files(third_party_files: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Every page asks for them."""


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The served platform."""
    logging.getLogger("_granian").setLevel(logging.ERROR)
    with Product(tmp_path_factory.mktemp("plugins")) as product:
        yield product


@pytest.fixture(scope="session")
def recruitment(product: Product) -> str:
    """Where the recruitment module's athletes are, in alpha; some are there."""
    product.platform.plugin("trophenix.recruitment")
    product.call("alpha", "trophenix.recruitment:demo.load", {"count": 240})
    return "/admin/alpha/trophenix.recruitment/athletes"


@pytest.fixture
def window(product: Product, chromium: Browser, axe: str) -> Iterator[Open]:
    """Opens windows: ``window("alpha", "owner", face=PHONE, java_script_enabled=False)``; all are closed with the test."""
    opened: list[BrowserContext] = []

    def open_one(
        tenant: str | None = "alpha",
        role: str | None = "owner",
        *,
        face: Face = Face(),  # noqa: B008 - it cannot change
        **options: Any,
    ) -> Window:
        context = chromium.new_context(
            viewport={"width": face.width, "height": face.height},
            color_scheme="dark" if face.mode == "dark" else "light",
            locale="fr-FR" if face.language == "fr" else "en-GB",
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        person = product.platform.person(tenant, role)
        if person is not None:
            context.add_cookies(
                [{"name": SESSION_COOKIE, "value": person.session, "url": product.base}]
            )
        return Window(product, axe, context, person)

    yield open_one
    for context in opened:
        context.close()
