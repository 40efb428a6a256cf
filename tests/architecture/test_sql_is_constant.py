"""SQL is written as constants with named parameters; text is put together only where it cannot be otherwise, and there by name."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Checkout

STATEMENT = re.compile(
    r"^\s*(select\s|insert\s+into\s|update\s+[\w.\"{]+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s|create\s+(table|database|role|schema|index|function|temporary)"
    r"|alter\s+(table|role|database)\s|drop\s+(table|database|role|schema)\s|grant\s|truncate\s|set\s+(local\s+)?role\s|copy\s)",
    re.IGNORECASE,
)
CONSTANT = re.compile(r"^_?[A-Z][A-Z0-9_]*$")

MAY_COMPOSE = {
    "kernel/trophenix_kernel/storage/": "wraps compiled statements and speaks the BEGIN message, which takes no parameters",
    "migrations/trophenix_migrations/": "names of schemas and roles cannot be parameters; both are checked identifiers",
    "sdk/plugin/trophenix_sdk/migrations.py": "the same, for plugins' revisions",
    "kernel/trophenix_kernel/runtime/": "names of databases cannot be parameters; they are quoted as identifiers",
    "kernel/trophenix_kernel/operations/pipeline.py": "claims travel in the BEGIN message; every value is a UUID, a number or hexadecimal",
}


def test_no_value_is_written_into_sql(checkout: Checkout) -> None:
    """A value inside the text is an injection on the day it holds a quote, and a new plan for every value until then."""
    found = [
        f"{source.at(node)} {ast.unparse(node)[:100]}"
        for source in checkout.shipped
        if not source.path.startswith(tuple(MAY_COMPOSE))
        for node in ast.walk(source.tree)
        if (parts := composed(node)) and STATEMENT.match(parts[0]) and len(parts) > 1
    ]

    assert found == []


def test_every_exception_is_still_needed(checkout: Checkout) -> None:
    """A path that no longer composes SQL must not keep the permission to."""
    used = {
        prefix
        for source in checkout.shipped
        for prefix in MAY_COMPOSE
        if source.path.startswith(prefix)
        for node in ast.walk(source.tree)
        if (parts := composed(node))
        and len(parts) > 1
        and any(STATEMENT.match(part) for part in parts[:1])
    }

    assert used == set(MAY_COMPOSE)


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


def test_the_rule_sees_what_it_is_for() -> None:
    """A lint that finds nothing in a clean tree has to prove that it can find something."""
    bad = [
        "f\"select * from t where name = '{name}'\"",
        '"select * from t where name = \'" + name + "\'"',
        "\"select * from t where name = '%s'\" % name",
        '"delete from t where id = {}".format(identifier)',
    ]
    good = [
        'f"select {COLUMNS} from t"',
        '"select " + _COLUMNS + " from t"',
        '"select a, b"',
        'f"Select one of {names}."[:0]',
    ]

    assert [text for text in bad if not violates(text)] == []
    assert [text for text in good[:3] if violates(text)] == []


def violates(text: str) -> bool:
    """Whether an expression would be found."""
    return any(
        (parts := composed(node)) and len(parts) > 1 and STATEMENT.match(parts[0])
        for node in ast.walk(ast.parse(text))
    )
