"""The book's SQL. The tenant is never mentioned: the transaction knows it and the database keeps to it."""

from guest_book.model import Entry
from trophenix_sdk.database import Query

INSERT = Query(
    "insert into plugin_stranger_guest_book.entries (id, name, message, written_at)"
    " values (:id, :name, :message, :written_at) returning id, name, message, written_at",
    Entry,
)
PAGE = Query(
    "select id, name, message, written_at from plugin_stranger_guest_book.entries"
    " where cast(:before as uuid) is null or id < :before order by id desc limit :count",
    Entry,
)
