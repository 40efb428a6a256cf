"""Cells that a spreadsheet would run as a formula: recognised, neutralised, given back.

Source: OWASP, "CSV Injection": a cell that starts with ``=``, ``+``, ``-``, ``@``, tab, carriage
return or line feed, or with the full-width form of the first four, is a formula for some program.
"""

import re
from typing import Final

# Some programs trim blanks before they look for a formula.
_START: Final = r"[ \u00a0]*[=+\-@\t\r\n＝＋－＠]"
_FORMULA: Final = re.compile(_START)
_GUARDED: Final = re.compile(rf"'+{_START}")
_HARMLESS: Final = re.compile(r"\s*[+-][\d\s.,()/-]+")
_HANDLE: Final = re.compile(r"@[\w.]+")


def neutralise(text: str) -> str:
    """Give *text* so that no spreadsheet runs it: an apostrophe goes before a formula.

    A text that already looks guarded gets one more, so that :func:`unguard` is exact.
    """
    return f"'{text}" if _FORMULA.match(text) or _GUARDED.match(text) else text


def unguard(text: str) -> str:
    """Give the text that :func:`neutralise` was given."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


def looks_like_formula(text: str) -> bool:
    """Tell whether *text* was perhaps meant to be run; phone numbers and handles are not."""
    return bool(
        _FORMULA.match(text)
        and not _HARMLESS.fullmatch(text)
        and not _HANDLE.fullmatch(text)
        and len(text.strip()) > 1
    )
