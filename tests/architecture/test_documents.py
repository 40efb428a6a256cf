"""What the documents promise is there: links lead somewhere, commands exist, decisions are numbered and enforced."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Checkout

LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE_SPAN: Final = re.compile(r"`([^`\n]+)`")
PATH: Final = re.compile(r"(?:[\w.-]+/)+[\w.-]*")
ADR_PARTS: Final = (
    "## Context",
    "## Decision",
    "## Consequences",
    "## Alternatives",
    "## Enforced by",
)


def documents(checkout: Checkout) -> dict[str, str]:
    """Every Markdown file and its text."""
    return {
        name: (checkout.root / name).read_text("utf-8")
        for name in checkout.files
        if name.endswith(".md")
    }


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def test_every_relative_link_leads_somewhere(checkout: Checkout) -> None:
    """A dead link stops the reader at the moment of need."""
    dead: list[str] = []
    for name, text in documents(checkout).items():
        for found in LINK.finditer(FENCE.sub("", text)):
            target = found[1] or found[2]
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (checkout.root / name).parent / path if path else checkout.root / name
            if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
                dead.append(f"{name}: {target}")

    assert dead == []


def test_every_path_named_in_the_map_exists(checkout: Checkout) -> None:
    """A newcomer's map that shows folders which are not there is worse than none."""
    # What git ignores is made here and need not be there yet.
    made = set((checkout.root / ".gitignore").read_text("utf-8").splitlines())
    missing = [
        f"{name}: {span}"
        for name in ("docs/where-things-go.md", "README.md", "CONTRIBUTING.md")
        for span in CODE_SPAN.findall(FENCE.sub("", (checkout.root / name).read_text("utf-8")))
        if PATH.fullmatch(span) and span not in made and not (checkout.root / span).exists()
    ]

    assert missing == []


def shell_lines(checkout: Checkout) -> Iterator[tuple[str, str]]:
    """Every command line shown in a document: in a shell block, or in a span that starts with one of our commands."""
    for name, text in documents(checkout).items():
        for language, body in FENCE.findall(text):
            if language in {"sh", "bash", "console", "shell"}:
                yield from (
                    (name, line.strip().removeprefix("$ "))
                    for line in body.splitlines()
                    if line.strip()
                )
        yield from (
            (name, span)
            for span in CODE_SPAN.findall(FENCE.sub("", text))
            if re.match(r"make [a-z]", span)
        )


def test_every_make_command_in_a_document_exists(checkout: Checkout) -> None:
    """The first command a newcomer types must not fail."""
    makefile = (checkout.root / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    asked = {
        (name, found[1])
        for name, line in shell_lines(checkout)
        if (found := re.search(r"\bmake ([a-z-]+)", line))
    }

    assert {(name, target) for name, target in asked if target not in targets} == set()
    assert asked


def test_every_command_of_ours_in_a_document_exists(checkout: Checkout) -> None:
    """`trophenix` and `trophenix-plugin` know every word that a document says they know."""
    scripts = {
        script: entry
        for member in checkout.members
        for script, entry in member.pyproject["project"].get("scripts", {}).items()
    }
    unknown: list[str] = []
    for name, line in shell_lines(checkout):
        found = re.search(r"(?:^|run (?:--no-sync )?)(trophenix(?:-plugin)?) ([a-z][a-z-]+)", line)
        if found and f'"{found[2]}"' not in text_of_entry(checkout, scripts[found[1]]):
            unknown.append(f"{name}: {line}")

    assert unknown == []


def text_of_entry(checkout: Checkout, entry: str) -> str:
    """The source of the module (or package) behind a console script."""
    module = entry.partition(":")[0].replace(".", "/")
    for member in checkout.members:
        base = checkout.root / member.folder / module
        files = (
            [base.with_suffix(".py")]
            if base.with_suffix(".py").is_file()
            else sorted(base.rglob("*.py"))
        )
        if files:
            return "".join(file.read_text("utf-8") for file in files)
    pytest.fail(f"no module stands behind the console script {entry}")


def test_every_python_example_in_a_document_compiles(checkout: Checkout) -> None:
    """An example is copied before it is read."""
    for name, text in documents(checkout).items():
        for language, body in FENCE.findall(text):
            if language == "python":
                compile(body, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_every_import_in_an_example_resolves(checkout: Checkout) -> None:
    """A renamed module must not live on in the documents."""
    known = {source.path for source in checkout.shipped}
    for name, text in documents(checkout).items():
        for language, body in FENCE.findall(text):
            if language != "python":
                continue
            for node in ast.walk(ast.parse(body)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trophenix"):
                    tail = (node.module or "").replace(".", "/")
                    found = [
                        path
                        for path in known
                        if path.endswith((f"/{tail}.py", f"/{tail}/__init__.py"))
                    ]
                    assert found, f"{name} imports {node.module}, which does not exist"
                    text_of_module = "".join(
                        (checkout.root / path).read_text("utf-8") for path in found
                    )
                    for alias in node.names:
                        assert re.search(rf"\b{alias.name}\b", text_of_module), (
                            f"{name}: {node.module} has no {alias.name}"
                        )


def test_every_quoted_file_is_quoted_as_it_is(checkout: Checkout) -> None:
    """A guide that shows last month's file teaches last month's mistakes; a path on a line of its own announces the whole file."""
    quoted = [
        (name, path, body)
        for name, text in documents(checkout).items()
        for path, body in re.findall(
            r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL
        )
    ]

    assert [
        (name, path)
        for name, path, body in quoted
        if (checkout.root / path).read_text("utf-8") != body
    ] == []
    assert quoted


def decisions(checkout: Checkout) -> dict[int, tuple[str, str]]:
    """Number → file name and text of each decision record."""
    found: dict[int, tuple[str, str]] = {}
    for name in checkout.files:
        matched = re.fullmatch(r"docs/adr/(\d{4})-([a-z0-9-]+)\.md", name)
        if matched:
            number = int(matched[1])
            assert number not in found, f"two decisions have the number {number}"
            found[number] = (name, (checkout.root / name).read_text("utf-8"))
    return found


def test_decisions_are_numbered_without_gaps(checkout: Checkout) -> None:
    """A number is how people speak of a decision; it is never used twice and none is lost."""
    numbers = sorted(decisions(checkout))

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_decision_has_its_parts(checkout: Checkout) -> None:
    """Without the alternatives the question is asked again; without what enforces it the answer is forgotten."""
    for number, (name, text) in decisions(checkout).items():
        assert re.match(rf"# {number:04d}\. \S", text), (
            f"{name}: the title has to begin with its number"
        )
        positions = [text.find(part) for part in ADR_PARTS]
        assert -1 not in positions, f"{name} lacks {ADR_PARTS[positions.index(-1)]}"
        assert positions == sorted(positions), name
        quotes = re.findall(
            r"(?:^> .+\n?)+", text.split("## Decision")[1].split("## ")[0], re.MULTILINE
        )
        assert len(quotes) == 1, f"{name}: the decision is one quotable sentence"


def test_every_decision_that_code_names_exists(checkout: Checkout) -> None:
    """Code refers to a decision so that its reader can find the reason."""
    for source in checkout.sources:
        for named in re.findall(
            r"docs/[\w/.-]+\.md", (checkout.root / source.path).read_text("utf-8")
        ):
            if named.startswith("docs/adr/") or not source.in_tests:
                assert (checkout.root / named).is_file(), f"{source.path} refers to {named}"


def test_what_enforces_a_decision_exists(checkout: Checkout) -> None:
    """A decision that says which test keeps it must not outlive the test."""
    for name, text in decisions(checkout).values():
        for span in CODE_SPAN.findall(text.split("## Enforced by")[1]):
            if PATH.fullmatch(span):
                assert Path(checkout.root / span).exists(), f"{name} says that {span} enforces it"


def test_the_index_of_decisions_lists_them_all(checkout: Checkout) -> None:
    """The list is how a newcomer learns that there is a decision at all."""
    index = (checkout.root / "docs/adr/README.md").read_text("utf-8")

    assert [
        name for name, _ in decisions(checkout).values() if f"({Path(name).name})" not in index
    ] == []


def test_every_number_that_is_served_is_explained(checkout: Checkout) -> None:
    """A metric nobody explained is one nobody watches."""
    page = (checkout.root / "docs/operations/monitoring.md").read_text("utf-8")
    served = set(
        re.findall(
            r'"(trophenix_\w+)"',
            (checkout.root / "kernel/trophenix_kernel/web/health.py").read_text("utf-8"),
        )
    )

    assert {name for name in served if name not in page} == set()
    assert served
