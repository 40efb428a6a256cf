"""Write docs/errors.md from the code: ``python docs/write_errors.py``, or ``make docs``.

Classes are read from the imported packages, so that inherited codes and statuses are the true ones; codes given where an error is raised
are read from the syntax, so that each comes with the sentence a caller will see.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import trophenix.errors as client
from trophenix_kernel.runtime.errors import RuntimeFailure
from trophenix_sdk.errors import PROBLEM_BASE, TrophenixError

PACKAGES: Final = (
    "trophenix_sdk",
    "trophenix_migrations",
    "trophenix_kernel",
    "trophenix_recruitment",
)
PAGE: Final = Path(__file__).with_name("errors.md")

HEAD: Final = f"""\
<!-- Written by `make docs` from the code; change the code, not this page. -->
# Errors

Every refusal has a **code** that never changes with its wording: branch on it. The sentence says what was found and what was expected,
and `next_step` what can be done.

Over HTTP a refusal is a problem document (RFC 9457, `application/problem+json`) with `type` (`{PROBLEM_BASE}` + code), `title`, `status`,
`code`, `detail`, `next_step`, `errors` (one entry for each faulty place of the input: `pointer`, `code`, `message`), `instance` and
`request_id`. On the command line the same sentence is printed and the exit status is not zero; a background job that fails keeps the
same document.
"""


class Raised(NamedTuple):
    """A code given where an error is raised."""

    code: str
    error: str
    sentence: str
    next_step: str
    expected: str
    path: str


def page() -> str:
    """The whole of docs/errors.md."""
    classes = dict(error_classes())
    api = sorted(
        (c for c in classes.values() if issubclass(c, TrophenixError)),
        key=lambda c: (c.status, c.code),
    )
    sites = list(raised(classes))
    parts = [HEAD, "\n## What operations answer\n\n| status | code | when |\n|---|---|---|\n"]
    for error in api:
        if error is TrophenixError:
            parts.append(
                row(
                    str(error.status),
                    f"`{error.code}`",
                    "A fault of the platform's own; nothing was changed.",
                )
            )
            continue
        parts.append(row(str(error.status), f"`{error.code}`", first_sentence(error)))
        for site in sorted(
            {
                s.code: s
                for s in reversed(sites)
                if s.error == error.__name__ and s.code != error.code
            }.values()
        ):
            parts.append(row(str(error.status), f"`{site.code}`", with_next(site)))
    parts.append(
        "\nA rule of the database (a unique name, a reference, a check) that refuses a change answers 409 with the constraint's name"
        " as code.\n"
    )
    parts.append("\n## Why a process does not start\n\n| code | when |\n|---|---|\n")
    for name in sorted(c.code for c in classes.values() if issubclass(c, RuntimeFailure)):
        error = next(
            c for c in classes.values() if issubclass(c, RuntimeFailure) and c.code == name
        )
        parts.append(row(f"`{name}`", first_sentence(error)))
    parts.append(
        "\n## Why a plugin is not ready\n\n`trophenix plugins` and the plugins page show these;"
        " the platform runs on without the plugin.\n\n"
        "| code | expected | next step |\n|---|---|---|\n"
    )
    for code, site in sorted(
        {f"plugin.{s.code}": s for s in reversed(sites) if s.error == "problem"}.items()
    ):
        parts.append(row(f"`{code}`", site.expected or "…", site.next_step or "…"))
    own = sorted({s.code: s for s in reversed(sites) if s.error in COLLECTED}.values())
    if own:
        parts.append(
            "\n## Why a file of athletes is refused\n\n| code | expected | next step |\n|---|---|---|\n"
        )
        parts.extend(row(f"`{s.code}`", s.expected or "…", s.next_step or "…") for s in own)
    parts.append(
        "\n## What the Python client raises\n\nIndentation shows what is caught with what. An answer of the API keeps its `code`.\n\n"
    )
    parts.extend(client_tree(client.TrophenixError, 0))
    return "".join(parts)


GIVES_CODES: Final = re.compile(
    r"\bcode=|\bproblem\(|\b_refuse\(|(FileRefused|FileTooLarge|ImportRefused)\("
)
COLLECTED: Final = frozenset({"FileRefused", "FileTooLarge", "ImportRefused"})


def error_classes() -> Iterator[tuple[str, type[BaseException]]]:
    """Every exception that the platform's packages define, by its full name."""
    for root in PACKAGES:
        package = importlib.import_module(root)
        for found in pkgutil.walk_packages(package.__path__, f"{root}."):
            if found.name.endswith(".__main__"):
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if (
                    inspect.isclass(value)
                    and issubclass(value, BaseException)
                    and value.__module__ == found.name
                ):
                    yield f"{found.name}.{name}", value


def raised(classes: dict[str, type[BaseException]]) -> Iterator[Raised]:
    """Every constant code that is given to an error, or to a plugin's problem, where it arises."""
    names = {error.__name__ for error in classes.values()}
    for root in PACKAGES:
        folder = Path(str(importlib.import_module(root).__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            source = file.read_text("utf-8")
            if not GIVES_CODES.search(source):
                continue
            for node in ast.walk(ast.parse(source)):
                if not isinstance(node, ast.Call):
                    continue
                name = ast.unparse(node.func).rpartition(".")[2]
                words = {
                    keyword.arg: text_of(keyword.value) for keyword in node.keywords if keyword.arg
                }
                given = [text_of(argument) for argument in node.args]
                path = f"{root}/{file.relative_to(folder).as_posix()}"
                if name in {"problem", "_refuse"} and len(given) > 1 and given[1]:
                    yield Raised(
                        given[1],
                        "problem",
                        "",
                        words.get("next_step", ""),
                        words.get("expected", ""),
                        path,
                    )
                elif name in COLLECTED and given and given[0]:
                    given += [""] * 4
                    yield Raised(
                        given[0],
                        name,
                        "",
                        words.get("next_step") or given[3],
                        words.get("expected") or given[2],
                        path,
                    )
                elif name in names and words.get("code"):
                    sentence = given[0] if given else ""
                    yield Raised(
                        words["code"], name, sentence, words.get("next_step", ""), "", path
                    )


def text_of(node: ast.expr) -> str:
    """The literal text of an expression, with an ellipsis for what is put in; empty when it is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(text_of(part) or "…" for part in node.values)
        case ast.BinOp(op=ast.Add()):
            return (text_of(node.left) or "…") + (text_of(node.right) or "…")
        case _:
            return ""


def with_next(site: Raised) -> str:
    """The sentence and its next step."""
    return " ".join(part for part in (site.sentence, site.next_step) if part) or "…"


def first_sentence(error: type[BaseException]) -> str:
    """The first paragraph of a class's docstring."""
    return " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split())


def client_tree(error: type[BaseException], depth: int) -> list[str]:
    """The class and those below it, as a nested list."""
    lines = [f"{'  ' * depth}- `{error.__name__}`: {first_sentence(error)}\n"]
    for below in sorted(error.__subclasses__(), key=lambda one: one.__name__):
        lines.extend(client_tree(below, depth + 1))
    return lines


def row(*cells: str) -> str:
    """One line of a table."""
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
