"""SQL is written as constants with named parameters; text is put together only where it cannot be otherwise, and there by name."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Checkout

WORDS: Final = (
    r"select\s",
    r"insert\s+into\s",
    r"update\s+[\w.\"{]+\s+set\s",
    r"delete\s+from\s",
    r"with\s+\w+\s+as\s",
    r"create\s+(table|database|role|schema|index|function|temporary)",
    r"alter\s+(table|role|database)\s",
    r"drop\s+(table|database|role|schema)\s",
    r"grant\s",
    r"truncate\s",
    r"set\s+(local\s+)?role\s",
    r"copy\s",
)
# SQL is written in one case; "Select one of …" is a sentence.
STATEMENT: Final = re.compile(rf"^\s*({'|'.join(WORDS)})", re.IGNORECASE)
CONSTANT: Final = re.compile(r"^_?[A-Z][A-Z0-9_]*$")

MAY_COMPOSE: Final = {
    "kernel/trophenix_kernel/storage/*": "wraps compiled statements and speaks the BEGIN message, which takes no parameters",
    "kernel/trophenix_kernel/runtime/*": "names of databases cannot be parameters; they are quoted as identifiers",
    "kernel/trophenix_kernel/operations/pipeline.py": "claims travel in the BEGIN message; every value is a UUID, a number or hexadecimal",
    "kernel/trophenix_kernel/plugins/uninstall.py": "names come from the database's own catalogue, quoted, or from a checked plugin id",
    "kernel/trophenix_kernel/plugins/residue.py": "the same",
    "kernel/trophenix_kernel/administration/purge.py": "the same",
    "migrations/trophenix_migrations/*": "names of schemas and roles cannot be parameters; both are checked identifiers",
    "sdk/plugin/trophenix_sdk/migrations.py": "the same, for plugins' revisions",
    "sdk/testing/*": "the same, for roles",
    "plugins/*/migrations/*": "a revision runs once, with names that stand in it",
    "plugins/recruitment/trophenix_recruitment/store/search.py": "conditions are chosen from a table of constants; values are parameters",
}
"""Where text may be put together, and why nothing foreign can get into it."""


def test_no_value_is_written_into_sql(checkout: Checkout) -> None:
    """A value inside the text is an injection on the day it holds a quote, and a new plan for every value until then."""
    found = [
        f"{source.at(node)} {ast.unparse(node)[:100]}"
        for source in checkout.shipped
        if not any(fnmatch(source.path, pattern) for pattern in MAY_COMPOSE)
        for node in inside_functions(source.tree)
        if violates(node)
    ]

    assert found == []


def test_every_exception_is_still_needed(checkout: Checkout) -> None:
    """A path that no longer composes SQL must not keep the permission to."""
    composing = {
        source.path
        for source in checkout.shipped
        if any(violates(node) for node in inside_functions(source.tree))
    }

    assert [
        pattern for pattern in MAY_COMPOSE if not any(fnmatch(path, pattern) for path in composing)
    ] == []


def inside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node of a function; what a module puts together while it is loaded is as constant as its parts."""
    seen: set[int] = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for node in ast.walk(function):
                if id(node) not in seen:
                    seen.add(id(node))
                    yield node


def composed(node: ast.AST) -> list[str]:
    """The leading literal text of a composed string, and what is put into it that is not a constant."""
    if isinstance(node, ast.JoinedStr):
        pieces: list[ast.expr] = list(node.values)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pieces = flatten(node)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        pieces = [node.left, node.right]
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
    ):
        pieces = [node.func.value, *node.args, *(keyword.value for keyword in node.keywords)]
    else:
        return []
    first = pieces[0] if pieces else None
    while isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
        return []
    return [first.value, *(ast.unparse(piece) for piece in pieces if not is_constant(piece))]


def flatten(node: ast.expr) -> list[ast.expr]:
    """The operands of a chain of additions, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*flatten(node.left), *flatten(node.right)]
    return [node]


def is_constant(node: ast.expr) -> bool:
    """Whether the text of *node* is known when the module is loaded."""
    match node:
        case ast.Constant():
            return True
        case ast.FormattedValue():
            return is_constant(node.value)
        case ast.JoinedStr():
            return all(is_constant(value) for value in node.values)
        case ast.Name():
            return bool(CONSTANT.match(node.id))
        case ast.Attribute():
            return bool(CONSTANT.match(node.attr))
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join")):
            return all(is_constant(argument) for argument in node.args)
        case _:
            return False


@pytest.mark.parametrize(
    "text",
    [
        "f\"select * from t where name = '{name}'\"",
        '"select * from t where name = \'" + name + "\'"',
        "\"select * from t where name = '%s'\" % name",
        '"delete from t where id = {}".format(identifier)',
    ],
)
def test_a_planted_value_is_found(text: str) -> None:
    """A rule that cannot fail protects nothing."""
    assert any(
        violates(node) for node in inside_functions(ast.parse(f"def planted(): return {text}"))
    )


@pytest.mark.parametrize(
    "text",
    [
        'f"select {COLUMNS} from t"',
        '"select " + store.COLUMNS + " from t"',
        'f"Select one of {names}"',
        '"select a, b"',
    ],
)
def test_constants_and_sentences_are_left_alone(text: str) -> None:
    """A rule that cries wolf is switched off."""
    assert not any(
        violates(node) for node in inside_functions(ast.parse(f"def planted(): return {text}"))
    )


def violates(node: ast.AST) -> bool:
    """Whether *node* is SQL into which something is put that is not a constant."""
    parts = composed(node)
    if len(parts) < 2 or not STATEMENT.match(parts[0]):
        return False
    return not parts[0].split()[0].istitle()
