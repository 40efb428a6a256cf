"""Who may be the same person: proposals with their reasons, never a merge.

Athletes are compared only when they share a blocking key, so a caller with a database fetches by
:func:`blocking_keys` and lets :func:`judge` decide. A field of ten thousand real athletes holds
twins and namesakes: ``probable`` therefore needs the same day of birth *and* the same whole name
and no contradiction, and twins get a class of their own.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import combinations
from typing import Final, Literal, NamedTuple

import msgspec
from rapidfuzz import fuzz

from trophenix_recruitment.model import AthleteDraft
from trophenix_recruitment.names import name_key, sorted_name_key

DuplicateKind = Literal["certain", "probable", "possible", "possible_relatives"]

_SEPARATORS: Final = re.compile(r"[,;/+&]")
_SAME_NAME: Final = 95.0
_SAME_PART: Final = 93.0
_SIMILAR_NAME: Final = 85.0
_OTHER_GIVEN_NAME: Final = 85.0
_LARGE_BLOCK: Final = 64
_NEIGHBOURS: Final = 16


class Candidate(msgspec.Struct, frozen=True):
    """An athlete under the caller's own reference (a line, an id)."""

    ref: str
    draft: AthleteDraft


class Proposal(msgspec.Struct, frozen=True):
    """Two athletes that a person should look at.

    Attributes:
        left: Reference of the first.
        right: Reference of the second.
        kind: ``certain`` (same external id), ``probable``, ``possible``, or
            ``possible_relatives`` (same birth day and family name, other given name).
        score: Similarity of the names, 0 to 1; 1 for the same external id.
        reasons: Codes of what speaks for it.
        conflicts: Codes of what speaks against it.
    """

    left: str
    right: str
    kind: DuplicateKind
    score: float
    reasons: tuple[str, ...]
    conflicts: tuple[str, ...] = ()


class _Profile(NamedTuple):
    ref: str
    family: str
    given: str
    words: str
    joined: str
    birth_earliest: date | None
    birth_latest: date | None
    birth_day: date | None
    sex: str | None
    country: str | None
    system: str | None
    alpha_2: str | None
    positions: frozenset[str]
    ids: tuple[tuple[str, str], ...]


def _profile(candidate: Candidate) -> _Profile:
    draft = candidate.draft
    family, given = name_key(draft.family_name), name_key(draft.given_name)
    words = " ".join(sorted(f"{family} {given}".split()))
    return _Profile(
        candidate.ref,
        family,
        given,
        words,
        words.replace(" ", ""),
        draft.birth_earliest,
        draft.birth_latest,
        draft.birth_day,
        draft.sex,
        draft.nationality,
        draft.nationality_system,
        draft.nationality_alpha_2,
        _positions(draft.position),
        tuple([(given_id.scheme.casefold(), given_id.value) for given_id in draft.external_ids]),
    )


# The same position in the words of a French and of an English list.
_POSITIONS: Final[dict[str, str]] = {
    word: position
    for position, words in (
        ("goalkeeper", "gardien gardienne goalkeeper keeper goalie gk portier"),
        ("defender", "defenseur defenseuse defender df arriere"),
        ("midfielder", "milieu midfielder mf"),
        ("forward", "attaquant attaquante forward striker fw avant"),
    )
    for word in words.split()
}


@lru_cache(maxsize=4_096)
def _positions(text: str | None) -> frozenset[str]:
    parts = [] if text is None else [name_key(part) for part in _SEPARATORS.split(text)]
    return frozenset(_POSITIONS.get(part, part) for part in parts if part)


def blocking_keys(draft: AthleteDraft) -> tuple[str, ...]:
    """Give the keys under which possible duplicates of *draft* are found.

    ``b:`` day of birth, ``n:`` the words of the name in alphabetical order without accents and
    case (swapped names share it), ``x:`` scheme and value of each external id. Two athletes
    that share none are never proposed.
    """
    keys = [f"x:{one.scheme.casefold()}:{one.value}" for one in draft.external_ids]
    words = sorted_name_key(draft.family_name, draft.given_name)
    if words:
        keys.append(f"n:{words}")
    if draft.birth_day is not None:
        keys.append(f"b:{draft.birth_day.isoformat()}")
    return tuple(keys)


def judge(draft: Candidate, candidates: Iterable[Candidate]) -> list[Proposal]:
    """Give the proposals between *draft* and those *candidates* that may be the same person.

    Strongest first. A candidate with the same reference is the athlete itself and is left out.
    """
    mine = _profile(draft)
    found = [
        proposal
        for candidate in candidates
        if candidate.ref != draft.ref
        and (proposal := _compare(mine, _profile(candidate))) is not None
    ]
    found.sort(key=_strength)
    return found


def propose(drafts: Sequence[Candidate], existing: Sequence[Candidate] = ()) -> list[Proposal]:
    """Give all proposals among *drafts* and between *drafts* and *existing*, strongest first.

    References must differ. Time grows with the number of athletes: in a block of more than 64
    that share a key (a placeholder birth date, say) each is compared with 16 neighbours in
    alphabetical order only.
    """
    profiles = [_profile(candidate) for candidate in drafts]
    count = len(profiles)
    profiles.extend(_profile(candidate) for candidate in existing)
    seen: set[tuple[int, int]] = set()
    found: list[Proposal] = []
    for pair in _pairs(profiles, count):
        if pair in seen:
            continue
        seen.add(pair)
        proposal = _compare(profiles[pair[0]], profiles[pair[1]])
        if proposal is not None:
            found.append(proposal)
    found.sort(key=_strength)
    return found


_ORDER: Final[dict[DuplicateKind, int]] = {
    "certain": 0,
    "probable": 1,
    "possible": 2,
    "possible_relatives": 3,
}


def _strength(proposal: Proposal) -> tuple[int, float]:
    return _ORDER[proposal.kind], -proposal.score


def _pairs(profiles: Sequence[_Profile], count: int) -> Iterator[tuple[int, int]]:
    """Give the pairs of indices that share a key; at least one of each pair is below *count*."""
    blocks: defaultdict[object, list[int]] = defaultdict(list)
    for index, profile in enumerate(profiles):
        if profile.birth_day is not None:
            blocks[profile.birth_day].append(index)
        if profile.words:
            blocks[profile.words].append(index)
        for one in profile.ids:
            blocks[one].append(index)
    for block in blocks.values():
        # Indices rise within a block: the first one tells whether any draft is in it.
        if len(block) < 2 or block[0] >= count:
            continue
        if len(block) <= _LARGE_BLOCK:
            for pair in combinations(block, 2):
                if pair[0] < count:
                    yield pair
            continue
        block.sort(key=lambda index: (profiles[index].words, str(profiles[index].birth_earliest)))
        for place, index in enumerate(block):
            for other in block[place + 1 : place + 1 + _NEIGHBOURS]:
                if min(index, other) < count:
                    yield min(index, other), max(index, other)


def _compare(left: _Profile, right: _Profile) -> Proposal | None:
    if left.ids and right.ids:
        shared = set(left.ids) & set(right.ids)
        if shared:
            reasons = tuple(f"same_external_id:{scheme}" for scheme, _ in sorted(shared))
            conflicts = (*_conflicts(left, right), *_identity_conflicts(left, right))
            return Proposal(left.ref, right.ref, "certain", 1.0, reasons, conflicts)
    if left.birth_day is not None and left.birth_day == right.birth_day:
        return _same_day(left, right)
    if left.joined != right.joined or " " not in left.words:
        # A single word, or a name that only resembles, proves nothing without the birth day.
        return None
    return _same_name(left, right)


def _same_day(left: _Profile, right: _Profile) -> Proposal | None:
    similarity = 100.0 if left.joined == right.joined else fuzz.ratio(left.words, right.words)
    if similarity < _SIMILAR_NAME:
        if left.family == right.family and left.family:
            return _same_family(left, right, similarity)
        return None
    conflicts = _conflicts(left, right)
    score = round(similarity / 100, 3)
    if similarity >= _SAME_NAME and not conflicts and _whole_name_agrees(left, right):
        how = "same_name" if similarity == 100.0 else "similar_name"
        if left.family != right.family and left.family == right.given:
            how = "swapped_name"
        return Proposal(left.ref, right.ref, "probable", score, ("same_birth_day", how))
    if _is_relative(left, right):
        return _relatives(left, right, score, conflicts)
    return Proposal(
        left.ref, right.ref, "possible", score, ("same_birth_day", "similar_name"), conflicts
    )


def _whole_name_agrees(left: _Profile, right: _Profile) -> bool:
    """Tell whether family and given name agree each for itself, straight or swapped.

    A long family name would otherwise drown the difference between Anna and Hanna.
    """
    if " " not in left.words or " " not in right.words:
        return False
    if left.joined == right.joined:
        return True
    if left.sex is None or left.sex != right.sex:
        return False  # Stephane and Stephanie
    straight = min(fuzz.ratio(left.family, right.family), fuzz.ratio(left.given, right.given))
    swapped = min(fuzz.ratio(left.family, right.given), fuzz.ratio(left.given, right.family))
    return max(straight, swapped) >= _SAME_PART


def _is_relative(left: _Profile, right: _Profile) -> bool:
    return (
        left.family == right.family
        and bool(left.given and right.given)
        and not _may_abbreviate(left.given, right.given)
        and fuzz.ratio(left.given, right.given) < _OTHER_GIVEN_NAME
    )


def _same_family(left: _Profile, right: _Profile, similarity: float) -> Proposal | None:
    score = round(similarity / 100, 3)
    conflicts = _conflicts(left, right)
    if _is_relative(left, right):
        # Namesakes of another country who share a birthday are no relatives.
        return None if "nationality" in conflicts else _relatives(left, right, score, conflicts)
    if conflicts:
        return None
    reasons = ("same_birth_day", "same_family_name")
    return Proposal(left.ref, right.ref, "possible", score, reasons)


def _relatives(
    left: _Profile, right: _Profile, score: float, conflicts: tuple[str, ...]
) -> Proposal:
    reasons = ("same_birth_day", "same_family_name", "other_given_name")
    return Proposal(left.ref, right.ref, "possible_relatives", score, reasons, conflicts)


def _may_abbreviate(one: str, other: str) -> bool:
    """Tell whether one given name may stand for the other: ``P`` or ``Juan`` for ``Juan Pablo``."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) or set(short.split()) <= set(long.split())


def _same_name(left: _Profile, right: _Profile) -> Proposal | None:
    if _conflicts(left, right):
        return None
    if (
        left.birth_earliest is None
        or left.birth_latest is None
        or right.birth_earliest is None
        or right.birth_latest is None
    ):
        reason = "birth_unknown"
    elif left.birth_earliest <= right.birth_latest and right.birth_earliest <= left.birth_latest:
        reason = "birth_compatible"
    elif left.birth_day and right.birth_day and _one_slip(left.birth_day, right.birth_day):
        reason = "birth_nearly_same"
    else:
        return None
    return Proposal(left.ref, right.ref, "possible", 0.9, ("same_name", reason))


def _one_slip(one: date, other: date) -> bool:
    """Tell whether two days differ by one wrong digit, or by day and month exchanged."""
    if (one.year, one.month, one.day) == (other.year, other.day, other.month):
        return True
    pairs = zip(one.isoformat(), other.isoformat(), strict=True)
    return sum(1 for first, second in pairs if first != second) == 1


def _conflicts(left: _Profile, right: _Profile) -> tuple[str, ...]:
    conflicts: list[str] = []
    if left.sex and right.sex and left.sex != right.sex:
        conflicts.append("sex")
    if left.country and right.country and not _same_country(left, right):
        conflicts.append("nationality")
    if left.positions and right.positions and not left.positions & right.positions:
        conflicts.append("position")
    return tuple(conflicts)


def _same_country(left: _Profile, right: _Profile) -> bool:
    if left.system == right.system:
        return left.country == right.country
    if left.alpha_2 is not None and right.alpha_2 is not None:
        return left.alpha_2 == right.alpha_2
    # A country of the past beside its successor in another system contradicts nothing.
    return True


def _identity_conflicts(left: _Profile, right: _Profile) -> tuple[str, ...]:
    conflicts: list[str] = []
    if fuzz.ratio(left.words, right.words) < _SIMILAR_NAME:
        conflicts.append("name")
    if (
        left.birth_earliest
        and left.birth_latest
        and right.birth_earliest
        and right.birth_latest
        and (left.birth_earliest > right.birth_latest or right.birth_earliest > left.birth_latest)
    ):
        conflicts.append("birth")
    return tuple(conflicts)
