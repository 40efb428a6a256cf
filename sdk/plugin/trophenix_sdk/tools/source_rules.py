"""Rules of a plugin's source: whom it imports, which layer may know which, and that its SQL is constant."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from trophenix_sdk.hooks import ENTRY_POINT_GROUP
from trophenix_sdk.tools.project import Finding, Module, Project

CLOSED: Final = frozenset({"trophenix_kernel", "trophenix_migrations", "trophenix_testing"})
"""The platform's own packages: their insides change without notice."""

OPEN: Final = frozenset(
    {
        "trophenix_sdk",
        "trophenix",
        "msgspec",
        "sqlalchemy",
        "alembic",
        "packaging",
        "pluggy",
        "httpx",
    }
)
"""What the SDK promises, and what it brings."""

CATCH_ALL: Final = frozenset(
    {"utils", "util", "common", "misc", "helpers", "helper", "manager", "managers", "shared"}
)
IO: Final = frozenset(
    {
        "asyncpg",
        "sqlalchemy",
        "alembic",
        "httpx",
        "requests",
        "socket",
        "nats",
        "litestar",
        "trophenix_sdk.database",
    }
)
LAYERS: Final[Mapping[str, int]] = {
    "plugin": 60,
    "operations": 50,
    "panels": 50,
    "widgets": 50,
    "tasks": 50,
    "subscriptions": 50,
    "service": 40,
    "store": 30,
    "tables": 20,
    "events": 20,
    "permissions": 10,
    "settings": 10,
    "errors": 10,
    "model": 0,
}
"""A file may import what stands lower, and its own kind."""

_CAST: Final = re.compile(r"(?<![:\w]):[A-Za-z_]\w*\s*::")
_TENANT: Final = re.compile(r"\btenant_id\b", re.IGNORECASE)
_SWITCH: Final = re.compile(
    r"\bset_config\b|\bset\s+(session\s+|local\s+)?(role|session\s+authorization)\b|\breset\s+role\b",
    re.IGNORECASE,
)


def readable_rules(project: Project) -> Iterator[Finding]:
    """F01: every file is Python."""
    for place, error in project.unreadable.items():
        line = getattr(error, "lineno", None)
        yield Finding(
            "F01",
            "error",
            f"{place}:{line}" if line else place,
            str(error),
            "Python in UTF-8",
            "Correct the file.",
        )


def import_rules(project: Project) -> Iterator[Finding]:
    """I01, I02: the plugin imports the SDK, what it declares, and nobody's insides."""
    declared = _declared(project)
    others = _other_plugins(project)
    providers = metadata.packages_distributions()
    for module in project.everything:
        for line, name in _imports(module):
            place = f"{module.place}:{line}"
            top = name.partition(".")[0]
            if top in CLOSED:
                yield Finding(
                    "I01",
                    "error",
                    place,
                    f"import of {name}",
                    "trophenix_sdk only",
                    "The platform's insides change without notice: ask for what is missing in the SDK.",
                )
            elif top in others:
                yield Finding(
                    "I01",
                    "error",
                    place,
                    f"import of {name}, another plugin's code",
                    "its operations and events",
                    "Call its operations through ctx.call and listen to its events: it may be absent, or elsewhere.",
                )
            elif top != project.package and top not in OPEN and top not in sys.stdlib_module_names:
                offered = {canonicalize_name(one) for one in providers.get(top, (top,))}
                if not offered & declared:
                    yield Finding(
                        "I02",
                        "error",
                        place,
                        f"import of {name}",
                        "its distribution in [project] dependencies of pyproject.toml",
                        "Declare it: another environment may not have it by accident.",
                    )


def layer_rules(project: Project) -> Iterator[Finding]:
    """I03 to I05: rules know no I/O, lower layers do not know upper ones, and every module has a name that says something."""
    for module in project.modules:
        for word in module.name.split(".")[1:]:
            if word in CATCH_ALL:
                yield Finding(
                    "I05",
                    "error",
                    module.place,
                    f"a module named {word}",
                    "a noun of the domain",
                    "Name it after what it holds.",
                )
        own = LAYERS.get(module.role)
        if own is None:
            continue
        for line, name in _imports(module):
            place = f"{module.place}:{line}"
            if module.role == "model" and (name.partition(".")[0] in IO or name in IO):
                yield Finding(
                    "I04",
                    "error",
                    place,
                    f"import of {name} in model",
                    "rules without I/O",
                    "Move what reads or writes to store.",
                )
            parts = name.split(".")
            other = LAYERS.get(parts[1]) if parts[0] == project.package and len(parts) > 1 else None
            if other is not None and other > own:
                yield Finding(
                    "I03",
                    "error",
                    place,
                    f"{module.role} imports {parts[1]}",
                    f"{module.role} to know only what stands below it",
                    "Turn the dependency round, or move what both need lower.",
                )


def sql_rules(project: Project) -> Iterator[Finding]:
    """S01 to S04: SQL is constant, casts are written out, and neither tenant nor role is anybody's business but the platform's."""
    for module in project.modules:
        constants = _Constants(module.tree)
        in_functions = _inside_functions(module.tree)
        for call in ast.walk(module.tree):
            if (
                not isinstance(call, ast.Call)
                or not call.args
                or _callee(call) not in ("Query", "text")
            ):
                continue
            statement = call.args[0]
            place = f"{module.place}:{statement.lineno}"
            # What is put together while the module is imported cannot hold anything of a request.
            if call in in_functions and constants.builds_text(statement):
                yield Finding(
                    "S01",
                    "error",
                    place,
                    "SQL put together from values",
                    "a constant statement with :name parameters",
                    "Pass values as parameters; choose between constant statements where the text itself must differ.",
                )
            text = constants.text(statement)
            if _CAST.search(text):
                yield Finding(
                    "S02",
                    "error",
                    place,
                    f"{_found(_CAST, text)} after a parameter",
                    "cast(:name as type)",
                    "Write cast(:name as type): `:name::type` is read as a parameter named otherwise.",
                )
            if _TENANT.search(text):
                yield Finding(
                    "S03",
                    "warning",
                    place,
                    "tenant_id in a statement",
                    "statements that do not name the tenant",
                    "Leave it out: row security and the column's default see to it.",
                )
            if _SWITCH.search(text):
                yield Finding(
                    "S04",
                    "error",
                    place,
                    _found(_SWITCH, text),
                    "statements that change no role and no setting",
                    "Leave it out: the platform decides both.",
                )


def clock_rules(project: Project) -> Iterator[Finding]:
    """T01: time is passed in."""
    for module in project.modules:
        for call in ast.walk(module.tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                name = ast.unparse(call.func)
                if re.search(r"(^|\.)(datetime|date)\.(now|utcnow|today)$", name):
                    yield Finding(
                        "T01",
                        "warning",
                        f"{module.place}:{call.lineno}",
                        f"{name}()",
                        "ctx.now, or a clock that is passed in",
                        "Take the time from the call, so that tests can stand still.",
                    )


def _inside_functions(tree: ast.Module) -> set[ast.AST]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return {
        inner for node in ast.walk(tree) if isinstance(node, functions) for inner in ast.walk(node)
    }


class _Constants:
    """Which names of a module are constant texts."""

    def __init__(self, tree: ast.Module) -> None:
        self._texts: dict[str, str] = {}
        imported = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if (alias.asname or alias.name).isupper() or alias.name.lstrip("_").isupper()
        }
        self._texts.update(dict.fromkeys(imported, ""))
        for node in tree.body:
            name, value = _assigned(node)
            if (
                name
                and value is not None
                and not self.builds_text(value)
                and (text := self.text(value))
            ):
                self._texts[name] = text

    def builds_text(self, node: ast.expr) -> bool:
        """Whether the expression is a text put together from what is not constant."""
        match node:
            case ast.JoinedStr():
                return any(
                    isinstance(part, ast.FormattedValue) and not self._constant(part.value)
                    for part in node.values
                )
            case ast.BinOp(op=ast.Add() | ast.Mod()):
                texts = self._is_text(node.left) or self._is_text(node.right)
                return texts and not (self._constant(node.left) and self._constant(node.right))
            case ast.Call(
                func=ast.Attribute(attr="format" | "format_map" | "replace", value=inner)
            ) if self._is_text(inner):
                return True
            case ast.Call(func=ast.Attribute(attr="join", value=ast.Constant())):
                return not all(self._constant(argument) for argument in node.args)
            case _:
                return False

    def text(self, node: ast.expr) -> str:
        """The constant text of an expression, as far as it is known."""
        match node:
            case ast.Constant(value=str(value)):
                return value
            case ast.Name(id=name):
                return self._texts.get(name, "")
            case ast.JoinedStr(values=values):
                return "".join(self.text(value) for value in values)
            case ast.FormattedValue(value=value):
                return self.text(value)
            case ast.BinOp(left=left, right=right):
                return self.text(left) + self.text(right)
            case _:
                return ""

    def _constant(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant():
                return True
            case ast.Name(id=name):
                return name in self._texts
            case ast.JoinedStr() | ast.BinOp():
                return self._is_text(node) and not self.builds_text(node)
            case ast.Attribute(attr=name):
                return name.lstrip("_").isupper()
            case _:
                return False

    def _is_text(self, node: ast.expr) -> bool:
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr():
                return True
            case ast.Name(id=name):
                return name in self._texts
            case ast.BinOp(left=left, right=right):
                return self._is_text(left) or self._is_text(right)
            case _:
                return False


def _assigned(node: ast.stmt) -> tuple[str, ast.expr | None]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case _:
            return "", None


def _callee(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=ast.Name(id=name)):
            return name
        case _:
            return ""


def _imports(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(level=0, module=str(source), names=names):
                # `from package import store` imports a module, `from package.store import ONE` a name of one.
                for alias in names:
                    yield node.lineno, f"{source}.{alias.name}" if "." not in source else source
            case ast.ImportFrom(level=level, module=source, names=names) if level:
                base = module.name.split(".")
                base = base if module.place.endswith("__init__.py") else base[:-1]
                base = base[: len(base) - level + 1]
                for alias in names:
                    yield node.lineno, ".".join([*base, source] if source else [*base, alias.name])
            case ast.Call(
                func=ast.Attribute(attr="import_module")
                | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name
            case _:
                pass


def _declared(project: Project) -> set[str]:
    found: set[str] = set()
    for text in project.metadata.get("dependencies", ()):
        try:
            found.add(canonicalize_name(Requirement(str(text)).name))
        except InvalidRequirement:
            continue
    return found


def _other_plugins(project: Project) -> set[str]:
    points = metadata.entry_points(group=ENTRY_POINT_GROUP)
    return {point.value.partition(":")[0].partition(".")[0] for point in points} - {project.package}


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return repr(match.group().strip()) if match else ""
