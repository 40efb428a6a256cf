"""The only SQL of the plugin. The tenant is never named: the database fills it in and shows no other tenant's rows."""

from __future__ import annotations

from typing import Final

from trophenix_sdk.database import Query

from acme_hello.model import Greeting

_COLUMNS: Final = "id, name, text, sent_at"

PAGE: Final = Query(
    f"select {_COLUMNS} from greetings where (cast(:before as uuid) is null or id < :before)"
    " and (cast(:q as text) is null or strpos(lower(name), lower(:q)) > 0) order by id desc limit :limit",
    Greeting,
)
INSERT: Final = Query(
    f"insert into greetings (id, name, text) values (:id, :name, :text) returning {_COLUMNS}",
    Greeting,
)
