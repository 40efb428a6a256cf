"""Taking an import back: what it added goes, what it changed becomes what it was, what people changed since is left alone."""

from __future__ import annotations

from typing import Final

from trophenix_recruitment.events import REVERTED, ImportUndone
from trophenix_recruitment.store import imports
from trophenix_recruitment.store.imports import Batch
from trophenix_sdk.context import Context

LIMIT: Final = "athletes"
_AT_ONCE: Final = 1_000
_CHANGED_SINCE: Final = {
    "column": None,
    "code": "athlete.changed_since",
    "message": "the athlete was changed after the import and is kept as it is.",
    "value": None,
    "severity": "warning",
}


async def undo(ctx: Context, batch: Batch) -> None:
    """The batch is taken back; its counters stay, the lines keep no personal data, and the file is gone."""
    # The count is taken first, as everywhere: whoever holds it cannot be waited for in a circle.
    await ctx.use_limit(LIMIT, 0)
    removed = await imports.remove_added(ctx.db, batch.id)
    await ctx.progress(removed, batch.imported + batch.updated)
    restored, seq = 0, 0
    while rows := await imports.restorable(ctx.db, batch.id, seq, _AT_ONCE):
        seq = rows[-1].seq
        await imports.restore(ctx.db, batch.id, rows, ctx.now)
        restored += len(rows)
        await ctx.progress(removed + restored, batch.imported + batch.updated)
    kept = await imports.keep_rest(ctx.db, batch.id, [_CHANGED_SINCE])
    if removed:
        await ctx.use_limit(LIMIT, -removed)
    await imports.mark_reverted(ctx.db, batch.id, kept, ctx.actor.name, ctx.now)
    ctx.events.emit(REVERTED, ImportUndone(batch.id, removed, restored, kept), aggregate=batch.id)
    ctx.audit(
        f"Import of {batch.file_name} taken back: {removed} athletes removed, {restored} restored, {kept} kept",
        target=str(batch.id),
    )
