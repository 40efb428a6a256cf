"""Rules of a plugin's tables: closed to other tenants, made in one order, and removable again."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from trophenix_sdk.manifest import MANIFEST_FILE
from trophenix_sdk.tools.project import Finding, Module, Project

_CLOSING: Final = frozenset({"create_tenant_table", "secure_tenant_table"})


def migration_rules(project: Project) -> Iterator[Finding]:
    """R01 to R06."""
    folder = project.migrations_folder
    if folder is None:
        if project.manifest is not None and project.manifest.data.tables:
            yield Finding(
                "R05",
                "error",
                project.place(project.folder / MANIFEST_FILE),
                "data.tables without data.migrations",
                "where their revisions are",
                'Write migrations = "migrations" below [data].',
            )
        return
    revisions = list(project.revisions)
    if not revisions:
        yield Finding(
            "R05",
            "error",
            project.place(project.folder / MANIFEST_FILE),
            f"no revisions in {folder.name}/",
            "at least one",
            "Add a revision, or take data.migrations out of the manifest.",
        )
    made: dict[str, str] = {}
    for module in revisions:
        yield from _one(module, project, made)
    yield from _chain(revisions)
    yield from _declared(project, made)


def _one(module: Module, project: Project, made: dict[str, str]) -> Iterator[Finding]:
    functions = {node.name: node for node in module.tree.body if isinstance(node, ast.FunctionDef)}
    upgrade, downgrade = functions.get("upgrade"), functions.get("downgrade")
    if upgrade is None:
        yield Finding(
            "R01", "error", module.place, "no upgrade()", "upgrade() and downgrade()", "Write both."
        )
        return
    if downgrade is None or _is_empty(downgrade):
        line = downgrade.lineno if downgrade else 1
        yield Finding(
            "R01",
            "error",
            f"{module.place}:{line}",
            "a downgrade() that does nothing",
            "one that takes the revision back",
            "Undo every step of upgrade(): a release that goes wrong has to be left again.",
        )
    up = list(_calls(upgrade, functions))
    down = list(_calls(downgrade, functions)) if downgrade else []
    secured = {table for name, table, _line in up if name in _CLOSING}
    dropped = _dropped(module, downgrade, down)
    for name, table, line in up:
        if name == "create_table" and table not in secured:
            yield Finding(
                "R02",
                "error",
                f"{module.place}:{line}",
                f"table {table} without row security",
                "create_tenant_table, or secure_tenant_table after it",
                "The platform does not start a plugin whose tables are open to other tenants.",
            )
        if name in ("create_table", "create_tenant_table"):
            made[table] = f"{module.place}:{line}"
            if downgrade is not None and not _is_empty(downgrade) and table not in dropped:
                yield Finding(
                    "R03",
                    "error",
                    f"{module.place}:{line}",
                    f"table {table} made and never dropped",
                    f'drop_table("{table}") in downgrade()',
                    "Drop it there.",
                )
    for node in ast.walk(module.tree):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in imported:
            if name.partition(".")[0] == project.package:
                yield Finding(
                    "R06",
                    "error",
                    f"{module.place}:{getattr(node, 'lineno', 1)}",
                    f"import of {name} in a revision",
                    "a revision that stands for itself",
                    "Write out what it needs: the module will change, the revision must not.",
                )


def _dropped(
    module: Module, downgrade: ast.FunctionDef | None, calls: list[tuple[str, str, int]]
) -> set[str]:
    """Tables that are dropped; where their names come from a loop, every text it may go over counts."""
    dropped = {table for name, table, _line in calls if name == "drop_table"}
    if "" not in dropped or downgrade is None:
        return dropped
    used = {node.id for node in ast.walk(downgrade) if isinstance(node, ast.Name)}
    sources: list[ast.AST] = [downgrade]
    for node in module.tree.body:
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        if isinstance(target, ast.Name) and target.id in used:
            sources.append(node)
    texts = (
        node.value
        for source in sources
        for node in ast.walk(source)
        if isinstance(node, ast.Constant)
    )
    return dropped | {text for text in texts if isinstance(text, str)}


def _chain(revisions: list[Module]) -> Iterator[Finding]:
    follows: dict[str, str | None] = {}
    for module in revisions:
        values = {
            target.id: node.value.value
            for node in module.tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        name = values.get("revision")
        if not isinstance(name, str):
            yield Finding(
                "R04", "error", module.place, "no revision id", 'revision = "v0002"', "Name it."
            )
        elif name in follows:
            yield Finding(
                "R04",
                "error",
                module.place,
                f"the revision {name} a second time",
                "each id once",
                "Rename one.",
            )
        else:
            before = values.get("down_revision")
            follows[name] = before if isinstance(before, str) else None
    heads = sorted(set(follows) - {before for before in follows.values() if before})
    if follows and len(heads) != 1:
        place = revisions[-1].place
        yield Finding(
            "R04",
            "error",
            place,
            f"{len(heads)} last revisions: {', '.join(heads) or 'a circle'}",
            "one",
            "Let each revision follow another.",
        )
    for name, before in sorted(follows.items()):
        if before is not None and before not in follows:
            yield Finding(
                "R04",
                "error",
                revisions[0].place,
                f"{name} follows {before}, which is not there",
                "an id of this history",
                "Correct down_revision.",
            )


def _declared(project: Project, made: dict[str, str]) -> Iterator[Finding]:
    if project.manifest is None:
        return
    declared = {table.name for table in project.manifest.data.tables}
    for table, place in sorted(made.items()):
        if table and table not in declared:
            yield Finding(
                "R05",
                "error",
                place,
                f"table {table} not in the manifest",
                "a [[data.tables]] entry for it",
                "Declare it: what is stored, about whom, and what becomes of it.",
            )


def _calls(
    function: ast.FunctionDef, functions: dict[str, ast.FunctionDef]
) -> Iterator[tuple[str, str, int]]:
    """Calls in a function and in the functions of the same file it calls: name, first argument, line."""
    waiting, seen = [function], {function.name}
    while waiting:
        for node in ast.walk(waiting.pop()):
            if not isinstance(node, ast.Call):
                continue
            name = (
                node.func.id
                if isinstance(node.func, ast.Name)
                else node.func.attr
                if isinstance(node.func, ast.Attribute)
                else ""
            )
            if name in functions and name not in seen:
                seen.add(name)
                waiting.append(functions[name])
            first = node.args[0] if node.args else None
            yield (
                name,
                first.value
                if isinstance(first, ast.Constant) and isinstance(first.value, str)
                else "",
                node.lineno,
            )


def _is_empty(function: ast.FunctionDef) -> bool:
    def nothing(statement: ast.stmt) -> bool:
        return isinstance(statement, ast.Pass | ast.Raise | ast.Return) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        )

    return all(nothing(statement) for statement in function.body)
