"""The directory's SQL."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from trophenix_kernel.tenancy.model import TenantRecord
from trophenix_sdk.database import Query

_COLUMNS: Final = (
    "id, slug, name, type, status, plan, parent_id, ancestors, locale, time_zone, currency, region, cluster, metadata,"
    " version, created_at, deleted_at"
)

BY_SLUG: Final = Query(f"select {_COLUMNS} from kernel.tenants where slug = :slug", TenantRecord)
BY_ID: Final = Query(f"select {_COLUMNS} from kernel.tenants where id = :id", TenantRecord)
BY_DOMAIN: Final = Query("select kernel.find_domain(:domain)", UUID)
CHILDREN: Final = Query(
    f"select {_COLUMNS} from kernel.tenants where parent_id = :parent and deleted_at is null order by slug",
    TenantRecord,
)
INSERT: Final = Query(
    "insert into kernel.tenants (id, slug, name, type, status, plan, parent_id, locale, time_zone, currency, region, cluster,"
    " metadata) values (:id, :slug, :name, :type, :status, :plan, :parent_id, :locale, :time_zone, :currency, :region, :cluster,"
    f" :metadata) returning {_COLUMNS}",
    TenantRecord,
)
CHANGE: Final = Query(
    "update kernel.tenants set name = coalesce(:name, name), type = coalesce(:type, type), plan = coalesce(:plan, plan),"
    " locale = coalesce(:locale, locale), time_zone = coalesce(:time_zone, time_zone), currency = coalesce(:currency, currency),"
    " version = version + 1, updated_at = clock_timestamp()"
    f" where id = :id and deleted_at is null and (cast(:version as int) is null or version = :version) returning {_COLUMNS}",
    TenantRecord,
)
SET_STATUS: Final = Query(
    "update kernel.tenants set status = :after, version = version + 1, updated_at = clock_timestamp()"
    f" where id = :id and status = :before and deleted_at is null returning {_COLUMNS}",
    TenantRecord,
)
SET_DELETED: Final = Query(
    "update kernel.tenants set deleted_at = cast(:at as timestamptz), version = version + 1, updated_at = clock_timestamp()"
    " where id = :id and (deleted_at is null) = (cast(:at as timestamptz) is not null)"
    f" returning {_COLUMNS}",
    TenantRecord,
)
LOCK: Final = Query(
    f"select {_COLUMNS} from kernel.tenants where slug = :slug for update", TenantRecord
)
KEEP: Final = Query(
    f"select {_COLUMNS} from kernel.tenants where id = :id and deleted_at is null for share",
    TenantRecord,
)
BELOW: Final = Query(
    "select count(*) from kernel.tenants where :id = any (ancestors) and deleted_at is null", int
)
PAGE: Final = Query(
    f"select {_COLUMNS} from kernel.tenants where deleted_at is null and slug > :after"
    " and (cast(:q as text) is null or slug ^@ cast(:q as text) or position(lower(cast(:q as text)) in lower(name)) > 0)"
    " order by slug limit :limit",
    TenantRecord,
)
COUNT: Final = Query("select count(*) from kernel.tenants where deleted_at is null", int)
WITHIN: Final = Query(
    f"select {_COLUMNS} from kernel.tenants where deleted_at is null"
    " and (id = any (cast(:ids as uuid[])) or ancestors && cast(:ids as uuid[])) order by name, slug limit 500",
    TenantRecord,
)
SET_PLAN: Final = Query(
    "update kernel.tenants set plan = :plan, version = version + 1, updated_at = clock_timestamp()"
    f" where id = :id and deleted_at is null returning {_COLUMNS}",
    TenantRecord,
)
PURGEABLE: Final = Query(
    f"select {_COLUMNS} from kernel.tenants where deleted_at < :before order by cardinality(ancestors) desc, id",
    TenantRecord,
)
DELETE: Final = Query(
    "delete from kernel.tenants where id = :id and deleted_at is not null returning id", UUID
)
