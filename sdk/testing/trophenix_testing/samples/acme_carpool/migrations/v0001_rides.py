"""Rides and passengers.

Revision ID: v0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from trophenix_sdk.migrations import create_tenant_table, drop_table, owner_schema

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    create_tenant_table(
        "rides",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("seats", sa.Integer, nullable=False),
        sa.Column("leaves_at", sa.DateTime(timezone=True)),
        sa.Column("details", JSONB, nullable=False, server_default="{}"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.UniqueConstraint("tenant_id", "name", name="ride_name"),
        sa.CheckConstraint("seats between 1 and 60", name="ride_seats"),
    )
    create_tenant_table(
        "passengers",
        sa.Column("ride_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ride_id"],
            [f"{owner_schema()}.rides.tenant_id", f"{owner_schema()}.rides.id"],
            name="passenger_ride",
        ),
    )


def downgrade() -> None:
    """Remove them, the rows included."""
    drop_table("passengers")
    drop_table("rides")
