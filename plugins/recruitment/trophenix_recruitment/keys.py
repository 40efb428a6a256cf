"""What an athlete is searched and compared by: derived from the draft, stored beside it, never shown."""

from typing import Final

import msgspec

from trophenix_recruitment.model import AthleteDraft, ExternalId
from trophenix_recruitment.names import name_key

INDEXED_WORDS: Final = 4
"""So many words of a name are found through an index of their own; longer names through a small one of all long names."""


class SearchKeys(msgspec.Struct, frozen=True, gc=False):
    """The keys of one athlete.

    Attributes:
        name: the words of the name, family name first.
        name_2, name_3, name_4: the same words, begun with the second, third and fourth.
        words: how many there are.
        name_sorted: the words in alphabetical order, which names with swapped parts share.
    """

    name: str
    name_2: str | None
    name_3: str | None
    name_4: str | None
    words: int
    name_sorted: str
    sport: str | None
    position: str | None
    club: str | None


_texts: dict[str, str] = {}
_TEXTS_KEPT: Final = 20_000


def text_key(text: str | None) -> str | None:
    """The key of a sport, position or club; such texts repeat, so the keys are remembered."""
    if text is None:
        return None
    key = _texts.get(text)
    if key is None:
        key = name_key(text)
        if len(_texts) < _TEXTS_KEPT:
            _texts[text] = key
    return key


def search_keys(draft: AthleteDraft) -> SearchKeys:
    """The keys of *draft*."""
    key = name_key(f"{draft.family_name} {draft.given_name}")
    words = key.split(" ") if key else []
    count = len(words)
    if count == 2:  # most names, kept quick
        first, second = words
        turned = f"{second} {first}"
        ordered = key if first <= second else turned
        second_key, third_key, fourth_key = turned, None, None
    else:
        second_key, third_key, fourth_key = (
            " ".join(words[start:] + words[:start]) if start < count else None
            for start in (1, 2, 3)
        )
        ordered = " ".join(sorted(words))
    return SearchKeys(
        key,
        second_key,
        third_key,
        fourth_key,
        count,
        ordered,
        text_key(draft.sport),
        text_key(draft.position),
        text_key(draft.club),
    )


Id = tuple[str, str]
"""Scheme and value of an identifier as they are stored and compared: whoever writes FIDE and fide means the same register."""

_schemes: dict[str, str] = {}
_SCHEMES_KEPT: Final = 1_000


def plain_id(given: ExternalId) -> Id:
    """The identifier as it is stored and compared."""
    scheme = given.scheme
    plain = _schemes.get(scheme)
    if plain is None:
        plain = scheme.casefold()
        if len(_schemes) < _SCHEMES_KEPT:
            _schemes[scheme] = plain
    return plain, given.value


def plain_ids(draft: AthleteDraft) -> tuple[Id, ...]:
    """The draft's identifiers as they are stored, each once, in order."""
    ids = draft.external_ids
    if len(ids) == 1:
        return (plain_id(ids[0]),)
    return tuple(sorted({plain_id(one) for one in ids})) if ids else ()
