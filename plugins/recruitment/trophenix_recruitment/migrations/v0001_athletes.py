"""Athletes, their identifiers, imports with their evidence, and pairs that may be one person.

Every index begins with ``tenant_id``, and every column that is searched by has a type whose comparisons are leakproof: under row
security no other operator becomes an index condition.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from trophenix_sdk.migrations import (
    CURRENT_TENANT,
    create_tenant_table,
    drop_table,
    owner_schema,
    secure_tenant_table,
)

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

# Sorted and searched by code point, whatever the database's language.
WORDS = sa.Text(collation="C")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _athlete()
    _external_id()
    _import_batch()
    _import_file()
    _import_row()
    _duplicate_link()


def downgrade() -> None:
    """Remove them with all they hold."""
    for name in (
        "duplicate_link",
        "import_row",
        "import_file",
        "import_batch",
        "external_id",
        "athlete",
    ):
        drop_table(name)
    for moment in ("insert", "update", "delete"):
        op.execute(f"drop function {owner_schema()}.external_ids_on_{moment}()")


def _athlete() -> None:
    create_tenant_table(
        "athlete",
        sa.Column("family_name", sa.Text, nullable=False),
        sa.Column("given_name", sa.Text, nullable=False),
        sa.Column("sex", sa.Text),
        sa.Column("birth_earliest", sa.Date),
        sa.Column("birth_latest", sa.Date),
        sa.Column("nationality", WORDS),
        sa.Column("nationality_system", WORDS),
        sa.Column("country", WORDS),
        sa.Column("sport", sa.Text),
        sa.Column("ranking", sa.Integer),
        sa.Column("height_cm", sa.Double),
        sa.Column("weight_kg", sa.Double),
        sa.Column("position", sa.Text),
        sa.Column("club", sa.Text),
        sa.Column("visibility", sa.Text, nullable=False),
        sa.Column("attributes", JSONB, nullable=False),
        sa.Column("external_ids", JSONB, nullable=False, server_default="[]"),
        # The words of the name, family name first; then begun with the second, third and fourth word, so that a prefix search
        # finds every one of them through an index. A longer name is marked by its number of words.
        sa.Column("name_key", WORDS, nullable=False),
        sa.Column("name_key_2", WORDS),
        sa.Column("name_key_3", WORDS),
        sa.Column("name_key_4", WORDS),
        sa.Column("name_words", sa.SmallInteger, nullable=False),
        sa.Column("name_sorted", WORDS, nullable=False),
        sa.Column("sport_key", WORDS),
        sa.Column("position_key", WORDS),
        sa.Column("club_key", WORDS),
        # Which import brought the athlete in, as which row of the file; nobody searches by it, so it has no index.
        sa.Column("batch_id", sa.Uuid),
        sa.Column("batch_seq", sa.Integer),
        sa.Column("batch_line", sa.Integer),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("family_name <> '' or given_name <> ''", name="athlete_has_name"),
        sa.CheckConstraint(
            "length(family_name) <= 120 and length(given_name) <= 120", name="athlete_name_length"
        ),
        sa.CheckConstraint("sex in ('F', 'M', 'X')", name="athlete_sex"),
        sa.CheckConstraint(
            "(birth_earliest is null) = (birth_latest is null)", name="athlete_birth_whole"
        ),
        sa.CheckConstraint(
            "birth_earliest <= birth_latest and birth_earliest >= date '1850-01-01'",
            name="athlete_birth_range",
        ),
        sa.CheckConstraint(
            "(nationality is null) = (nationality_system is null)", name="athlete_code_system"
        ),
        sa.CheckConstraint("nationality_system in ('ISO', 'IOC', 'FIFA')", name="athlete_system"),
        sa.CheckConstraint(
            "country is null or (nationality is not null and length(country) = 2)",
            name="athlete_country",
        ),
        sa.CheckConstraint("ranking >= 1", name="athlete_ranking"),
        sa.CheckConstraint("height_cm between 60 and 260", name="athlete_height"),
        sa.CheckConstraint("weight_kg between 20 and 300", name="athlete_weight"),
        sa.CheckConstraint(
            "visibility in ('recruiter_only', 'public_free', 'public_premium')",
            name="athlete_visibility",
        ),
        sa.CheckConstraint("jsonb_typeof(attributes) = 'object'", name="athlete_attributes"),
        sa.CheckConstraint("jsonb_typeof(external_ids) = 'array'", name="athlete_external_ids"),
        sa.CheckConstraint(
            "(batch_id is null) = (batch_seq is null) and (batch_id is null) = (batch_line is null)",
            name="athlete_batch",
        ),
        sa.CheckConstraint("version >= 1", name="athlete_version"),
    )
    schema = owner_schema()
    for name, columns, condition in (
        ("name", "name_key, id", ""),
        ("name_2", "name_key_2", "name_key_2 is not null"),
        ("name_3", "name_key_3", "name_key_3 is not null"),
        ("name_4", "name_key_4", "name_key_4 is not null"),
        ("long_name", "id", "name_words > 4"),
        ("birth", "birth_earliest", "birth_earliest is not null"),
        ("sport", "sport_key, ranking", ""),
    ):
        where = f" where {condition}" if condition else ""
        op.execute(f"create index athlete_{name} on {schema}.athlete (tenant_id, {columns}){where}")


def _external_id() -> None:
    """Who has which identifier: kept by triggers from the athletes' own lists, so that one belongs to one athlete only.

    Statement by statement, because a foreign key asks and locks row by row, which costs an import of ten thousand more than writing
    the rows does.
    """
    schema = owner_schema()
    op.create_table(
        "external_id",
        sa.Column("tenant_id", sa.Uuid, server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("scheme", WORDS, nullable=False),
        sa.Column("value", WORDS, nullable=False),
        sa.Column("athlete_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "scheme", "value", name="external_id_taken"),
        sa.CheckConstraint("scheme <> '' and value <> ''", name="external_id_whole"),
        sa.CheckConstraint(
            "length(scheme) <= 120 and length(value) <= 120", name="external_id_length"
        ),
        schema=schema,
    )
    secure_tenant_table("external_id")
    read = "cross join lateral jsonb_to_recordset(a.external_ids) as i(scheme text, value text)"
    same = "e.tenant_id = a.tenant_id and e.scheme = i.scheme and e.value = i.value and e.athlete_id = a.id"
    has = "@> jsonb_build_array(jsonb_build_object('scheme', i.scheme, 'value', i.value))"
    for moment, tables, body in (
        (
            "insert",
            "new table as added",
            f"""
            insert into external_id (tenant_id, scheme, value, athlete_id)
            select a.tenant_id, i.scheme, i.value, a.id from added a {read} order by i.scheme, i.value;""",
        ),
        (
            "update",
            "old table as before new table as after",
            f"""
            if exists (select from before b join after a on a.tenant_id = b.tenant_id and a.id = b.id
                       where a.external_ids <> b.external_ids)
            then
              delete from external_id e using before a join after n on n.tenant_id = a.tenant_id and n.id = a.id {read}
              where {same} and not n.external_ids {has};
              insert into external_id (tenant_id, scheme, value, athlete_id)
              select a.tenant_id, i.scheme, i.value, a.id
              from after a join before b on b.tenant_id = a.tenant_id and b.id = a.id {read}
              where not b.external_ids {has} order by i.scheme, i.value;
            end if;""",
        ),
        (
            "delete",
            "old table as gone",
            f"""
            delete from external_id e using gone a {read} where {same};""",
        ),
    ):
        op.execute(f"""
            create function {schema}.external_ids_on_{moment}() returns trigger language plpgsql
            set search_path = {schema}, pg_temp as $$
            begin {body}
              return null;
            end $$""")
        op.execute(f"""
            create trigger external_ids_on_{moment} after {moment} on {schema}.athlete referencing {tables}
            for each statement execute function {schema}.external_ids_on_{moment}()""")


def _import_batch() -> None:
    create_tenant_table(
        "import_batch",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("file_bytes", sa.BigInteger),
        sa.Column("sha256", sa.LargeBinary),
        # Which mapping was asked for: '' when it is the suggested one.
        sa.Column("asked", WORDS, nullable=False, server_default=""),
        sa.Column("mapping", JSONB),
        sa.Column("format", sa.Text, nullable=False, server_default=""),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("status", WORDS, nullable=False),
        sa.Column("job_id", sa.Uuid),
        sa.Column("total", sa.Integer, nullable=False, server_default="0"),
        sa.Column("imported", sa.Integer, nullable=False, server_default="0"),
        sa.Column("updated", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unchanged", sa.Integer, nullable=False, server_default="0"),
        sa.Column("repeated", sa.Integer, nullable=False, server_default="0"),
        sa.Column("rejected", sa.Integer, nullable=False, server_default="0"),
        sa.Column("errors", sa.Integer, nullable=False, server_default="0"),
        sa.Column("warnings", sa.Integer, nullable=False, server_default="0"),
        sa.Column("duplicates_proposed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("kept", sa.Integer, nullable=False, server_default="0"),
        sa.Column("duration_ms", sa.Integer),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("created_by_name", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("reverted_at", INSTANT),
        sa.Column("reverted_by_name", sa.Text),
        sa.CheckConstraint(
            "status in ('queued', 'previewed', 'applied', 'applied_with_errors', 'reverting', 'reverted', 'failed')",
            name="import_batch_status",
        ),
        sa.CheckConstraint(
            "status not in ('applied', 'applied_with_errors', 'reverted')"
            " or imported + updated + unchanged + rejected = total",
            name="import_batch_adds_up",
        ),
        sa.CheckConstraint("repeated <= unchanged", name="import_batch_repeated"),
        sa.CheckConstraint(
            "least(total, imported, updated, unchanged, repeated, rejected, errors, warnings,"
            " duplicates_proposed, kept) >= 0",
            name="import_batch_counts",
        ),
        sa.CheckConstraint("batch_size between 1 and 100000", name="import_batch_size"),
        sa.CheckConstraint("length(sha256) = 32", name="import_batch_digest"),
    )
    schema = owner_schema()
    op.execute(
        f"create unique index import_batch_same_file on {schema}.import_batch (tenant_id, sha256, asked)"
        " where sha256 is not null and status not in ('reverted', 'failed')"
    )


def _import_file() -> None:
    create_tenant_table(
        "import_file",
        sa.Column("batch_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("chunk", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("length(chunk) between 1 and 1048576", name="import_file_chunk"),
        sa.UniqueConstraint("tenant_id", "batch_id", "seq", name="import_file_place"),
        _of_batch("import_file_batch"),
    )


def _import_row() -> None:
    """Rows worth a word: refused, repeated, changing somebody, or with a remark. Who was simply added says so in ``athlete``."""
    schema = owner_schema()
    op.create_table(
        "import_row",
        sa.Column("tenant_id", sa.Uuid, server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("batch_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("athlete_id", sa.Uuid),
        # The athlete's version once this row was written: a later change shows by another one.
        sa.Column("version", sa.Integer),
        sa.Column("problems", JSONB),
        sa.Column("raw", JSONB),
        sa.Column("before", JSONB),
        sa.PrimaryKeyConstraint("tenant_id", "batch_id", "seq", name="pk_import_row"),
        _of_batch("import_row_batch"),
        sa.CheckConstraint(
            "status in ('imported', 'updated', 'unchanged', 'repeated', 'rejected', 'reverted', 'kept')",
            name="import_row_status",
        ),
        schema=schema,
    )
    secure_tenant_table("import_row")
    # Finds what is kept about an athlete who is to be forgotten.
    op.execute(
        f"create index import_row_of_athlete on {schema}.import_row (tenant_id, athlete_id)"
        " where athlete_id is not null and (raw is not null or before is not null)"
    )


def _duplicate_link() -> None:
    schema = owner_schema()
    create_tenant_table(
        "duplicate_link",
        sa.Column("left_id", sa.Uuid, nullable=False),
        sa.Column("right_id", sa.Uuid, nullable=False),
        sa.Column("kind", WORDS, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("reasons", ARRAY(sa.Text), nullable=False),
        sa.Column("conflicts", ARRAY(sa.Text), nullable=False),
        sa.Column("batch_id", sa.Uuid),
        sa.Column("decision", WORDS),
        sa.Column("decided_by", sa.Uuid),
        sa.Column("decided_by_name", sa.Text),
        sa.Column("decided_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("left_id < right_id", name="duplicate_link_order"),
        sa.CheckConstraint(
            "kind in ('certain', 'probable', 'possible', 'possible_relatives')",
            name="duplicate_link_kind",
        ),
        sa.CheckConstraint("score between 0 and 1", name="duplicate_link_score"),
        sa.CheckConstraint(
            "decision in ('same', 'different', 'relatives')", name="duplicate_link_decision"
        ),
        sa.CheckConstraint(
            "(decision is null) = (decided_by is null) and (decision is null) = (decided_at is null)",
            name="duplicate_link_decided",
        ),
        sa.UniqueConstraint("tenant_id", "left_id", "right_id", name="duplicate_link_pair"),
        *(
            sa.ForeignKeyConstraint(
                ["tenant_id", column],
                [f"{schema}.athlete.tenant_id", f"{schema}.athlete.id"],
                name=f"duplicate_link_{column}",
                ondelete="CASCADE",
            )
            for column in ("left_id", "right_id")
        ),
    )
    op.execute(
        f"create index duplicate_link_right on {schema}.duplicate_link (tenant_id, right_id)"
    )
    op.execute(
        f"create index duplicate_link_open on {schema}.duplicate_link (tenant_id, kind, id) where decision is null"
    )


def _of_batch(name: str) -> sa.ForeignKeyConstraint:
    schema = owner_schema()
    return sa.ForeignKeyConstraint(
        ["tenant_id", "batch_id"],
        [f"{schema}.import_batch.tenant_id", f"{schema}.import_batch.id"],
        name=name,
        ondelete="CASCADE",
    )
