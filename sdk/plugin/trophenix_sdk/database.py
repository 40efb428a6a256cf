"""Tables and statements of a plugin: described with SQLAlchemy, compiled once, run by the kernel.

SQLAlchemy is the language here, not the engine: a `Query` is compiled when its module is imported and afterwards only carries
text, parameter names and a row constructor, which is five to six times cheaper per call than executing through SQLAlchemy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg as dialect_module

from trophenix_sdk.manifest import schema_name

T = TypeVar("T")

_dialect: Any = cast("Any", dialect_module).dialect()


def plugin_metadata(plugin_id: str) -> sa.MetaData:
    """Table metadata bound to the plugin's own schema."""
    return sa.MetaData(schema=schema_name(plugin_id))


def tenant_table(
    name: str, metadata: sa.MetaData, *parts: sa.Column[Any] | sa.Constraint
) -> sa.Table:
    """A table keyed by ``(tenant_id, id)``.

    ``tenant_id`` fills itself from the transaction's tenant, so statements never mention it.
    """
    return sa.Table(
        name,
        metadata,
        sa.Column("tenant_id", sa.Uuid, primary_key=True, server_default=sa.FetchedValue()),
        sa.Column("id", sa.Uuid, primary_key=True),
        *parts,
        # A plain INSERT stays plain; a statement that wants rows back says RETURNING.
        implicit_returning=False,
    )


class Query(Generic[T]):
    """One SQL statement, ready to run.

    Args:
        statement: a SQLAlchemy statement, or SQL text with ``:name`` parameters. One statement only.
        into: what a row becomes: a msgspec struct whose fields stand in the order of the columns, or a scalar type, which takes
            the first column. ``jsonb`` columns are decoded to the field's type.

    Source: the measured comparison in docs/performance.md.
    """

    __slots__ = ("forms", "into", "make", "names", "presets", "sql")

    def __init__(self, statement: sa.Executable | str, into: type[T] | None = None) -> None:
        clause: Any = sa.text(statement) if isinstance(statement, str) else statement
        compiled: Any = clause.compile(
            dialect=_dialect, compile_kwargs={"render_postcompile": True}
        )
        self.sql: str = str(compiled)
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self.presets: dict[str, Any] = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        self.into = into
        self.make: Callable[[Sequence[Any]], T] = row_maker(into)
        self.forms: dict[str, str] = {}
        """Rewritten texts the kernel keeps with the statement."""

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        """The parameter values in the statement's order; a name that was not given is NULL.

        Raises:
            TypeError: a given name is not a parameter of this statement.
        """
        presets = self.presets
        if given and not given.keys() <= set(self.names):
            unknown = ", ".join(sorted(set(given) - set(self.names)))
            message = f"unknown parameter {unknown}; the statement has {', '.join(self.names)}"
            raise TypeError(message)
        return [given[name] if name in given else presets.get(name) for name in self.names]

    def __repr__(self) -> str:
        return f"Query({self.sql!r})"


_SCALARS = (int, str, bool, float, bytes, UUID)


def row_maker(into: Any) -> Callable[[Sequence[Any]], Any]:
    """A function from a database row to an instance of *into*."""
    if into is None or into is tuple:
        return tuple
    if into in _SCALARS or not (isinstance(into, type) and issubclass(into, msgspec.Struct)):
        return _first_column
    decoders = tuple(
        (index, msgspec.json.Decoder(field.type))
        for index, field in enumerate(msgspec.structs.fields(into))
        if _is_document(field.type)
    )
    if not decoders:
        return lambda row: into(*row)

    def make(row: Sequence[Any]) -> Any:
        values = list(row)
        for index, decoder in decoders:
            if isinstance(values[index], msgspec.Raw):
                values[index] = decoder.decode(values[index])
        return into(*values)

    return make


def _first_column(row: Sequence[Any]) -> Any:
    return row[0]


@functools.cache
def _is_document(kind: Any) -> bool:
    """Whether a field of this type can only have come from a ``jsonb`` column."""
    if kind is msgspec.Raw:
        return False
    info = msgspec.inspect.type_info(kind)
    members = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    documents = (
        msgspec.inspect.StructType,
        msgspec.inspect.DictType,
        msgspec.inspect.CollectionType,
        msgspec.inspect.VarTupleType,
        msgspec.inspect.TupleType,
        msgspec.inspect.AnyType,
    )
    return any(isinstance(member, documents) for member in members)
