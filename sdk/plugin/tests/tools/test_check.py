"""`trophenix-plugin check` finds each fault where it is, and only that fault."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from trophenix_sdk.tools import (
    check,
    declaration_rules,
    document_rules,
    migration_rules,
    source_rules,
)
from trophenix_sdk.tools.check import check_project
from trophenix_sdk.tools.command import main
from trophenix_sdk.tools.project import Finding, NotAPluginProject, Project
from trophenix_sdk.tools.scaffold import write_project

Break = Callable[[Path], None]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_project("acme.carpool", tmp_path)
    return tmp_path / "carpool"


def replace(name: str, old: str, new: str) -> Break:
    def change(project: Path) -> None:
        file = project / name
        text = file.read_text("utf-8")
        assert old in text, f"{name} does not hold {old!r}"
        file.write_text(text.replace(old, new, 1), "utf-8")

    return change


def append(name: str, text: str) -> Break:
    def change(project: Path) -> None:
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def write(name: str, text: str) -> Break:
    def change(project: Path) -> None:
        (project / name).write_text(text, "utf-8")

    return change


def remove(name: str) -> Break:
    return lambda project: (project / name).unlink()


MANIFEST = "acme_carpool/trophenix.toml"
REVISION = "acme_carpool/migrations/v0001_items.py"
STORE = "acme_carpool/store.py"
OPERATIONS = "acme_carpool/operations.py"

FAULTS: dict[str, tuple[str, str, Break]] = {
    "no manifest": ("M01", MANIFEST, remove(MANIFEST)),
    "an unknown key": ("M01", MANIFEST, append(MANIFEST, "\n[unknown]\nkey = 1\n")),
    "another version": (
        "M02",
        MANIFEST,
        replace("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
    ),
    "another distribution": (
        "M02",
        MANIFEST,
        replace("pyproject.toml", 'name = "acme-carpool"', 'name = "acme-other"'),
    ),
    "an undeclared operation": (
        "C01",
        "acme_carpool/plugin.py",
        replace(MANIFEST, '"item.read", "item.create"', '"item.create"'),
    ),
    "an undeclared panel": (
        "C01",
        "acme_carpool/plugin.py",
        replace(MANIFEST, 'panels = ["items"]', "panels = []"),
    ),
    "an undeclared limit": (
        "C01",
        "acme_carpool/plugin.py",
        replace(OPERATIONS, "    limit=LIMIT,\n", '    limit="rides",\n'),
    ),
    "a hook that is not declared": (
        "C01",
        "acme_carpool/plugin.py",
        append(
            "acme_carpool/plugin.py",
            '\n\n@hookimpl\nasync def startup(ctx: object) -> None:\n    """Nothing."""\n',
        ),
    ),
    "a declared event that nothing registers": (
        "C02",
        MANIFEST,
        replace(MANIFEST, '"item.created"]', '"item.created", "item.gone"]'),
    ),
    "an import that fails": (
        "C03",
        "acme_carpool/plugin.py",
        append("acme_carpool/plugin.py", "\nraise SystemExit(3)\n"),
    ),
    "an import that ends the process": (
        "C03",
        "acme_carpool/plugin.py",
        append("acme_carpool/plugin.py", "\nimport os\n\nos._exit(4)\n"),
    ),
    "a hook nobody knows": (
        "C03",
        "acme_carpool/plugin.py",
        replace("acme_carpool/plugin.py", "def panels()", "def panelss()"),
    ),
    "an operation without a permission": (
        "P01",
        "acme_carpool/plugin.py",
        replace(OPERATIONS, 'items/{id}"), permission=READ)', 'items/{id}"))'),
    ),
    "a permission nobody registered": (
        "P02",
        "acme_carpool/plugin.py",
        replace(OPERATIONS, "permission=READ)", 'permission="item.look")'),
    ),
    "a platform operation": (
        "P03",
        "acme_carpool/plugin.py",
        replace(
            OPERATIONS,
            'items/{id}"), permission=READ)',
            'items/{id}"), permission=READ, scope="platform")',
        ),
    ),
    "the kernel's insides": (
        "I01",
        f"{STORE}:",
        append(STORE, "\nimport trophenix_kernel.storage.pool\n"),
    ),
    "the kernel, hidden in a function": (
        "I01",
        f"{STORE}:",
        append(
            STORE,
            "\n\ndef f() -> object:\n    from trophenix_migrations import runner\n\n    return runner\n",
        ),
    ),
    "the kernel, imported by name": (
        "I01",
        f"{STORE}:",
        append(STORE, '\nimport importlib\n\nimportlib.import_module("trophenix_kernel")\n'),
    ),
    "an undeclared distribution": ("I02", f"{STORE}:", append(STORE, "\nimport yaml_of_nobody\n")),
    "the store knowing operations": (
        "I03",
        f"{STORE}:",
        append(
            STORE,
            "\n\ndef f() -> object:\n    from acme_carpool import operations\n\n    return operations\n",
        ),
    ),
    "the model knowing panels, relatively": (
        "I03",
        "acme_carpool/model.py:",
        append(
            "acme_carpool/model.py",
            "\n\ndef f() -> object:\n    from .panels import PANELS\n\n    return PANELS\n",
        ),
    ),
    "a model that reads": (
        "I04",
        "acme_carpool/model.py:",
        append("acme_carpool/model.py", "\nimport sqlalchemy\n"),
    ),
    "a module for everything": (
        "I05",
        "acme_carpool/utils.py",
        write("acme_carpool/utils.py", '"""Everything."""\n'),
    ),
    "SQL from values": (
        "S01",
        f"{STORE}:",
        append(
            STORE,
            "\n\ndef find(name: str) -> Query[Item]:\n    return Query(f\"select * from items where name = '{name}'\", Item)\n",
        ),
    ),
    "SQL from values by format": (
        "S01",
        f"{STORE}:",
        append(
            STORE,
            '\n\ndef find(name: str) -> Query[Item]:\n    return Query("select * from {}".format(name), Item)\n',
        ),
    ),
    "SQL from values by addition": (
        "S01",
        f"{STORE}:",
        append(
            STORE,
            '\n\ndef find(name: str) -> Query[Item]:\n    return Query("select * from " + name, Item)\n',
        ),
    ),
    "a cast that is read as a name": (
        "S02",
        f"{STORE}:",
        append(STORE, '\nX: Final = Query("select id from items where id = :id::uuid", UUID)\n'),
    ),
    "the tenant in a statement": (
        "S03",
        f"{STORE}:",
        append(STORE, '\nX: Final = Query("select id from items where tenant_id = :t", UUID)\n'),
    ),
    "another tenant's rows": (
        "S04",
        f"{STORE}:",
        append(STORE, "\nX: Final = Query(\"select set_config('app.x', :t, true)\", str)\n"),
    ),
    "no way back": ("R01", f"{REVISION}:", replace(REVISION, '    drop_table("items")\n', "")),
    "an open table": (
        "R02",
        f"{REVISION}:",
        replace(
            REVISION,
            '    op.create_index("items_by_name"',
            '    op.create_table("items2", sa.Column("id", sa.Uuid))\n    op.create_index("items_by_name"',
        ),
    ),
    "a table that stays": (
        "R03",
        f"{REVISION}:",
        replace(REVISION, '    drop_table("items")\n', '    drop_table("other")\n'),
    ),
    "two last revisions": (
        "R04",
        "acme_carpool/migrations/",
        write(
            "acme_carpool/migrations/v0002_more.py",
            'revision = "v0002"\ndown_revision = None\n\n\ndef upgrade() -> None:\n    print("x")\n'
            '\n\ndef downgrade() -> None:\n    print("x")\n',
        ),
    ),
    "a table nobody declared": (
        "R05",
        f"{REVISION}:",
        replace(MANIFEST, 'name = "items"\non', 'name = "other"\non'),
    ),
    "a revision that leans on the code": (
        "R06",
        f"{REVISION}:",
        replace(
            REVISION,
            "from alembic import op\n",
            "from alembic import op\n\nfrom acme_carpool import model\n",
        ),
    ),
    "no readme": ("D01", "README.md", remove("README.md")),
    "no way in": ("D02", "README.md", replace("README.md", "## Install\n", "## Begin\n")),
    "no way out": ("D03", "README.md", replace("README.md", "## Removal\n", "## End\n")),
    "no word about this version": (
        "D04",
        "CHANGELOG.md",
        replace("CHANGELOG.md", "## 0.1.0", "## 0.0.9"),
    ),
    "an unanswered rule": (
        "D05",
        "quality.toml",
        replace("quality.toml", 'manifest_valid = "done"', 'manifest_valid = "later"'),
    ),
    "an event nobody describes": (
        "D06",
        "README.md",
        replace("README.md", "`item.created`", "`…`"),
    ),
    "a clock of its own": (
        "T01",
        f"{STORE}:",
        append(
            STORE,
            "\n\ndef f() -> object:\n    import datetime\n\n    return datetime.datetime.now()\n",
        ),
    ),
    "no Python": ("F01", f"{STORE}:", append(STORE, "\ndef (:\n")),
}

BY_LETTER = {
    "F": (source_rules.readable_rules,),
    "M": (declaration_rules.manifest_rules,),
    "C": (declaration_rules.contract_rules,),
    "P": (declaration_rules.contract_rules,),
    "I": (source_rules.import_rules, source_rules.layer_rules),
    "S": (source_rules.sql_rules,),
    "R": (migration_rules.migration_rules,),
    "D": (document_rules.document_rules,),
    "T": (source_rules.clock_rules,),
}
"""Only what a fault is about is run: importing a plugin in a process of its own takes a second."""


def test_all_rules_are_run() -> None:
    assert {function for functions in BY_LETTER.values() for function in functions} == set(
        check.RULES
    )


@pytest.mark.parametrize(("rule", "place", "breaking"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found_where_it_is(
    project: Path, rule: str, place: str, breaking: Break
) -> None:
    breaking(project)
    read = Project(project.resolve())
    everything = [finding for function in BY_LETTER[rule[0]] for finding in function(read)]
    found = [finding for finding in everything if finding.rule == rule]

    assert found, [str(finding) for finding in everything]
    assert any(finding.place.startswith(place) for finding in found), [
        finding.place for finding in found
    ]
    assert all(finding.found and finding.expected and finding.next_step for finding in found)


def test_every_rule_there_is_is_broken_here() -> None:
    """Whoever adds a rule shows a project that breaks it."""
    folder = Path(check.__file__).parent
    written = {
        rule
        for file in folder.glob("*_rules.py")
        for rule in re.findall(r'"([A-Z]\d\d)"', file.read_text("utf-8"))
    }

    assert written == {rule for rule, _place, _breaking in FAULTS.values()}


def test_no_other_rule_is_broken_by_a_cast(project: Path) -> None:
    append(STORE, '\nX: Final = Query("select id from items where id = :id::uuid", UUID)\n')(
        project
    )

    assert {finding.rule for finding in check_project(project)} == {"S02"}


def test_sql_put_together_at_import_is_constant(project: Path) -> None:
    append(
        STORE,
        '\nX: Final = Query("select " + ", ".join(f"{name}" for name in ("id", "name")) + " from items", tuple)\n',
    )(project)

    assert check_project(project) == ()


def test_a_loop_in_a_downgrade_drops_what_it_names(project: Path) -> None:
    replace(
        REVISION,
        '    drop_table("items")\n',
        '    for name in ("items",):\n        drop_table(name)\n',
    )(project)

    assert check_project(project) == ()


def test_a_table_secured_afterwards_is_closed(project: Path) -> None:
    replace(
        REVISION,
        '    create_tenant_table(\n        "items",',
        '    secure_tenant_table("items")\n    op.create_table(\n        "items",',
    )(project)
    replace(
        REVISION,
        "create_tenant_table, drop_table, owner_schema",
        "drop_table, owner_schema, secure_tenant_table",
    )(project)

    assert check_project(project) == ()


def test_a_reason_excuses_a_line_and_silence_does_not(project: Path) -> None:
    line = '\n\ndef find(name: str) -> Query[Item]:\n    return Query("select * from " + name, Item)  # trophenix: allow S01{}\n'
    append(STORE, line.format(", the names are a fixed set"))(project)
    assert check_project(project) == ()

    append(STORE, line.format(""))(project)
    assert [finding.rule for finding in check_project(project)] == ["S01"]


def test_what_a_plugin_prints_at_import_confuses_nothing(project: Path) -> None:
    append("acme_carpool/plugin.py", '\nprint("{\\"names\\": {}}")\n')(project)

    assert check_project(project) == ()


def test_the_exit_status_follows_errors_and_not_warnings(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(project)]) == 0
    replace("CHANGELOG.md", "## 0.1.0", "## 0.0.9")(project)
    assert main(["check", str(project)]) == 0
    (project / "README.md").unlink()
    assert main(["check", str(project)]) == 1
    assert "D01 error" in capsys.readouterr().out


def test_json_says_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "README.md").unlink()
    main(["check", str(project), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert set(Finding.__struct_fields__) == set(found[0])
    assert [finding["rule"] for finding in found] == ["D01"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not toml [",
        "[project]\nname = 'x'\n",
        '[project.entry-points."trophenix.plugins"]\nx = "nowhere.plugin"\n',
    ],
)
def test_what_is_no_project_is_said_so(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(NotAPluginProject):
        check_project(tmp_path)

    assert main(["check", str(tmp_path)]) == 1
    assert "→" in capsys.readouterr().err


def test_a_project_below_src_is_read_too(project: Path) -> None:
    (project / "src").mkdir()
    (project / "acme_carpool").rename(project / "src" / "acme_carpool")

    assert check_project(project) == ()
