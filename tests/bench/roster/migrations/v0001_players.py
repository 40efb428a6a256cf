"""Players.

Revision ID: v0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from trophenix_sdk.migrations import create_tenant_table, drop_table, owner_schema

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    create_tenant_table(
        "players",
        sa.Column("family_name", sa.Text(collation="C"), nullable=False),
        sa.Column("given_name", sa.Text, nullable=False),
        sa.Column("sex", sa.Text),
        sa.Column("born_on", sa.Date),
        sa.Column("country", sa.Text(collation="C")),
        sa.Column("sport", sa.Text(collation="C")),
        sa.Column("club", sa.Text),
        sa.Column("ranking", sa.Integer),
        sa.Column("height_cm", sa.Double),
        sa.Column("attributes", JSONB, nullable=False, server_default="{}"),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
    )
    op.execute(
        f"create index players_name on {owner_schema()}.players (tenant_id, family_name, id)"
    )


def downgrade() -> None:
    """Remove it, the rows included."""
    drop_table("players")
