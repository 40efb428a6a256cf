"""Lucide icons drawn into the page: no font, no request, the colour of the text around them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from markupsafe import Markup, escape


class Icons:
    """All icons by name.

    Args:
        table: one line per icon, its name and the inside of its SVG, parted by a tabulator.
    """

    def __init__(self, table: Path) -> None:
        self._table = table

    @cached_property
    def _drawn(self) -> dict[str, str]:
        lines = self._table.read_text("utf-8").splitlines()
        return dict(line.split("\t", 1) for line in lines)

    def __contains__(self, name: object) -> bool:
        return name in self._drawn

    def draw(self, name: str, size: int = 16, extra: str = "") -> Markup:
        """The icon as inline SVG, hidden from screen readers: a label always stands beside it.

        An unknown name draws a box, so that a plugin's slip never takes a page down.
        """
        inside = self._drawn.get(name) or self._drawn["box"]
        return Markup(  # noqa: S704 - the table is pinned by its sha256, the class is escaped
            f'<svg class="tx-icon{" " + str(escape(extra)) if extra else ""}" width="{size}" height="{size}" '
            'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
            'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
            f"{inside}</svg>"
        )
