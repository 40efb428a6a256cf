"""Greetings.

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
    """Make the table; it is closed to other tenants from the moment it exists."""
    create_tenant_table(
        "greetings",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column(
            "sent_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
    )


def downgrade() -> None:
    """Remove the table and its rows."""
    drop_table("greetings")
