"""States change only as drawn, and a failure takes with it exactly those that need the failed plugin."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.plugins.model import (
    FAILED,
    SERVING,
    TRANSITIONS,
    IllegalTransition,
    PluginCatalogue,
    PluginProblem,
    PluginRecord,
    PluginsFailed,
    PluginState,
    UnknownPlugin,
    move,
    problem,
    summary,
)
from trophenix_sdk.manifest import (
    Compat,
    Contract,
    Kind,
    Level,
    Manifest,
    PluginSection,
    Requires,
)

STATES = st.sampled_from(PluginState)


def record(
    plugin: str, *, requires: tuple[str, ...] = (), state: PluginState = PluginState.DISCOVERED
) -> PluginRecord:
    """A plugin *plugin* in *state* that requires the others named."""
    manifest = Manifest(
        manifest=1,
        plugin=PluginSection(
            id=plugin,
            distribution=plugin,
            version="1",
            kind=Kind.MODULE,
            level=Level.TENANT,
            name=plugin,
        ),
        compat=Compat(kernel=">=0", hook_api=1),
        contract=Contract(),
        requires=Requires(plugins=dict.fromkeys(requires, ">=0")),
    )
    return PluginRecord(
        key=plugin,
        id=plugin,
        distribution=plugin,
        version="1",
        entry_point="p = p",
        package="p",
        manifest=manifest,
        history=(state,),
    )


def fault(of: PluginRecord, state: PluginState | None = PluginState.IMPORT_FAILED) -> PluginProblem:
    """A problem of the plugin."""
    return problem(
        of, "broken", state=state, found="a fault", expected="none", next_step="Mend it."
    )


class TestTransitions:
    @given(st.lists(STATES, max_size=12))
    def test_no_sequence_of_moves_leaves_the_drawing(self, wishes: list[PluginState]) -> None:
        """Refused moves change nothing, accepted ones are kept in the history."""
        current = record("a.a")
        for wish in wishes:
            if wish in TRANSITIONS[current.state]:
                current = move(current, wish)
                assert current.state is wish
            else:
                with pytest.raises(IllegalTransition) as refused:
                    move(current, wish)
                assert refused.value.code == "plugin.illegal_transition"
        assert current.history[0] is PluginState.DISCOVERED
        assert all(
            after in TRANSITIONS[before]
            for before, after in zip(current.history, current.history[1:], strict=False)
        )

    def test_every_state_is_drawn_and_can_be_reached(self) -> None:
        reached = {PluginState.DISCOVERED}
        for _ in PluginState:
            reached |= {after for before in reached for after in TRANSITIONS[before]}

        assert reached == set(PluginState) == set(TRANSITIONS)

    def test_failures_are_final_and_never_serve(self) -> None:
        assert all(not TRANSITIONS[state] for state in FAILED)
        assert not FAILED & SERVING

    def test_a_refused_move_says_what_is_possible(self) -> None:
        with pytest.raises(IllegalTransition, match=r"a\.a is ready.*suspended"):
            move(record("a.a", state=PluginState.READY), PluginState.IMPORTED)


PLUGINS = 7
GRAPHS = st.lists(st.tuples(st.integers(0, PLUGINS - 1), st.integers(0, PLUGINS - 1)), max_size=12)


class TestCatalogue:
    @given(GRAPHS, st.integers(0, PLUGINS - 1), st.permutations(range(PLUGINS)))
    def test_a_failure_takes_down_all_that_need_it_and_nobody_else(
        self, edges: list[tuple[int, int]], broken: int, order: list[int]
    ) -> None:
        """Directly or by way of others, whatever the order of the catalogue."""
        needs = {n: {b for a, b in edges if a == n and b != n} for n in range(PLUGINS)}
        lost = {broken}
        for _ in range(PLUGINS):
            lost |= {n for n in needs if needs[n] & lost}
        catalogue = PluginCatalogue(
            tuple(
                record(
                    f"p.n{n}",
                    requires=tuple(f"p.n{m}" for m in needs[n]),
                    state=PluginState.REGISTERED,
                )
                for n in order
            )
        )

        catalogue = catalogue.fail(
            f"p.n{broken}",
            fault(catalogue.require(f"p.n{broken}"), PluginState.MIGRATION_FAILED),
        )

        for n in range(PLUGINS):
            one = catalogue.require(f"p.n{n}")
            if n == broken:
                assert one.state is PluginState.MIGRATION_FAILED
            elif n in lost:
                assert one.state is PluginState.MISSING_DEPENDENCY
                assert one.errors[-1].origin == f"p.n{broken}"
            else:
                assert one.state is PluginState.REGISTERED
                assert one.problems == ()

    def test_strict_mode_names_every_failure(self) -> None:
        catalogue = PluginCatalogue((record("a.a"), record("b.b"), record("c.c")))
        for key in ("a.a", "b.b"):
            catalogue = catalogue.advance(key, PluginState.RESOLVED)
            catalogue = catalogue.fail(key, fault(catalogue.require(key)))

        with pytest.raises(PluginsFailed) as failed:
            catalogue.require_all_ready()

        assert "2 of 3 plugins are not ready" in str(failed.value)
        assert "a.a (a.a 1): found a fault; expected none. Mend it." in str(failed.value)
        assert "b.b (b.b 1)" in str(failed.value)
        assert failed.value.catalogue is catalogue

    def test_warnings_keep_nobody_out(self) -> None:
        catalogue = PluginCatalogue((record("a.a", state=PluginState.READY),))

        catalogue = catalogue.warn("a.a", fault(catalogue.require("a.a"), None))

        catalogue.require_all_ready()
        assert [one.key for one in catalogue.serving] == ["a.a"]
        with pytest.raises(ValueError, match="warning"):
            catalogue.fail("a.a", fault(catalogue.require("a.a"), None))

    def test_an_unknown_plugin_is_answered_with_those_known(self) -> None:
        with pytest.raises(UnknownPlugin, match=r"'x\.x'; installed are: a\.a"):
            PluginCatalogue((record("a.a"),)).require("x.x")

    def test_a_key_is_preferred_to_an_id(self) -> None:
        """A distribution that only claims an id does not stand in for its owner."""
        owner = record("a.a")
        impostor = msgspec.structs.replace(owner, key="evil[a]")

        catalogue = PluginCatalogue((impostor, owner))

        assert catalogue.require("a.a") is owner

    def test_the_summary_is_plain_data(self) -> None:
        broken = record("a.a")
        catalogue = PluginCatalogue((broken,)).fail("a.a", fault(broken, PluginState.CYCLE))

        shown = summary(catalogue)

        assert msgspec.json.decode(msgspec.json.encode(shown)) == shown
        assert shown[0]["state"] == "cycle"
        assert shown[0]["problems"][0]["code"] == "plugin.broken"
        assert shown[0]["problems"][0]["severity"] == "error"
