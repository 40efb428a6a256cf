"""Rules of the documents beside a plugin's code: how it is installed and removed, what changed, what it holds itself to."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, cast

from trophenix_sdk.tools.project import Finding, Project

BRONZE: Final = (
    "manifest_valid",
    "sdk_only_imports",
    "permissions_declared",
    "tables_under_row_security",
    "migrations_reversible",
    "readme_installs_and_removes",
    "events_documented",
)
_INSTALL: Final = re.compile(
    r"^#{1,6}\s.*\b(install|installation|installing|installer|set-?up)\b",
    re.IGNORECASE | re.MULTILINE,
)
_REMOVE: Final = re.compile(
    r"^#{1,6}\s.*\b(remov(e|al|ing)|uninstall(ation|ing)?|désinstall(er|ation)|suppression)\b",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER: Final = re.compile(r"^(done|exempt: .{3,})$")


def document_rules(project: Project) -> Iterator[Finding]:
    """D01 to D05."""
    readme = next(
        (
            project.root / name
            for name in ("README.md", "README.rst", "README.txt")
            if (project.root / name).is_file()
        ),
        None,
    )
    if readme is None:
        yield Finding(
            "D01",
            "error",
            "README.md",
            "no README",
            "one that says what the plugin is for",
            "Write one.",
        )
    else:
        text = readme.read_text(encoding="utf-8", errors="replace")
        place = project.place(readme)
        if not _INSTALL.search(text):
            yield Finding(
                "D02",
                "error",
                place,
                "no heading about installing",
                "a section such as “Install”",
                "Say how it gets in.",
            )
        if not _REMOVE.search(text):
            yield Finding(
                "D03",
                "error",
                place,
                "no heading about removing",
                "a section such as “Removal”",
                "Say how it gets out again, and what becomes of its data.",
            )
        for event in project.manifest.contract.events_emitted if project.manifest else ():
            name = str(getattr(event, "name", event))
            if name not in text:
                yield Finding(
                    "D06",
                    "warning",
                    place,
                    f"no word about the event {name}",
                    "every event described",
                    "Say when it is announced and what it carries.",
                )
    yield from _changes(project)
    yield from _quality(project)


def _changes(project: Project) -> Iterator[Finding]:
    file = project.root / "CHANGELOG.md"
    version = str(project.metadata.get("version", ""))
    if not file.is_file():
        yield Finding(
            "D04",
            "warning",
            "CHANGELOG.md",
            "no changelog",
            "one",
            "Write what changes for people, version by version.",
        )
    elif version and not re.search(
        rf"^#+\s.*\b{re.escape(version)}\b",
        file.read_text(encoding="utf-8", errors="replace"),
        re.MULTILINE,
    ):
        yield Finding(
            "D04",
            "warning",
            project.place(file),
            f"no heading for {version}",
            "the version that is being made",
            "Add it.",
        )


def _quality(project: Project) -> Iterator[Finding]:
    file = project.root / "quality.toml"
    if not file.is_file():
        yield Finding(
            "D05",
            "error",
            "quality.toml",
            "no quality.toml",
            "the bronze rules, each done or exempt",
            "`trophenix-plugin new` shows one.",
        )
        return
    place = project.place(file)
    try:
        tiers: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        yield Finding("D05", "error", place, str(error), "TOML", "Correct it.")
        return
    bronze = tiers.get("bronze", {})
    for rule in BRONZE:
        if rule not in bronze:
            yield Finding(
                "D05",
                "error",
                place,
                f"bronze.{rule} missing",
                '"done" or "exempt: <reason>"',
                "Answer it.",
            )
    for tier, rules in tiers.items():
        answers = cast("dict[str, Any]", rules) if isinstance(rules, dict) else {"": rules}
        for rule, answer in answers.items():
            if not isinstance(answer, str) or not _ANSWER.match(answer):
                yield Finding(
                    "D05",
                    "error",
                    place,
                    f"{tier}.{rule} = {answer!r}",
                    '"done" or "exempt: <reason>"',
                    "Answer it so.",
                )
