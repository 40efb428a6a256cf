"""What the hooks wrote.

Revision ID: v0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa

from trophenix_sdk.migrations import create_tenant_table, drop_table

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; that no text stands twice is found out only at the commit."""
    create_tenant_table(
        "notes",
        sa.Column("text", sa.Text, nullable=False),
        sa.UniqueConstraint(
            "tenant_id", "text", name="note_once", deferrable=True, initially="DEFERRED"
        ),
    )


def downgrade() -> None:
    """Remove it."""
    drop_table("notes")
