"""What people can do with the book."""

from uuid import UUID

from guest_book import store
from guest_book.model import Entry, EntryQuery, NewEntry
from trophenix_sdk.context import Context
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, POST, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor


@operation(
    name="entry.list", title="Read the guest book", http=GET("/guest-book"), permission="entry.read"
)
async def list_entries(ctx: Context, query: EntryQuery) -> Page[Entry]:
    """The entries, newest first."""
    before: UUID | None = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    found = await ctx.db.all(store.PAGE, before=before, count=query.limit + 1)
    entries = found[: query.limit]
    return Page(entries, encode_cursor(entries[-1].id) if len(found) > query.limit else None)


@operation(
    name="entry.write",
    title="Write into the guest book",
    http=POST("/guest-book"),
    permission="entry.write",
    status=201,
)
async def write_entry(ctx: Context, entry: NewEntry) -> Entry:
    """The entry is in the book, and the audit log says who wrote it."""
    written = await ctx.db.one(
        store.INSERT, id=new_id(), name=entry.name, message=entry.message, written_at=ctx.now
    )
    ctx.audit(f"{entry.name} wrote into the guest book", target=str(written.id))
    return written
