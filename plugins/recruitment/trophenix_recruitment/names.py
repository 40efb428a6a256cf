"""Names as people write them, and the key under which they are found again."""

import re
import unicodedata
from typing import Final

NAME_LENGTH: Final = 120

# Letters that Unicode does not decompose into a base letter and an accent.
_UNDECOMPOSED: Final = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "æ": "ae", "œ": "oe",
    "ħ": "h", "ŧ": "t", "ŋ": "n", "ı": "i", "ĸ": "k", "ə": "e", "ȷ": "j", "ɨ": "i", "ƀ": "b",
}  # fmt: skip
# Removed rather than turned into a space, so that "O'Brien" is found as "obrien".
_APOSTROPHES: Final = frozenset("'’‘ʼʻ`´ʹʾʿ＇")

_CONTROL: Final = re.compile(
    # Bidirectional overrides count as control characters: they make one name look like another.
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]"
)


def _key_of_character(character: str) -> str:
    if character in _APOSTROPHES:
        return ""
    category = unicodedata.category(character)
    if category == "Mn" and "\u0300" <= character <= "\u036f":
        return ""
    if category[0] not in "LMN":
        return " "
    folded = character.casefold()
    if not unicodedata.name(character, "").startswith(("LATIN", "FULLWIDTH LATIN")):
        return folded
    bases: list[str] = []
    for part in unicodedata.normalize("NFKD", folded):
        if part in _APOSTROPHES or unicodedata.category(part) == "Mn":
            continue
        bases.append(_UNDECOMPOSED.get(part, part))
    return "".join(bases)


class _KeyTable(dict[int, str]):
    """A translation table that learns a character the first time it is met."""

    def __missing__(self, code: int) -> str:
        folded = _key_of_character(chr(code))
        self[code] = folded
        return folded


_KEYS: Final = _KeyTable()


def name_key(text: str) -> str:
    """Give the accent-less, case-less form of *text* that names are searched and compared by.

    Latin letters lose accents and case (``Żewłakow`` and ``ZEWLAKOW`` meet, as do ``İ``, ``ı``
    and ``i``); other scripts keep every letter and lose case only. Apostrophes vanish, other
    punctuation becomes one space. Idempotent, so a key may be keyed again.
    """
    if text.isascii():
        lowered = text.lower()
        return lowered if lowered.isalpha() else " ".join(lowered.translate(_KEYS).split())
    folded = unicodedata.normalize("NFC", text).translate(_KEYS)
    return unicodedata.normalize("NFC", " ".join(folded.split()))


def sorted_name_key(*names: str) -> str:
    """Give one key for the words of *names* in any order: swapped names meet under it."""
    return " ".join(sorted(name_key(" ".join(names)).split()))


def tidy(text: str) -> str:
    """Give *text* on one line, composed (NFC), without outer or doubled white space."""
    one_line = " ".join(text.split())
    return one_line if one_line.isascii() else unicodedata.normalize("NFC", one_line)


def control_character(text: str) -> str | None:
    """Give the first character that may not be stored, or ``None``.

    Tab and line ends are white space, not control characters.
    """
    if text.isprintable():
        return None
    found = _CONTROL.search(text)
    return None if found is None else found.group()
