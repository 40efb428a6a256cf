"""Things.

Revision ID: v0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from trophenix_sdk.migrations import create_tenant_table, drop_table

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    create_tenant_table(
        "things",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False, server_default="1"),
        sa.Column("made_at", sa.DateTime(timezone=True)),
        sa.Column("details", JSONB, nullable=False, server_default="{}"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.UniqueConstraint("tenant_id", "name", name="thing_name"),
    )


def downgrade() -> None:
    """Remove it."""
    drop_table("things")
