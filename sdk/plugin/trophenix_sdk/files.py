"""Files that come with a call or are its answer, on local disk and bounded in size."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec


class Upload(msgspec.Struct, frozen=True):
    """What the caller sent as a file.

    The file is removed when the operation has answered: a handler that needs it longer copies it.

    Attributes:
        path: where the bytes are now.
        file_name: the caller's name for it, without folders; never trust it as a path.
        size_bytes: how many bytes there are.
        content_type: what the caller said it is.
    """

    path: Path
    file_name: str
    size_bytes: int
    content_type: str = "application/octet-stream"


class Download(msgspec.Struct, frozen=True):
    """A file an operation answers with, instead of a struct; it is removed once it was sent.

    Attributes:
        path: where the handler wrote it, made with `temporary_file`.
        file_name: what the caller's copy is called.
        content_type: what it is.
    """

    path: Path
    file_name: str
    content_type: str


def temporary_file(suffix: str = "") -> Path:
    """A new empty file in the process's temporary folder, readable by this user only."""
    handle, name = tempfile.mkstemp(prefix="trophenix-", suffix=suffix)
    os.close(handle)
    return Path(name)
