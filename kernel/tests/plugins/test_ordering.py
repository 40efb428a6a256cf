"""Plugins load after those they need, and otherwise in an order that nothing accidental influences."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trophenix_kernel.plugins.compatibility import Advisory, Host
from trophenix_kernel.plugins.model import PluginRecord, PluginState
from trophenix_kernel.plugins.ordering import load_order, resolve
from trophenix_sdk.manifest import (
    Compat,
    Contract,
    Kind,
    Level,
    Manifest,
    PluginSection,
    Priority,
    Requires,
    Runtime,
)

HOST = Host(kernel="0.1.0")


def plugin(
    name: str,
    *,
    requires: dict[str, str] | None = None,
    optional: dict[str, str] | None = None,
    priority: Priority = Priority.NORMAL,
    version: str = "1.0",
    kernel: str = ">=0.1",
) -> PluginRecord:
    """A discovered plugin."""
    manifest = Manifest(
        manifest=1,
        plugin=PluginSection(
            id=name,
            distribution=name,
            version=version,
            kind=Kind.MODULE,
            level=Level.TENANT,
            name=name,
        ),
        compat=Compat(kernel=kernel, hook_api=1),
        contract=Contract(),
        requires=Requires(plugins=requires or {}, optional=optional or {}),
        runtime=Runtime(priority=priority),
    )
    return PluginRecord(
        key=name,
        id=name,
        distribution=name,
        version=version,
        entry_point=f"x = {name}",
        package=name,
        manifest=manifest,
    )


SIZE = 7
EDGES = st.sets(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=14)


def graph(
    required: set[tuple[int, int]], optional: set[tuple[int, int]], bands: list[Priority]
) -> list[PluginRecord]:
    """One plugin per number, with the edges given as (who, whom)."""
    return [
        plugin(
            f"p.n{n}",
            requires={f"p.n{b}": ">=1" for a, b in required if a == n and b != n},
            optional={f"p.n{b}": ">=1" for a, b in optional if a == n and b != n},
            priority=bands[n],
        )
        for n in range(SIZE)
    ]


class TestLoadOrder:
    @given(
        EDGES,
        EDGES,
        st.lists(st.sampled_from(Priority), min_size=SIZE, max_size=SIZE),
        st.permutations(range(SIZE)),
    )
    def test_the_order_is_one_and_the_same_and_respects_every_requirement(
        self,
        required: set[tuple[int, int]],
        optional: set[tuple[int, int]],
        bands: list[Priority],
        shuffle: list[int],
    ) -> None:
        """Any graph, found in any order; rings are refused, not ordered."""
        records = graph(required, optional, bands)

        catalogue = resolve(records, HOST)

        assert [one.key for one in resolve([records[n] for n in shuffle], HOST)] == [
            one.key for one in catalogue
        ]
        assert len(catalogue) == SIZE
        place = {one.key: n for n, one in enumerate(catalogue) if one.state is PluginState.RESOLVED}
        for one in catalogue:
            assert one.manifest is not None
            if one.state is PluginState.RESOLVED:
                assert all(place[name] < place[one.key] for name in one.manifest.requires.plugins)
            else:
                assert one.errors

    @given(EDGES)
    def test_exactly_the_plugins_in_a_ring_are_called_cyclic(
        self, edges: set[tuple[int, int]]
    ) -> None:
        """Those that only need a ring fail because of it, and say so."""
        after = {n: {b for a, b in edges if a == n and b != n} for n in range(SIZE)}
        reach = {n: set(after[n]) for n in after}
        for _ in range(SIZE):
            reach = {n: reach[n].union(*(reach[m] for m in reach[n])) for n in reach}
        cyclic = {n for n in reach if n in reach[n]}

        catalogue = resolve(graph(edges, set(), [Priority.NORMAL] * SIZE), HOST)

        for n in range(SIZE):
            one = catalogue.require(f"p.n{n}")
            if n in cyclic:
                assert one.state is PluginState.CYCLE
                ring = one.errors[0].found.removeprefix("the ring ").split(" → ")
                assert ring[0] == ring[-1] == one.key
                assert all(int(b[3:]) in after[int(a[3:])] for a, b in pairwise(ring))
            elif reach[n] & cyclic:
                assert one.state is PluginState.MISSING_DEPENDENCY
                assert {int((error.origin or "")[3:]) for error in one.errors} <= cyclic
            else:
                assert one.state is PluginState.RESOLVED

    @given(EDGES, st.lists(st.sampled_from(Priority), min_size=SIZE, max_size=SIZE))
    def test_whoever_is_free_goes_by_band_then_id(
        self, required: set[tuple[int, int]], bands: list[Priority]
    ) -> None:
        """At every place stands the best of those whose requirements are met."""
        downhill = {(max(a, b), min(a, b)) for a, b in required}
        records = {one.key: one for one in graph(downhill, set(), bands)}
        band = [Priority.EARLY, Priority.NORMAL, Priority.LATE]
        done: list[str] = []

        for name in load_order(records):
            free: list[tuple[int, str]] = []
            for key, one in records.items():
                assert one.manifest is not None
                if key not in done and set(one.manifest.requires.plugins) <= set(done):
                    free.append((band.index(one.manifest.runtime.priority), key))
            assert name == min(free)[1]
            done.append(name)

    def test_dependency_comes_before_band_and_band_before_id(self) -> None:
        records = {
            one.key: one
            for one in [
                plugin("a.late", priority=Priority.LATE),
                plugin("b.normal"),
                plugin("a.normal"),
                plugin("z.early", priority=Priority.EARLY),
                plugin("a.early", priority=Priority.EARLY, requires={"a.late": ">=1"}),
            ]
        }

        assert load_order(records) == ["z.early", "a.normal", "b.normal", "a.late", "a.early"]

    def test_an_optional_plugin_comes_first_unless_that_closes_a_ring(self) -> None:
        used = {one.key: one for one in [plugin("a.a", optional={"b.b": ">=1"}), plugin("b.b")]}
        ring = {
            one.key: one
            for one in [
                plugin("a.a", optional={"b.b": ">=1"}),
                plugin("b.b", optional={"a.a": ">=1"}),
                plugin("c.c", optional={"absent.x": ">=1"}),
            ]
        }

        assert load_order(used) == ["b.b", "a.a"]
        assert sorted(load_order(ring)) == ["a.a", "b.b", "c.c"]
        assert load_order(ring)[:2] == ["b.b", "a.a"]


class TestResolving:
    def test_plugins_in_a_ring_are_not_blamed_for_one_another(self) -> None:
        """The ring is the one thing wrong with each of them."""
        ring = [plugin("a.a", requires={"b.b": ">=1"}), plugin("b.b", requires={"a.a": ">=1"})]

        catalogue = resolve(ring, HOST)

        assert [[error.code for error in one.errors] for one in catalogue] == [
            ["plugin.cycle"],
            ["plugin.cycle"],
        ]

    def test_a_derived_failure_names_the_original(self) -> None:
        """However long the chain, the reader is led to the one thing to repair."""
        records = [
            plugin("a.base", kernel=">=9"),
            plugin("b.middle", requires={"a.base": ">=1"}),
            plugin("c.top", requires={"b.middle": ">=1"}),
            plugin("d.apart"),
        ]

        catalogue = resolve(records, HOST)

        assert catalogue.require("a.base").state is PluginState.INCOMPATIBLE
        for name in ("b.middle", "c.top"):
            one = catalogue.require(name)
            assert one.state is PluginState.MISSING_DEPENDENCY
            assert one.errors[0].origin == "a.base"
            assert "Repair a.base" in one.errors[0].next_step
        assert catalogue.require("d.apart").state is PluginState.RESOLVED

    def test_all_problems_of_a_plugin_are_listed_together(self) -> None:
        one = plugin("a.a", kernel=">=9", requires={"x.absent": ">=1", "b.b": ">=5", "c.c": ">=1"})
        others = [plugin("b.b"), plugin("c.c", requires={"y.absent": ">=1"})]

        found = resolve([one, *others], HOST).require("a.a")

        assert found.state is PluginState.INCOMPATIBLE
        assert [error.code for error in found.errors] == [
            "plugin.incompatible_kernel",
            "plugin.missing_dependency",
            "plugin.wrong_dependency_version",
            "plugin.dependency_failed",
        ]

    def test_an_optional_plugin_of_the_wrong_version_is_a_warning(self) -> None:
        found = resolve([plugin("a.a", optional={"b.b": ">=5"}), plugin("b.b")], HOST).require(
            "a.a"
        )

        assert found.state is PluginState.RESOLVED
        assert [one.code for one in found.warnings] == ["plugin.optional_version"]

    def test_needing_a_plugin_whose_manifest_is_broken_points_to_it(self) -> None:
        broken = replace(plugin("b.b"), key="b[b]", history=(PluginState.INVALID_MANIFEST,))

        found = resolve([plugin("a.a", requires={"b.b": ">=1"}), broken], HOST).require("a.a")

        assert found.errors[0].code == "plugin.dependency_failed"
        assert found.errors[0].origin == "b.b"


class TestAdvisories:
    def test_an_advisory_blocks_the_versions_it_names_and_no_others(self) -> None:
        flaw = Advisory(
            id="TPX-1", plugin="a.a", versions="<1.5", reason="leaks", lowest_good="1.5"
        )
        host = Host(kernel="0.1.0", blocked=(flaw,))

        old = resolve([plugin("a.a", version="1.4")], host).require("a.a")
        new = resolve([plugin("a.a", version="1.5")], host).require("a.a")

        assert old.state is PluginState.BLOCKED
        assert "TPX-1: leaks" in old.errors[0].message
        assert "Install a.a>=1.5" in old.errors[0].message
        assert new.state is PluginState.RESOLVED

    def test_an_advisory_without_a_good_version_says_to_uninstall(self) -> None:
        flaw = Advisory(id="TPX-2", plugin="a.a", versions="", reason="rogue release")

        found = resolve([plugin("a.a")], Host(kernel="0.1.0", blocked=(flaw,))).require("a.a")

        assert found.state is PluginState.BLOCKED
        assert "Uninstall a.a" in found.errors[0].next_step
