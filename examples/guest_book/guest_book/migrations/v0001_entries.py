"""The book's entries.

Revision ID: v0001
Revises:
"""

import sqlalchemy as sa

from trophenix_sdk.migrations import create_tenant_table, drop_table

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, closed to other tenants."""
    create_tenant_table(
        "entries",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Remove the table with its entries."""
    drop_table("entries")
