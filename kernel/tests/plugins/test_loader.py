"""Loading: what plugins register is checked, kept and put in order; each failure stays where it happened."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from typing import Any

import pytest

from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.dispatcher import Audience, Dispatcher
from trophenix_kernel.plugins.loader import LoadMode, load_plugins
from trophenix_kernel.plugins.model import PluginsFailed, PluginState
from trophenix_sdk.manifest import Kind, Priority
from trophenix_testing.plugins import PluginSite, write_healthy_plugin, write_plugin

HOOKS = "from trophenix_sdk.hooks import hookimpl\n\n"
OBSERVER = HOOKS + "@hookimpl\nasync def tenant_disabled(ctx):\n    ctx.append(__name__)\n"
OBSERVES = {"hooks": ["tenant_disabled"]}


class TestContributions:
    def test_what_a_plugin_registers_is_kept_under_its_names(self, site: PluginSite) -> None:
        write_plugin(
            site.root,
            id="acme.full",
            files={
                "plugin.py": HOOKS
                + """
from dataclasses import dataclass
from trophenix_sdk.events import EventType
from trophenix_sdk.permissions import Permission

@dataclass
class Named:
    name: str

@dataclass
class Slugged:
    slug: str

@hookimpl
def operations(): return [Named("card.read"), Named("card.write")]
@hookimpl
def permissions(): return (Permission("card.read", "Read"),)
@hookimpl
def events(): return [EventType("card.created", None)]
@hookimpl
def panels(): return [Slugged("cards")]
@hookimpl
def widgets(): return []
@hookimpl
def settings(): return None
@hookimpl
async def authorize(action): return None
"""
            },
            contract={
                "operations": ["card.read", "card.write", "card.planned"],
                "permissions": ["card.read"],
                "events_emitted": ["card.created"],
                "panels": ["cards"],
                "hooks": ["authorize", "operations"],
            },
        )

        record = site.load().catalogue.require("acme.full")

        assert record.state is PluginState.READY
        assert [state.value for state in record.history] == [
            "discovered",
            "resolved",
            "imported",
            "registered",
            "migrated",
            "ready",
        ]
        kept = record.contributions
        assert [one.name for one in kept.operations] == ["card.read", "card.write"]
        assert [one.name for one in kept.panels] == ["cards"]
        assert kept.permissions[0].value.title == "Read"
        assert kept.hooks == ("authorize",)
        assert [(one.code, one.where) for one in record.warnings] == [
            ("plugin.not_registered", "contract.operations")
        ]
        assert "card.planned" in record.warnings[0].message

    @pytest.mark.parametrize(
        ("hook", "key"),
        [
            ("operations", "operations"),
            ("permissions", "permissions"),
            ("events", "events_emitted"),
            ("panels", "panels"),
            ("widgets", "widgets"),
            ("settings", "settings"),
        ],
    )
    def test_everything_registered_must_be_declared(
        self, site: PluginSite, hook: str, key: str
    ) -> None:
        code = f"class One:\n    name = 'hidden.one'\n\n@hookimpl\ndef {hook}(): return [One()]\n"
        write_plugin(site.root, id="acme.sneaky", files={"plugin.py": HOOKS + code})
        write_plugin(
            site.root,
            id="acme.honest",
            files={"plugin.py": HOOKS + code},
            contract={key: ["hidden.one"]},
        )

        catalogue = site.load().catalogue

        record = catalogue.require("acme.sneaky")
        assert record.state is PluginState.CONTRACT_VIOLATION
        assert record.errors[0].where == f"contract.{key}"
        assert f'Add "hidden.one" to contract.{key}' in record.errors[0].message
        assert catalogue.require("acme.honest").problems == ()

    def test_a_run_time_hook_must_be_declared_as_well(self, site: PluginSite) -> None:
        write_plugin(site.root, id="acme.sneaky", files={"plugin.py": OBSERVER})

        record = site.load().catalogue.require("acme.sneaky")

        assert record.state is PluginState.CONTRACT_VIOLATION
        assert (
            "hooks registered by the code but not declared: tenant_disabled"
            in record.errors[0].message
        )

    def test_all_violations_are_listed_at_once(self, site: PluginSite) -> None:
        code = """
class One:
    name = "x.one"

@hookimpl
def operations(): return [One(), One(), 3]
@hookimpl
def permissions(): return [One()]
@hookimpl
def panels(): return "cards"
"""
        write_plugin(site.root, id="acme.messy", files={"plugin.py": HOOKS + code})

        record = site.load().catalogue.require("acme.messy")

        assert [one.code for one in record.errors] == [
            "plugin.repeated_name",
            "plugin.wrong_type",
            "plugin.wrong_type",
            "plugin.undeclared",
            "plugin.undeclared",
        ]
        assert record.contributions.operations == ()

    @pytest.mark.parametrize("option", ["tryfirst=True", "trylast=True", "wrapper=True"])
    def test_order_cannot_be_claimed_in_code(self, site: PluginSite, option: str) -> None:
        body = "    yield\n" if "wrapper" in option else "    return []\n"
        code = f"@hookimpl({option})\ndef operations():\n{body}"
        write_plugin(site.root, id="acme.pushy", files={"plugin.py": HOOKS + code})

        record = site.load().catalogue.require("acme.pushy")

        assert record.state is PluginState.CONTRACT_VIOLATION
        assert record.errors[0].code == "plugin.hook_order"

    def test_a_hook_of_a_newer_api_can_be_marked_optional(self, site: PluginSite) -> None:
        code = "@hookimpl(optionalhook=True)\nasync def not_yet_invented(ctx): return None\n"
        write_plugin(site.root, id="acme.modern", files={"plugin.py": HOOKS + code})

        assert site.load().catalogue.require("acme.modern").state is PluginState.READY

    def test_the_entry_point_may_lead_to_an_object(self, site: PluginSite) -> None:
        code = """
class One:
    name = "x.one"

class Plugin:
    def __init__(self): self.items = [One()]
    @hookimpl
    def operations(self): return self.items
    @hookimpl
    async def tenant_disabled(self, ctx): ctx.append("object")

class box:
    plugin = Plugin()
"""
        write_plugin(
            site.root,
            id="acme.thing",
            files={"plugin.py": HOOKS + code},
            entry_point="acme_thing.plugin:box.plugin",
            contract={"operations": ["x.one"], **OBSERVES},
        )

        record = site.load().catalogue.require("acme.thing")

        assert record.state is PluginState.READY
        assert [one.name for one in record.contributions.operations] == ["x.one"]


class TestOrder:
    def test_hooks_run_in_load_order(self, site: PluginSite) -> None:
        """Requirements, then band, then id: the same for loading and for calling."""
        for plugin, priority, requires in (
            ("acme.zoo", Priority.EARLY, {}),
            ("acme.ant", Priority.LATE, {}),
            ("acme.bee", Priority.NORMAL, {"acme.ant": ">=1"}),
            ("acme.cat", Priority.NORMAL, {}),
        ):
            write_plugin(
                site.root,
                id=plugin,
                files={"plugin.py": OBSERVER},
                contract=OBSERVES,
                priority=priority,
                requires=requires,
            )
        loaded = site.load()
        dispatcher = Dispatcher.of(loaded, report=lambda failure: pytest.fail(str(failure)))
        ran: list[str] = []
        everybody = Audience.of("t", [record.key for record in loaded.catalogue])

        asyncio.run(dispatcher.call("tenant_disabled", everybody, ran, "switched off"))

        expected = ["acme.zoo", "acme.cat", "acme.ant", "acme.bee"]
        assert [record.key for record in loaded.catalogue] == expected
        assert ran == [f"{key.replace('.', '_')}.plugin" for key in expected]

    def test_a_failed_import_takes_down_those_that_need_it(self, site: PluginSite) -> None:
        write_plugin(site.root, id="acme.base", files={"plugin.py": "1 / 0\n"})
        write_plugin(
            site.root,
            id="acme.needs",
            requires={"acme.base": ">=1"},
            files={"plugin.py": OBSERVER},
            contract=OBSERVES,
        )
        write_plugin(site.root, id="acme.likes", optional={"acme.base": ">=1"})

        catalogue = site.load().catalogue

        assert catalogue.require("acme.base").state is PluginState.IMPORT_FAILED
        needs = catalogue.require("acme.needs")
        assert needs.state is PluginState.MISSING_DEPENDENCY
        assert needs.errors[0].origin == "acme.base"
        assert "acme_needs.plugin" not in sys.modules
        assert catalogue.require("acme.likes").state is PluginState.READY


class TestIsolation:
    def test_a_failed_import_leaves_no_half_made_modules(self, site: PluginSite) -> None:
        write_plugin(
            site.root,
            id="acme.half",
            files={"other.py": "", "plugin.py": "from acme_half import other\n1 / 0\n"},
        )

        record = site.load().catalogue.require("acme.half")

        assert not [name for name in sys.modules if name.startswith("acme_half")]
        assert "ZeroDivisionError" in record.errors[0].traceback
        assert record.errors[0].where.endswith("acme_half/plugin.py:2")

    def test_a_plugin_that_was_refused_implements_nothing(self, site: PluginSite) -> None:
        write_plugin(site.root, id="acme.sneaky", files={"plugin.py": OBSERVER})
        loaded = site.load()

        assert not loaded.manager.has_plugin("acme.sneaky")
        assert loaded.manager.hook.tenant_disabled.get_hookimpls() == []

    def test_a_required_library_may_be_imported_and_no_other(self, site: PluginSite) -> None:
        write_plugin(
            site.root, id="acme.shared", kind=Kind.LIBRARY, files={"__init__.py": "ANSWER = 42\n"}
        )
        uses = {"plugin.py": "from acme_shared import ANSWER\n"}
        write_plugin(site.root, id="acme.declares", files=uses, requires={"acme.shared": ">=1"})
        write_plugin(site.root, id="acme.helps-itself".replace("-", "_"), files=uses)

        catalogue = site.load().catalogue

        assert catalogue.require("acme.declares").state is PluginState.READY
        assert catalogue.require("acme.helps_itself").errors[0].code == "plugin.forbidden_import"

    def test_interrupting_the_start_still_works(self, site: PluginSite) -> None:
        write_plugin(site.root, id="acme.key", files={"plugin.py": "raise KeyboardInterrupt\n"})

        with pytest.raises(KeyboardInterrupt):
            site.load()

    def test_two_entry_points_to_one_object_are_one_plugin_too_many(self, site: PluginSite) -> None:
        """pluggy's own refusal becomes a failure of the second."""
        write_plugin(site.root, id="acme.one", kind=Kind.LIBRARY)
        write_plugin(
            site.root,
            id="acme.two",
            requires={"acme.one": ">=1"},
            files={"plugin.py": "from acme_one import plugin as again\n"},
            entry_point="acme_two.plugin:again",
        )

        catalogue = site.load().catalogue

        assert catalogue.require("acme.one").state is PluginState.READY
        assert catalogue.require("acme.two").errors[0].code == "plugin.registration_failed"


class TestTime:
    def test_a_slow_import_is_served_with_a_warning(self, site: PluginSite) -> None:
        write_plugin(site.root, id="acme.slow", extra={"runtime": {"import_ms": 100}})
        clock = iter([0.0, 0.101])

        record = site.load(monotonic=lambda: next(clock)).catalogue.require("acme.slow")

        assert record.state is PluginState.READY
        assert record.import_ms == 101.0
        assert [one.code for one in record.warnings] == ["plugin.slow_import"]

    def test_an_import_over_the_platforms_limit_fails_where_it_cannot_be_interrupted(
        self, site: PluginSite
    ) -> None:
        """Outside the main thread it is only known afterwards."""
        write_plugin(site.root, id="acme.slow")
        clock = iter([0.0, 10.001])
        loaded: list[Any] = []

        thread = threading.Thread(
            target=lambda: loaded.append(site.load(monotonic=lambda: next(clock)))
        )
        thread.start()
        thread.join()

        record = loaded[0].catalogue.require("acme.slow")
        assert record.state is PluginState.IMPORT_FAILED
        assert record.errors[0].code == "plugin.import_too_slow"

    @pytest.mark.skipif(
        not hasattr(signal, "setitimer"), reason="the system has no interval timers"
    )
    def test_an_alarm_set_by_others_keeps_running(self, site: PluginSite) -> None:
        write_healthy_plugin(site.root)
        rung: list[int] = []
        old = signal.signal(signal.SIGALRM, lambda number, _frame: rung.append(number))
        left = signal.setitimer(signal.ITIMER_REAL, 500)
        try:
            site.load()

            assert 400 < signal.getitimer(signal.ITIMER_REAL)[0] <= 500
            assert signal.getsignal(signal.SIGALRM) is not old
        finally:
            signal.setitimer(signal.ITIMER_REAL, *left)
            signal.signal(signal.SIGALRM, old)
        assert rung == []


class TestModes:
    def test_strict_mode_fails_after_everything_was_tried(self, site: PluginSite) -> None:
        write_healthy_plugin(site.root)
        write_plugin(site.root, id="acme.one", files={"plugin.py": "1 / 0\n"})
        write_plugin(site.root, id="acme.two", kernel=">=9")

        with pytest.raises(PluginsFailed, match="2 of 3 plugins") as failed:
            site.load(mode=LoadMode.STRICT)

        assert "acme.one" in str(failed.value)
        assert "acme.two" in str(failed.value)
        assert failed.value.catalogue.require("good.steady").state is PluginState.READY

    def test_safe_mode_resolves_and_imports_nothing(self, site: PluginSite) -> None:
        write_healthy_plugin(site.root)

        loaded = site.load(mode=LoadMode.SAFE)

        assert loaded.catalogue.require("good.steady").state is PluginState.RESOLVED
        assert "good_steady" not in sys.modules
        assert loaded.manager.get_plugins() == set()

    def test_the_schema_can_be_left_to_the_caller(self, site: PluginSite) -> None:
        write_healthy_plugin(site.root)

        catalogue = site.load(until=PluginState.REGISTERED).catalogue

        assert catalogue.require("good.steady").state is PluginState.REGISTERED
        assert catalogue.serving == ()
        catalogue = catalogue.advance("good.steady", PluginState.MIGRATED)
        assert catalogue.advance("good.steady", PluginState.READY).serving

    def test_any_other_end_is_refused(self) -> None:
        with pytest.raises(ValueError, match="expected registered or ready"):
            load_plugins(Host(kernel="0.1.0"), records=(), until=PluginState.IMPORTED)
