"""What a person who watches the supervisor reads: every line says which part it comes from."""

from __future__ import annotations

import contextlib
import os
import sys
from itertools import cycle
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESET: Final = "\x1b[0m"
_RED: Final = "\x1b[31m"
_OWN_NAME: Final = "trophenix"


class Console:
    """Writes prefixed lines to one stream; in colour only when somebody sees them."""

    def __init__(self, stream: TextIO | None = None, *, colour: bool | None = None) -> None:
        """Choose the stream, standard error by default, and whether to colour.

        Without a choice there is colour on a terminal, unless ``NO_COLOR`` is set
        (https://no-color.org) or the terminal calls itself dumb.
        """
        self._stream = sys.stderr if stream is None else stream
        self._colour = _sees_colour(self._stream) if colour is None else colour
        self._palette: Iterator[int] = cycle((36, 32, 33, 35, 34, 96, 92, 93, 95, 94))
        self._colours: dict[str, int] = {}
        self._width = len(_OWN_NAME)

    def expect(self, name: str) -> None:
        """Make room for a name, so that the lines of all parts start in the same column."""
        self._width = max(self._width, len(name))

    def line(self, name: str, text: str) -> None:
        """Write one line of the part *name*."""
        self.expect(name)
        prefix = f"{name:<{self._width}} |"
        if self._colour:
            if name not in self._colours:
                self._colours[name] = next(self._palette)
            prefix = f"\x1b[{self._colours[name]}m{prefix}{_RESET}"
        self._write(f"{prefix} {text}\n")

    def say(self, text: str) -> None:
        """Write a line of the supervisor itself."""
        self.line(_OWN_NAME, text)

    def problem(self, text: str) -> None:
        """Write what went wrong; it may have several lines."""
        for line in text.splitlines():
            self.say(f"{_RED}{line}{_RESET}" if self._colour else line)

    def _write(self, text: str) -> None:
        # The terminal may have been closed or the pipe cut; the parts must still be stopped in
        # order, so there is nobody to tell and nothing to do.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _sees_colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
