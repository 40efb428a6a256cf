"""Proposing pairs: the rules of `duplicates` applied to what is stored."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import combinations
from typing import Final
from uuid import UUID

from rapidfuzz import fuzz

from trophenix_recruitment.duplicates import Candidate, Proposal, judge, propose
from trophenix_recruitment.keys import SearchKeys, plain_ids, search_keys
from trophenix_recruitment.matching import Known
from trophenix_recruitment.store import duplicates
from trophenix_recruitment.store.athletes import StoredAthlete
from trophenix_sdk.context import Context
from trophenix_sdk.ids import new_ids

_FOR_ONE: Final = 500
"""A new athlete is compared with so many at most: a placeholder date of birth may be shared by thousands."""


async def propose_for(ctx: Context, found: StoredAthlete) -> int:
    """How many stored athletes were newly proposed as possibly the same person as *found*, who is stored already."""
    draft = found.draft()
    day = draft.birth_day
    others = await duplicates.comparable(
        ctx.db,
        [name] if (name := search_keys(draft).name_sorted) else [],
        [day] if day else [],
        plain_ids(draft),
        most=_FOR_ONE,
    )
    proposals = judge(
        Candidate(str(found.id), draft), [Candidate(str(o.id), o.draft()) for o in others]
    )
    return await store(ctx, proposals, None)


async def among(new: Sequence[tuple[Known, SearchKeys]], stored: Sequence[Known]) -> list[Proposal]:
    """All proposals among *new* athletes and between them and *stored* ones, worked out beside the event loop."""
    return await asyncio.to_thread(_among, new, stored)


def _among(new: Sequence[tuple[Known, SearchKeys]], stored: Sequence[Known]) -> list[Proposal]:
    known = [(one, search_keys(one.draft)) for one in stored]
    chosen = worth_comparing(new, known)
    if not chosen:
        return []
    fresh = [Candidate(str(one.id), one.draft) for one, _keys in new if one.id in chosen]
    others = [Candidate(str(one.id), one.draft) for one in stored if one.id in chosen]
    return propose(fresh, others)


def worth_comparing(
    new: Sequence[tuple[Known, SearchKeys]], stored: Sequence[tuple[Known, SearchKeys]]
) -> set[UUID]:
    """Those of whom `duplicates.propose` could propose any pair.

    Cheaper than its own look at everybody by what is known already: of two who share only a day of birth, the names decide whether
    they are looked at.
    """
    everybody = [*new, *stored]
    count = len(new)
    by_day: defaultdict[date, list[int]] = defaultdict(list)
    by_other: defaultdict[object, list[int]] = defaultdict(list)
    for index, (known, keys) in enumerate(everybody):
        day = known.draft.birth_day
        if day is not None:
            by_day[day].append(index)
        if keys.name_sorted:
            by_other[keys.name_sorted].append(index)
        for one in known.ids:
            by_other[one].append(index)
    chosen: set[int] = set()
    for block in by_other.values():
        if len(block) > 1 and block[0] < count:
            chosen.update(block)
    for block in by_day.values():
        if len(block) < 2 or block[0] >= count:
            continue
        if len(block) > _LARGE_BLOCK:
            chosen.update(block)
            continue
        for left, right in combinations(block, 2):
            if left < count and _alike(everybody[left][1], everybody[right][1]):
                chosen.add(left)
                chosen.add(right)
    return {everybody[index][0].id for index in chosen}


_LARGE_BLOCK: Final = 64
_SIMILAR_NAME: Final = 85.0


def _alike(left: SearchKeys, right: SearchKeys) -> bool:
    """Whether the same day of birth and these names can make a proposal: same family, or names that resemble each other."""
    if left.name.partition(" ")[0] == right.name.partition(" ")[0]:
        return True
    one, other = left.name_sorted, right.name_sorted
    if fuzz.ratio(one, other) >= _SIMILAR_NAME:
        return True
    return one.replace(" ", "") == other.replace(" ", "")


async def store(ctx: Context, proposals: Iterable[Proposal], batch_id: UUID | None) -> int:
    """How many of the *proposals* were not made before."""
    listed = list(proposals)
    links: list[duplicates.NewLink] = []
    for link_id, proposal in zip(new_ids(len(listed)), listed, strict=True):
        left, right = sorted((UUID(proposal.left), UUID(proposal.right)))
        links.append(
            duplicates.NewLink(
                link_id,
                left,
                right,
                proposal.kind,
                proposal.score,
                proposal.reasons,
                proposal.conflicts,
            )
        )
    return await duplicates.insert(ctx.db, links, batch_id, ctx.now)
