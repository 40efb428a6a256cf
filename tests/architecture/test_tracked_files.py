"""What no file of the project may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Checkout

# Written so that this file does not hold what it looks for.
INDEX = re.compile(
    r"p[y]pi\.(org|io)|pythonhost[e]d|registry\.np[m]js|registry\.y[a]rnpkg|deb\.debia[n]\.org"
)
SOMEBODYS_FOLDER = re.compile(r"(?<![\w.])/(hom[e]|User[s])/\w+|(?<![\w.])/roo[t]/")
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|sk_live_[A-Za-z0-9]{16}"
)
BINARY = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".ico", ".woff2", ".xlsx", ".zip", ".gz", ".pdf"}
)
LARGEST_BYTES = 1_000_000


def places(checkout: Checkout, pattern: re.Pattern[str]) -> list[str]:
    """Where *pattern* occurs in a text file of the project."""
    found: list[str] = []
    for name in checkout.files:
        if Path(name).suffix in BINARY:
            continue
        text = (checkout.root / name).read_text("utf-8", errors="replace")
        if not pattern.search(text):
            continue
        found.extend(
            f"{name}:{n}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)
        )
    return found


def test_no_package_index_is_named(checkout: Checkout) -> None:
    """Whoever installs chooses the index; a host written down fails behind a mirror, and a lock file is full of them."""
    assert places(checkout, INDEX) == []


def test_no_path_of_one_machine_is_named(checkout: Checkout) -> None:
    """It works on the machine of its author and nowhere else."""
    mine = re.compile(re.escape(str(checkout.root)) + r"\b")

    assert places(checkout, SOMEBODYS_FOLDER) == []
    assert places(checkout, mine) == []


def test_no_secret_is_kept(checkout: Checkout) -> None:
    """A key in a repository is known to everybody who ever cloned it."""
    assert places(checkout, SECRET) == []


def test_no_large_file_is_kept(checkout: Checkout) -> None:
    """Every clone carries it for ever; data is read from beside the checkout, and fonts and icons come from npm."""
    assert [
        name for name in checkout.files if (checkout.root / name).stat().st_size > LARGEST_BYTES
    ] == []


def test_text_files_are_plain(checkout: Checkout) -> None:
    """Otherwise the next change also touches a line its author never wrote."""
    faults: list[str] = []
    for name in checkout.files:
        if Path(name).suffix in BINARY:
            continue
        data = (checkout.root / name).read_bytes()
        if b"\0" in data:
            faults.append(f"{name}: holds a NUL byte")
        elif data and not data.endswith(b"\n"):
            faults.append(f"{name}: does not end with a newline")
        elif b"\r\n" in data:
            faults.append(f"{name}: Windows line ends")
        else:
            data.decode()

    assert faults == []
