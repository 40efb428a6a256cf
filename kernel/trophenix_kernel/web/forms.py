"""Multipart forms read as they arrive: texts in memory and bounded, files on disk and bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import multipart

from trophenix_sdk.errors import FieldProblem, Invalid, TooLarge
from trophenix_sdk.files import Upload, temporary_file

MAX_TEXT_BYTES: Final = 1 << 20
MAX_PARTS: Final = 200


class Form:
    """What a multipart body held; `close` removes its files.

    Attributes:
        texts: name and value pairs, in order.
        files: by field name.
    """

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.files: dict[str, Upload] = {}
        self._paths: list[Path] = []

    def close(self) -> None:
        """Remove the files."""
        for path in self._paths:
            with suppress(FileNotFoundError):
                path.unlink()
        self._paths.clear()

    def new_file(self) -> tuple[Path, BinaryIO]:
        """A temporary file that lives as long as the form."""
        path = temporary_file(".upload")
        self._paths.append(path)
        return path, path.open("wb")


async def read_form(content_type: str, chunks: AsyncIterator[bytes], *, max_bytes: int) -> Form:
    """The form in a request's body.

    Memory stays bounded whatever is sent: files go to disk as they come.

    Raises:
        TooLarge: more than *max_bytes* came, or a text field is larger than a mebibyte.
        Invalid: the body is not a well-formed multipart form.
    """
    kind, options = cast("Any", multipart).parse_options_header(content_type)
    boundary: str = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise _malformed("the content type names no boundary")
    form = Form()
    try:
        with multipart.PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            await _read(form, parser, chunks, max_bytes)
    except multipart.MultipartError as error:
        form.close()
        raise _malformed(str(error)) from error
    except BaseException:
        form.close()
        raise
    return form


async def _read(form: Form, parser: Any, chunks: AsyncIterator[bytes], max_bytes: int) -> None:
    total = 0
    segment: Any = None
    text = bytearray()
    path: Path | None = None
    file: BinaryIO | None = None
    size = 0
    try:
        async for chunk in chunks:
            if not chunk:
                # The parser takes nothing for the end; a server may hand over an empty piece at any time.
                continue
            total += len(chunk)
            if total > max_bytes:
                raise TooLarge(
                    f"More than {max_bytes // (1 << 20)} MiB were sent.",
                    next_step="Split the file, or ask for a larger limit.",
                )
            for event in parser.parse(chunk):
                if isinstance(event, multipart.MultipartSegment):
                    segment, size = event, 0
                    text.clear()
                    if event.filename is not None:
                        path, file = form.new_file()
                elif event is None:
                    if file is not None and path is not None:
                        file.close()
                        form.files[segment.name] = Upload(
                            path,
                            Path(segment.filename or "file").name,
                            size,
                            segment.content_type or "application/octet-stream",
                        )
                        path = file = None
                    else:
                        form.texts.append((segment.name, text.decode("utf-8", "replace")))
                elif file is not None:
                    file.write(event)
                    size += len(event)
                else:
                    text += event
                    if len(text) > MAX_TEXT_BYTES:
                        raise TooLarge(f"The field {segment.name!r} is larger than 1 MiB.")
    finally:
        if file is not None:
            file.close()


def _malformed(fault: str) -> Invalid:
    return Invalid(
        "The body is not a multipart form.",
        next_step="Send multipart/form-data with a boundary, as browsers and HTTP clients do.",
        problems=(FieldProblem("", "not_a_form", fault),),
        code="not_a_form",
    )
