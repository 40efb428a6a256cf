"""Bookings.

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
    """Make the table."""
    create_tenant_table("bookings", sa.Column("place", sa.Text, nullable=False))


def downgrade() -> None:
    """Remove it, the rows included."""
    drop_table("bookings")
