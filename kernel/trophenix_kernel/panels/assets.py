"""Static files under addresses that name their content, so that a browser may keep them for ever.

`Assets.href` gives templates the address of a file; `Assets.read` gives the web door the bytes behind an address.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parent.parent / "web" / "assets"
FOREVER: Final = "public, max-age=31536000, immutable"

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_PACKED: Final = frozenset(
    {".css", ".js", ".svg"}
)  # the others are compressed already or not served
_SERVED: Final = frozenset(_TYPES)


class MissingAsset(Exception):
    """A template asked for a file that is not there."""


class Asset(msgspec.Struct, frozen=True):
    """One file, ready to be sent.

    Attributes:
        body: the bytes.
        packed: the same, gzipped; ``None`` where that saves nothing.
        content_type: for the header of that name.
        version: the first twelve hexadecimal digits of the sha256.
        cache_control: for the header of that name.
    """

    body: bytes
    packed: bytes | None
    content_type: str
    version: str
    cache_control: str = FOREVER


class Assets:
    """The static files of the shell and of plugins.

    Args:
        root: the kernel's own files.
        folders: by plugin, the folder of the plugin's static files; they are named ``<plugin>/<file>``.
        base: what every address begins with.
    """

    def __init__(
        self,
        root: Path = ROOT,
        folders: dict[str, Path] | None = None,
        base: str = "/assets",
    ) -> None:
        self.root = root
        self._folders = dict(folders or {})
        self._base = base.rstrip("/")
        self._known: dict[str, Asset] = {}
        self._lock = Lock()

    @property
    def base(self) -> str:
        """What every address begins with."""
        return self._base

    def href(self, name: str) -> str:
        """The address of *name*, such as ``/assets/tx.1f2e3d4c5b6a.css`` for ``tx.css``.

        Raises:
            MissingAsset: there is no such file.
        """
        stem, dot, suffix = name.rpartition(".")
        return f"{self._base}/{stem}.{self._load(name).version}{dot}{suffix}"

    def read(self, path: str) -> Asset | None:
        """The file behind an address (without the base), ``None`` when the address was never given out.

        An address whose twelve digits are not the file's own is answered ``None`` too: old content is never sent under a
        new name, nor new content under an old one.
        """
        stem, _, suffix = path.rpartition(".")
        bare, _, version = stem.rpartition(".")
        name = f"{bare}.{suffix}"
        if not bare or name not in self._names:
            return None
        asset = self._load(name)
        return asset if asset.version == version else None

    @cached_property
    def _names(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for prefix, folder in (("", self.root), *((f"{p}/", f) for p, f in self._folders.items())):
            for file in folder.rglob("*"):
                if file.is_file() and file.suffix in _SERVED:
                    found[prefix + file.relative_to(folder).as_posix()] = file
        return found

    def _load(self, name: str) -> Asset:
        with self._lock:
            if name not in self._known:
                file = self._names.get(name)
                if file is None:
                    raise MissingAsset(
                        f"{name} is not among the assets: if it is a third-party file, "
                        "run python -m trophenix_kernel.web.vendor"
                    )
                body = file.read_bytes()
                packed = gzip.compress(body, 9, mtime=0) if file.suffix in _PACKED else None
                self._known[name] = Asset(
                    body=body,
                    packed=packed if packed and len(packed) < len(body) else None,
                    content_type=_TYPES[file.suffix],
                    version=hashlib.sha256(body).hexdigest()[:12],
                )
            return self._known[name]
