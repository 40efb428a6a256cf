"""Tenants, people, access, the outbox, audit, jobs and limits.

Revision ID: k0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from trophenix_migrations.statements import run_file
from trophenix_sdk.migrations import CURRENT_TENANT, secure_tenant_table

revision = "k0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
INSTANT = sa.DateTime(timezone=True)

TENANT_TABLES = (
    "tenant_domains",
    "memberships",
    "invitations",
    "api_keys",
    "activations",
    "grants",
    "quota_windows",
    "limits_used",
    "outbox",
    "audit_entries",
    "idempotency_keys",
    "usage_daily",
    "jobs",
)


def upgrade() -> None:
    """Create everything the kernel keeps."""
    _installation()
    _tenants()
    _people()
    _access()
    _records()
    _jobs()
    for name in TENANT_TABLES:
        secure_tenant_table(name)
    op.execute("grant select, insert, update on kernel.users to trophenix_app")
    op.execute("grant select, insert, update, delete on kernel.tenants to trophenix_app")
    op.execute("grant select, insert, update, delete on kernel.sessions to trophenix_app")
    op.execute("grant select, insert, update, delete on kernel.plugins to trophenix_app")
    run_file("functions.sql")


def downgrade() -> None:
    """Remove everything, the data included."""
    run_file("functions_down.sql")
    for name in (
        *reversed(TENANT_TABLES),
        "plugins",
        "sessions",
        "users",
        "tenants",
        "installation",
    ):
        op.drop_table(name, schema="kernel")


def _tenant_id() -> sa.Column[object]:
    return sa.Column("tenant_id", sa.Uuid, server_default=sa.text(CURRENT_TENANT), nullable=False)


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        schema="kernel",
    )


def _tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("slug", sa.Text(collation="C"), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False, server_default="professional"),
        sa.Column("status", sa.Text, nullable=False, server_default="active"),
        sa.Column("plan", sa.Text, nullable=False, server_default="free"),
        sa.Column("parent_id", sa.Uuid, sa.ForeignKey("kernel.tenants.id")),
        sa.Column("ancestors", ARRAY(sa.Uuid), nullable=False, server_default="{}"),
        sa.Column("locale", sa.Text, nullable=False, server_default="en"),
        sa.Column("time_zone", sa.Text, nullable=False, server_default="UTC"),
        sa.Column("currency", sa.Text, nullable=False, server_default="EUR"),
        sa.Column("region", sa.Text, nullable=False, server_default="eu"),
        sa.Column("cluster", sa.Text, nullable=False, server_default="main"),
        sa.Column("metadata", JSONB, nullable=False, server_default="{}"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("updated_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("deleted_at", INSTANT),
        sa.CheckConstraint(
            "slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' and slug !~ '--'", name="tenant_slug"
        ),
        sa.CheckConstraint("length(name) between 1 and 200", name="tenant_name"),
        sa.CheckConstraint(
            "type in ('public','professional','enterprise','government','federation')",
            name="tenant_type",
        ),
        sa.CheckConstraint(
            "status in ('trial','active','suspended','cancelled')", name="tenant_status"
        ),
        sa.CheckConstraint(
            "plan in ('free','starter','professional','enterprise','custom')", name="tenant_plan"
        ),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="tenant_currency"),
        sa.CheckConstraint("not (id = any (ancestors))", name="tenant_not_its_own_ancestor"),
        schema="kernel",
    )
    op.create_index("tenants_parent", "tenants", ["parent_id"], schema="kernel")
    op.create_table(
        "tenant_domains",
        _tenant_id(),
        sa.Column("domain", sa.Text(collation="C"), nullable=False),
        sa.Column("verified_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "domain"),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel.tenants.id"], ondelete="CASCADE"),
        sa.CheckConstraint("domain = lower(domain)", name="domain_lower"),
        schema="kernel",
    )
    op.create_index(
        "tenant_domains_verified",
        "tenant_domains",
        ["domain"],
        unique=True,
        postgresql_where=sa.text("verified_at is not null"),
        schema="kernel",
    )
    op.create_table(
        "plugins",
        sa.Column("plugin_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("detail", JSONB, nullable=False, server_default="{}"),
        sa.Column("installed_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("detached_at", INSTANT),
        schema="kernel",
    )


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("email", sa.Text(collation="C"), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("locale", sa.Text, nullable=False, server_default="en"),
        sa.Column("platform_admin", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("status", sa.Text, nullable=False, server_default="active"),
        sa.Column("failed_attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("locked_until", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.CheckConstraint("email = lower(email) and email like '_%@_%'", name="user_email"),
        sa.CheckConstraint("status in ('active','disabled')", name="user_status"),
        schema="kernel",
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("kernel.users.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.Column("ip", sa.Text, nullable=False, server_default=""),
        sa.Column("user_agent", sa.Text, nullable=False, server_default=""),
        schema="kernel",
    )
    op.create_index("sessions_user", "sessions", ["user_id"], schema="kernel")


def _access() -> None:
    op.create_table(
        "memberships",
        _tenant_id(),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="active"),
        sa.Column("invited_by", sa.Uuid),
        sa.Column("expires_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "user_id", name="membership_once"),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel.tenants.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["kernel.users.id"], ondelete="CASCADE"),
        sa.CheckConstraint(
            "role in ('owner','admin','manager','member','viewer','guest')", name="membership_role"
        ),
        sa.CheckConstraint(
            "status in ('invited','active','suspended','removed')", name="membership_status"
        ),
        sa.CheckConstraint("role <> 'guest' or expires_at is not null", name="guest_expires"),
        schema="kernel",
    )
    op.create_index(
        "membership_one_owner",
        "memberships",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("role = 'owner' and status = 'active'"),
        schema="kernel",
    )
    op.create_index("memberships_user", "memberships", ["user_id"], schema="kernel")
    op.create_table(
        "invitations",
        _tenant_id(),
        sa.Column("token_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "token_hash"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["kernel.memberships.tenant_id", "kernel.memberships.user_id"],
            ondelete="CASCADE",
        ),
        schema="kernel",
    )
    op.create_table(
        "api_keys",
        _tenant_id(),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("expires_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
        sa.Column("last_used_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel.tenants.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["kernel.users.id"], ondelete="CASCADE"),
        sa.CheckConstraint("environment in ('live','test')", name="api_key_environment"),
        sa.CheckConstraint("octet_length(key_hash) = 32", name="api_key_hashed"),
        schema="kernel",
    )
    op.create_table(
        "activations",
        _tenant_id(),
        sa.Column("plugin_id", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("settings", JSONB, nullable=False, server_default="{}"),
        sa.Column("consented", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("changed_by", sa.Uuid),
        sa.PrimaryKeyConstraint("tenant_id", "plugin_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel.tenants.id"], ondelete="CASCADE"),
        sa.CheckConstraint(
            "state in ('ENABLED','DISABLED','CONSENT_NEEDED','PAYMENT_NEEDED','SUSPENDED','DETACHED')",
            name="activation_state",
        ),
        schema="kernel",
    )
    op.create_table(
        "grants",
        _tenant_id(),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("permission", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False, server_default="allow"),
        sa.Column("created_by", sa.Uuid),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint(
            "tenant_id", "subject_kind", "subject", "permission", name="grant_once"
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["kernel.tenants.id"], ondelete="CASCADE"),
        sa.CheckConstraint("subject_kind in ('role','user')", name="grant_subject"),
        sa.CheckConstraint("effect in ('allow','deny')", name="grant_effect"),
        schema="kernel",
    )
    op.create_table(
        "quota_windows",
        _tenant_id(),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "starts_at"),
        sa.CheckConstraint("used >= 0", name="quota_used"),
        schema="kernel",
    )
    op.create_table(
        "limits_used",
        _tenant_id(),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name"),
        sa.CheckConstraint("used >= 0", name="limit_used"),
        schema="kernel",
    )


def _records() -> None:
    op.create_table(
        "outbox",
        _tenant_id(),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("plugin_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("aggregate", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="kernel",
    )
    op.create_table(
        "audit_entries",
        _tenant_id(),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("operation", sa.Text(collation="C"), nullable=False),
        sa.Column("door", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False, server_default=""),
        sa.Column("summary", sa.Text, nullable=False, server_default=""),
        sa.Column("details", JSONB, nullable=False, server_default="{}"),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="kernel",
    )
    op.create_index(
        "audit_operation", "audit_entries", ["tenant_id", "operation", "id"], schema="kernel"
    )
    op.create_table(
        "idempotency_keys",
        _tenant_id(),
        sa.Column("actor_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("operation", sa.Text(collation="C")),
        sa.Column("status", sa.SmallInteger),
        sa.Column("body", sa.LargeBinary),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "actor_id", "key"),
        sa.CheckConstraint("length(key) between 1 and 255", name="idempotency_key_length"),
        schema="kernel",
    )
    op.create_table(
        "usage_daily",
        _tenant_id(),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("operation", sa.Text(collation="C"), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("errors", sa.BigInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "operation"),
        schema="kernel",
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        _tenant_id(),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("operation", sa.Text(collation="C"), nullable=False),
        sa.Column("input", JSONB, nullable=False),
        sa.Column("actor", JSONB, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="queued"),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("result", JSONB),
        sa.Column("problem", JSONB),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("run_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("leased_until", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("finished_at", INSTANT),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint(
            "status in ('queued','running','succeeded','failed','cancelled')", name="job_status"
        ),
        schema="kernel",
    )
    op.create_index(
        "jobs_waiting",
        "jobs",
        ["run_at"],
        postgresql_where=sa.text("status in ('queued','running')"),
        schema="kernel",
    )
