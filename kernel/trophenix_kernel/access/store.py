"""The SQL of memberships and grants, inside one tenant."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from trophenix_kernel.access.model import Grant
from trophenix_sdk.database import Query

GRANTS: Final = Query(
    "select id, subject_kind, subject, permission, effect from kernel.grants order by id", Grant
)
INSERT_GRANT: Final = Query(
    "insert into kernel.grants (id, subject_kind, subject, permission, effect, created_by)"
    " values (:id, :subject_kind, :subject, :permission, :effect, :created_by)"
    " on conflict on constraint grant_once do update set effect = excluded.effect"
    " returning id, subject_kind, subject, permission, effect",
    Grant,
)
DELETE_GRANT: Final = Query("delete from kernel.grants where id = :id returning id", UUID)
