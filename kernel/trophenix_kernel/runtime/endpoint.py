"""Where a server listens and the password it asks for, kept beside its data."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"


def kept_password(path: Path) -> str:
    """Return the password in *path*, which holds a new one, readable by its owner only, if new."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        password = secrets.token_urlsafe(24)
        write_private(path, f"{password}\n")
        return password


def kept_port(path: Path) -> int | None:
    """Return the port that was used last; None when there is none."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else None


def write_private(path: Path, text: str) -> None:
    """Put *text* in *path* at once or not at all, readable and writable by its owner only."""
    # mkstemp creates the file with mode 0600.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of 127.0.0.1 right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of an earlier run that are closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
