"""Put the files that pages quote into them as they are now: ``python docs/quote_files.py``, or ``make docs``.

A path on a line of its own, in backticks and followed by a fenced block, announces the whole file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
QUOTE: Final = re.compile(r"^`([\w./-]+)`\n\n```(\w+)\n.*?^```", re.MULTILINE | re.DOTALL)


def quoted(text: str) -> str:
    """The page with its quotations as the files are now."""
    return QUOTE.sub(
        lambda found: f"`{found[1]}`\n\n```{found[2]}\n{(ROOT / found[1]).read_text('utf-8')}```",
        text,
    )


if __name__ == "__main__":
    for page in (ROOT / "docs").rglob("*.md"):
        before = page.read_text("utf-8")
        after = quoted(before)
        if after != before:
            page.write_text(after, "utf-8")
