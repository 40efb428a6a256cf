"""What was measured beside what was aimed at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One line of the table.

    Attributes:
        name: what was measured.
        measured: the value.
        aim: the bound, in the same unit; ``None`` for what is only told.
        better: which side of the aim is the good one.
        unit: after the value.
        digits: behind the point.
        note: how it came about.
    """

    name: str
    measured: float
    aim: float | None = None
    better: Literal["less", "more"] = "less"
    unit: str = ""
    digits: int = 2
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; ``None`` where there is none."""
        if self.aim is None:
            return None
        return self.measured <= self.aim if self.better == "less" else self.measured >= self.aim

    @property
    def aim_text(self) -> str:
        """The aim as it is read."""
        if self.aim is None:
            return ""
        return f"{'≤' if self.better == 'less' else '≥'} {self.aim:g}{_spaced(self.unit)}"

    @property
    def measured_text(self) -> str:
        """The value as it is read."""
        return f"{self.measured:,.{self.digits}f}{_spaced(self.unit)}"


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    verdicts = {True: "reached", False: "missed", None: ""}
    rows = [("figure", "aim", "measured", "verdict", "how")]
    rows.extend(
        (one.name, one.aim_text, one.measured_text, verdicts[one.reached], one.note)
        for one in figures
    )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(word.ljust(w) for word, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _spaced(unit: str) -> str:
    return f" {unit}" if unit else ""
