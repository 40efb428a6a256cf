"""Proposing pairs: the rules of `duplicates` applied to what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from uuid import UUID

from trophenix_recruitment.duplicates import Candidate, Proposal, judge, propose
from trophenix_recruitment.keys import plain_ids, search_keys
from trophenix_recruitment.model import AthleteDraft
from trophenix_recruitment.store import duplicates
from trophenix_recruitment.store.athletes import StoredAthlete
from trophenix_sdk.context import Context
from trophenix_sdk.ids import new_ids


async def propose_for(ctx: Context, found: StoredAthlete) -> int:
    """How many stored athletes were newly proposed as possibly the same person as *found*, who is stored already."""
    draft = found.draft()
    day = draft.birth_day
    others = await duplicates.comparable(
        ctx.db,
        [name] if (name := search_keys(draft).name_sorted) else [],
        [day] if day else [],
        plain_ids(draft),
    )
    proposals = judge(
        Candidate(str(found.id), draft), [Candidate(str(o.id), o.draft()) for o in others]
    )
    return await store(ctx, proposals, None)


async def among(
    new: Sequence[Candidate], stored: Iterable[tuple[UUID, AthleteDraft]]
) -> list[Proposal]:
    """All proposals among *new* athletes and between them and *stored* ones, worked out beside the event loop."""
    known = [Candidate(str(one), draft) for one, draft in stored]
    return await asyncio.to_thread(propose, new, known)


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
