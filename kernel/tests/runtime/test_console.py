"""What a person reads while everything runs."""

from __future__ import annotations

import contextlib
import io
import os
import pty

import pytest

from trophenix_kernel.runtime.console import Console


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[int, io.TextIOWrapper]:
    """Return a terminal: what is written to the second can be read from the first."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    return ours, os.fdopen(theirs, "w", encoding="utf-8")


def _written(stream: io.TextIOWrapper, reading_end: int) -> str:
    stream.close()
    text = b""
    # Reading a terminal that nobody writes to any more fails on Linux and returns nothing elsewhere.
    with contextlib.suppress(OSError):
        while chunk := os.read(reading_end, 10_000):
            text += chunk
    os.close(reading_end)
    return text.decode()


def test_every_line_says_which_part_it_comes_from() -> None:
    """And the text of all parts starts in the same column."""
    stream = io.StringIO()
    console = Console(stream)
    console.expect("postgresql")
    console.line("web-1", "hello")
    console.line("postgresql", "hi")
    console.problem("two\nlines")

    assert stream.getvalue().splitlines() == [
        "web-1      | hello",
        "postgresql | hi",
        "trophenix  | two",
        "trophenix  | lines",
    ]


def test_a_terminal_gets_colours_that_differ_between_parts(
    terminal: tuple[int, io.TextIOWrapper],
) -> None:
    """Each part keeps its own."""
    reading_end, stream = terminal
    console = Console(stream)
    console.line("web", "one")
    console.line("worker", "two")
    console.line("web", "three")
    colours = [line.split("m")[0] for line in _written(stream, reading_end).splitlines()]

    assert all(colour.startswith("\x1b[") for colour in colours)
    assert colours[0] == colours[2] != colours[1]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(
    terminal: tuple[int, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """By the convention of no-color.org or by a terminal that cannot."""
    monkeypatch.setenv(name, value)
    reading_end, stream = terminal
    Console(stream).line("web", "one")

    assert "\x1b" not in _written(stream, reading_end)


def test_a_closed_terminal_stops_nobody_from_working() -> None:
    """Writing into a pipe that nobody reads any more is not an error here."""
    reading_end, writing_end = os.pipe()
    stream = os.fdopen(writing_end, "w", encoding="utf-8")
    console = Console(stream)
    os.close(reading_end)

    console.line("web", "into the void")
    console.line("web", "and again")

    with pytest.raises(BrokenPipeError):
        stream.close()
