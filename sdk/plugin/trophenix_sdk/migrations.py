"""What a plugin's Alembic revisions call: tables that are closed to other tenants from the moment they exist.

The runner sets the search path to the plugin's schema, so names stay unqualified. Import no models here or in a revision: a
revision says what the tables were on its day.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

CURRENT_TENANT: Final = "nullif(current_setting('app.tenant_id', true), '')::uuid"
"""The transaction's tenant, or NULL; NULL outside a tenant closes the table instead of raising.

Policies hold it in a sub-select: a read that sets the tenant in its own statement is planned before there is one, and the bare expression
would then be planned as NULL, which makes every index look equally good. docs/adr/0007 has the figures."""


def owner_schema() -> str:
    """The schema this history belongs to."""
    return op.get_context().opts["version_table_schema"]


def create_tenant_table(name: str, *parts: sa.Column[Any] | sa.Constraint) -> None:
    """Create a table keyed by ``(tenant_id, id)`` under forced row-level security, usable by the owner's role."""
    schema = owner_schema()
    op.create_table(
        name,
        sa.Column("tenant_id", sa.Uuid, server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        *parts,
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{name}"),
        schema=schema,
    )
    secure_tenant_table(name)


def secure_tenant_table(name: str) -> None:
    """Force row-level security on a table that has a ``tenant_id``, and let the owner's role use it.

    TRUNCATE and REFERENCES stay refused: row security does not cover them.
    """
    schema = owner_schema()
    role = "trophenix_app" if schema == "kernel" else schema
    for statement in (
        f"alter table {schema}.{name} enable row level security",
        f"alter table {schema}.{name} force row level security",
        (
            f"create policy tenant on {schema}.{name} using (tenant_id = (select {CURRENT_TENANT}))"
            f" with check (tenant_id = (select {CURRENT_TENANT}))"
        ),
        f"grant select, insert, update, delete on {schema}.{name} to {role}",
    ):
        op.execute(statement)


def drop_table(name: str) -> None:
    """Drop a table of this history."""
    op.drop_table(name, schema=owner_schema())
