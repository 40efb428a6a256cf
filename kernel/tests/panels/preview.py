"""Serve every sample page on this machine, or take pictures of them all.

``python kernel/tests/panels/preview.py`` serves; ``… --pictures`` writes ``.screenshots/`` and stops.
Addresses are ``/<language>/<mode>/<page>``, such as ``/fr/dark/dashboard``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from trophenix_kernel.panels import render
from trophenix_kernel.themes import default_choices, stylesheet


def load_sample() -> ModuleType:
    """The neighbouring module of sample pages; test folders are no packages."""
    name = "trophenix_panel_sample"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "sample.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


sample: Any = load_sample()


class _Handler(BaseHTTPRequestHandler):
    env: Any = None

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith("/assets/"):
            asset = self.env.assets.read(path.removeprefix("/assets/"))
            if asset is None:
                self._send(404, b"", {})
                return
            headers = {"Content-Type": asset.content_type, "Cache-Control": asset.cache_control}
            self._send(200, asset.body, headers)
            return
        if path.startswith("/theme/"):
            sheet = stylesheet(default_choices(), self.env.assets.href)
            self._send(200, sheet.text.encode(), {"Content-Type": "text/css"})
            return
        language, mode, name = [*path.strip("/").split("/"), "", "", ""][:3]
        made = sample.pages(self.env, language).get(name)
        if made is None:
            self._send(404, b"unknown page", {"Content-Type": "text/plain"})
            return
        request = {key.lower(): value for key, value in self.headers.items()}
        answer = render(
            self.env, made(), sample.frame_of(self.env, name, language, mode), request=request
        )
        self._send(answer.status, answer.body, dict(answer.headers))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.endswith("/new"):
            self._send(204, b"", {})
            return
        request = {key.lower(): value for key, value in self.headers.items()}
        refused = sample.pages(self.env)["form-errors"]()
        frame = sample.frame_of(self.env, "form-errors")
        answer = render(self.env, refused, frame, request=request)
        self._send(answer.status, answer.body, dict(answer.headers))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Quiet: the browser's own console is what is watched."""


@contextmanager
def served(port: int = 0) -> Generator[str]:
    """The address of a running preview server."""
    handler = type("Handler", (_Handler,), {"env": sample.environment()})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def take_pictures(folder: Path, only: list[str]) -> None:
    """Every page in both modes, wide and narrow, in English and French, as PNG files."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - serving needs no browser

    folder.mkdir(exist_ok=True)
    env = sample.environment()
    with served() as base, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        for width, height, scale, size in ((1440, 900, 1, "wide"), (390, 844, 2, "phone")):
            context = browser.new_context(
                viewport={"width": width, "height": height}, device_scale_factor=scale
            )
            page = context.new_page()
            for name in only or sample.pages(env):
                for language, mode in (("fr", "light"), ("en", "dark")):
                    page.goto(f"{base}/{language}/{mode}/{name}", wait_until="load")
                    page.evaluate("document.fonts.ready")
                    target = folder / f"{name}-{size}-{language}-{mode}.png"
                    page.screenshot(path=target, full_page=True)
            context.close()
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8300)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("pages", nargs="*")
    options = parser.parse_args()
    if options.pictures:
        take_pictures(Path.cwd() / ".screenshots", options.pages)
        return
    with served(options.port) as base:
        print(f"{base}/fr/light/dashboard")  # noqa: T201 - a command
        threading.Event().wait()


if __name__ == "__main__":
    main()
