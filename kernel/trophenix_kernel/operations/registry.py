"""Every operation there is, by its platform-wide name and by its route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from trophenix_kernel.operations.binding import Fields, fields_of
from trophenix_kernel.storage.session import APP_ROLE
from trophenix_sdk.errors import NotFound, TrophenixError
from trophenix_sdk.files import Download
from trophenix_sdk.manifest import schema_name
from trophenix_sdk.operations import Operation

KERNEL: Final = "kernel"


class Bound:
    """An operation with all that can be known before it is called.

    Attributes:
        plugin_id: whose it is; ``kernel`` for the kernel's own.
        name: ``<plugin id>:<operation>``.
        permission: the platform-wide name of what it needs.
        role: the database role its transaction assumes.
        tenant_free: whether it runs without a tenant.
        stored_in_main: whether its tables are in the main cluster whatever the tenant's placement.
    """

    __slots__ = (
        "answers_file",
        "fields",
        "name",
        "operation",
        "permission",
        "plugin_id",
        "reads",
        "role",
        "stored_in_main",
        "tenant_free",
        "versioned",
    )

    def __init__(self, plugin_id: str, operation: Operation) -> None:
        self.plugin_id = plugin_id
        self.operation = operation
        self.name = f"{plugin_id}:{operation.name}"
        self.permission = f"{plugin_id}:{operation.permission}" if operation.permission else None
        self.role = APP_ROLE if plugin_id == KERNEL else schema_name(plugin_id)
        self.stored_in_main = plugin_id == KERNEL
        self.fields: Fields = fields_of(operation.input_type)
        self.reads = operation.effect == "read"
        self.tenant_free = operation.scope != "tenant"
        output = operation.output_type
        self.answers_file = output is Download
        self.versioned = (
            isinstance(output, type)
            and issubclass(output, msgspec.Struct)
            and "version" in output.__struct_fields__
        )


class RouteTaken(TrophenixError):
    """Two operations want the same route."""

    code = "route_taken"
    title = "Two operations have the same route"


class _Node:
    __slots__ = ("children", "methods", "names", "parameter")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Bound] = {}
        self.names: dict[str, tuple[str, ...]] = {}


class Registry:
    """All operations of this process."""

    def __init__(self) -> None:
        self._by_name: dict[str, Bound] = {}
        self._root = _Node()

    def __iter__(self) -> Iterator[Bound]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def add(self, plugin_id: str, operations: Iterable[Operation]) -> list[Bound]:
        """Add a plugin's operations, all or none.

        Raises:
            RouteTaken: another operation answers at one of the routes.
        """
        bound = [Bound(plugin_id, operation) for operation in operations]
        for one in bound:
            taken = self._taken(one)
            if taken is not None:
                route = one.operation.http
                raise RouteTaken(
                    f"{one.name} wants {route.method if route else ''} {route.path if route else ''},"
                    f" which {taken.name} has.",
                    next_step="Choose another path.",
                )
        for one in bound:
            self._by_name[one.name] = one
            if one.operation.http is not None:
                node, names = self._place(one.operation.http.path)
                node.methods[one.operation.http.method] = one
                node.names[one.operation.http.method] = names
        return bound

    def named(self, name: str) -> Bound:
        """The operation of this platform-wide name.

        Raises:
            NotFound: there is none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise NotFound(f"There is no operation {name!r}.", code="operation_unknown")
        return found

    def find(self, name: str) -> Bound | None:
        """The operation of this platform-wide name, if there is one."""
        return self._by_name.get(name)

    def route(self, method: str, path: str) -> tuple[Bound | None, dict[str, str], frozenset[str]]:
        """The operation at a path, the path's fields, and, when only the method is wrong, the methods there are."""
        node = self._root
        values: list[str] = []
        for word in path.split("/"):
            if not word:
                continue
            child = node.children.get(word)
            if child is None:
                if node.parameter is None:
                    return None, {}, frozenset()
                values.append(word)
                child = node.parameter
            node = child
        bound = node.methods.get(method)
        if bound is None:
            return None, {}, frozenset(node.methods)
        return (
            bound,
            dict(zip(node.names[method], values, strict=True)) if values else {},
            frozenset(),
        )

    def _taken(self, one: Bound) -> Bound | None:
        route = one.operation.http
        if one.name in self._by_name:
            return self._by_name[one.name]
        if route is None:
            return None
        node: Any = self._root
        for word in route.path.strip("/").split("/"):
            node = node.parameter if word.startswith("{") else node.children.get(word)
            if node is None:
                return None
        return node.methods.get(route.method)

    def _place(self, path: str) -> tuple[_Node, tuple[str, ...]]:
        node = self._root
        names: list[str] = []
        for word in path.strip("/").split("/"):
            if word.startswith("{"):
                names.append(word.strip("{}"))
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.children.setdefault(word, _Node())
        return node, tuple(names)
