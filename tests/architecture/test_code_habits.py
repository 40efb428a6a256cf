"""Habits that cost somebody a night; each rule names the bug it keeps away. What ruff already sees is not looked for again."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from .conftest import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Checkout

MONEY: Final = re.compile(
    r"(^|_)(price|prices|amount|fee|fees|cost|balance|money|salary|vat|deposit|refund|commission|payout|revenue|discount)(_|$)"
)


def calls(source: Source) -> Iterator[tuple[ast.Call, str]]:
    """Every call, with the dotted text of what is called."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield node, ast.unparse(node.func)


def reads_the_clock(source: Source) -> Iterator[ast.AST]:
    """A rule that reads the clock itself passes its test today and fails on 29 February; no `noqa` excuses it."""
    hidden = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today)$")
    if not source.in_tests:
        yield from (node for node, name in calls(source) if hidden.search(name))


def holds_money_in_floats(source: Source) -> Iterator[ast.AST]:
    """0.1 + 0.2 is not 0.3: a thousand invoices later the ledger does not balance. Money is whole minor units and a currency."""
    for node in ast.walk(source.tree) if not source.in_tests else ():
        if isinstance(node, ast.AnnAssign):
            name, annotation = ast.unparse(node.target), node.annotation
        elif isinstance(node, ast.arg) and node.annotation is not None:
            name, annotation = node.arg, node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            name, annotation = node.name, node.returns
        else:
            continue
        if MONEY.search(name.rpartition(".")[2]) and re.search(
            r"\bfloat\b", ast.unparse(annotation)
        ):
            yield node


def stores_money_in_fractions(source: Source) -> Iterator[ast.AST]:
    """FLOAT rounds, and NUMERIC equality is not leakproof: under row security it cannot use an index. BIGINT minor units do both."""
    for node, name in calls(source):
        first = node.args[0] if node.args else None
        if (
            name.rpartition(".")[2] == "Column"
            and isinstance(first, ast.Constant)
            and MONEY.search(str(first.value))
            and re.search(r"\b(Float|Double|REAL|Numeric|DECIMAL)\b", ast.unparse(node))
        ):
            yield node


def sleeps_in_a_test(source: Source) -> Iterator[ast.AST]:
    """A sleep is too short on a busy machine and too long on every other: wait for a signal, a line or a state instead.

    What a test starts may be slow on purpose, and a loop may ask again and again whether a state is reached.
    """
    if source.in_tests:
        yield from (
            step
            for function in ast.walk(source.tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            and function.name.startswith("test_")
            for step in straight_steps(function.body)
            if re.match(r"(await )?(time\.|asyncio\.|anyio\.)?sleep\((?!0\))", ast.unparse(step))
        )


def straight_steps(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run once each, in order: not those of loops and inner functions."""
    for step in body:
        yield step
        if isinstance(step, ast.With | ast.AsyncWith | ast.If | ast.Try):
            yield from straight_steps(step.body)


def swallows_everything(source: Source) -> Iterator[ast.AST]:
    """`suppress(Exception)` hides the one failure nobody thought of, and with it the only trace of the bug."""
    for node, name in calls(source):
        if name.rpartition(".")[2] == "suppress" and {"Exception", "BaseException"} & {
            ast.unparse(one) for one in node.args
        }:
            yield node


def reads_the_environment(source: Source) -> Iterator[ast.AST]:
    """A setting read where it is used is documented nowhere and cannot be passed by a test: `settings` reads them once."""
    if not source.in_tests:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}:
                yield node


class Rule(NamedTuple):
    """What is looked for, code that must be found, and who may do it, with the reason."""

    look: Callable[[Source], Iterator[ast.AST]]
    planted: str
    may: dict[str, str]


RULES: Final = (
    Rule(
        reads_the_clock,
        "stamp = datetime.datetime.now(UTC)",
        {"sdk/plugin/trophenix_sdk/clock.py": "it is the clock"},
    ),
    Rule(holds_money_in_floats, "def settle(amount: float | None) -> None: ...", {}),
    Rule(stores_money_in_fractions, "sa.Column('price', sa.Numeric(10, 2))", {}),
    Rule(
        sleeps_in_a_test, "async def test_it():\n    with x:\n        await asyncio.sleep(0.1)", {}
    ),
    Rule(
        swallows_everything,
        "with contextlib.suppress(KeyError, Exception): pass",
        {
            "kernel/trophenix_kernel/plugins/hook_call.py": "a foreign coroutine that refuses to be closed; its call was answered already"
        },
    ),
    Rule(
        reads_the_environment,
        "level = os.environ.get('LEVEL')",
        {
            "kernel/trophenix_kernel/settings.py": "it is the place",
            "kernel/trophenix_kernel/runtime/": "finds the programs and the account of the embedded servers, before there are settings",
            "kernel/trophenix_kernel/web/vendor.py": "a command of its own, run before there is a platform",
            "kernel/trophenix_kernel/cli": "hands the environment on to the processes it starts",
            "sdk/client/": "the client is not the platform",
            "sdk/testing/": "hands the environment on to the processes it starts",
            "conftest.py": "finds the browser",
            "docs/": "commands of their own",
            ".ci/": "commands of their own",
        },
    ),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.look.__name__)
def test_nothing(checkout: Checkout, rule: Rule) -> None:
    """The rule holds for every file that has no reason to break it."""
    found = [
        source.at(node)
        for source in checkout.sources
        if not source.path.startswith(tuple(rule.may))
        for node in rule.look(source)
    ]

    assert found == [], rule.look.__doc__


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.look.__name__)
def test_a_planted_fault_is_found_if_anything(rule: Rule) -> None:
    """A rule that cannot fail protects nothing."""
    folder = "kernel/tests" if rule.look is sleeps_in_a_test else "kernel/trophenix_kernel"

    assert list(rule.look(Source(f"{folder}/planted.py", ast.parse(rule.planted))))
