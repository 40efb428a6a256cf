"""All rules over one project.

A line that breaks a rule for a good reason says so: ``# trophenix: allow S01, the column comes from a fixed table``, on the line or on the
one above. Without a reason the comment does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from trophenix_sdk.tools.declaration_rules import contract_rules, manifest_rules
from trophenix_sdk.tools.document_rules import document_rules
from trophenix_sdk.tools.migration_rules import migration_rules
from trophenix_sdk.tools.project import Finding, Project
from trophenix_sdk.tools.source_rules import (
    clock_rules,
    import_rules,
    layer_rules,
    readable_rules,
    sql_rules,
)

Rule = Callable[[Project], Iterator[Finding]]

RULES: Final[tuple[Rule, ...]] = (
    readable_rules,
    manifest_rules,
    contract_rules,
    import_rules,
    layer_rules,
    sql_rules,
    migration_rules,
    document_rules,
    clock_rules,
)

_ALLOWED: Final = re.compile(r"#\s*trophenix:\s*allow\s+([A-Z]\d\d)\b[\s,:-]+(\S.{2,})")


def check_project(root: Path) -> tuple[Finding, ...]:
    """Everything that breaks a rule, errors first, then by place.

    The plugin's own code runs once, in a process of its own, to see what it registers; everything else is read.

    Raises:
        NotAPluginProject: *root* cannot be checked at all.
    """
    project = Project(root.resolve())
    found = {
        finding: None
        for rule in RULES
        for finding in rule(project)
        if not _is_allowed(finding, project.root)
    }
    return tuple(
        sorted(
            found,
            key=lambda finding: (finding.severity, finding.place, finding.rule, finding.found),
        )
    )


def _is_allowed(finding: Finding, root: Path) -> bool:
    name, _, number = finding.place.rpartition(":")
    if not number.isdigit():
        return False
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    near = lines[max(0, int(number) - 2) : int(number)]
    return any(match.group(1) == finding.rule for line in near if (match := _ALLOWED.search(line)))
