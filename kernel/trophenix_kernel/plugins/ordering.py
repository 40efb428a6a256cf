"""Who needs whom, and so who loads first: dependencies, then priority band, then id. Pure; never the order of installation."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from trophenix_kernel.plugins.compatibility import Host, incompatibilities, satisfies
from trophenix_kernel.plugins.model import (
    PluginCatalogue,
    PluginProblem,
    PluginRecord,
    PluginState,
    derived_failure,
    move,
    problem,
)
from trophenix_sdk.manifest import Priority

_BAND: Final = {Priority.EARLY: 0, Priority.NORMAL: 1, Priority.LATE: 2}


def resolve(records: Iterable[PluginRecord], host: Host) -> PluginCatalogue:
    """The catalogue in load order: what can be imported is ``RESOLVED``, what cannot comes last with all its reasons.

    A failure that only follows from another plugin's names that plugin as its origin.
    """
    listed = list(records)
    known = {record.id: record for record in listed if record.id is not None}
    live = {
        record.id: record
        for record in listed
        if record.id is not None and record.state is PluginState.DISCOVERED
    }
    known |= live
    own = {
        name: (*incompatibilities(record, host, live), *_missing(record, known))
        for name, record in live.items()
    }
    rings = _rings(live)
    for name, ring in rings.items():
        own[name] = (*own[name], _cycle(live[name], ring))
    found = _with_derived(live, known, own, rings)

    sound = {
        name: move(record, PluginState.RESOLVED, *_unmet_wishes(record, known))
        for name, record in live.items()
        if not found[name]
    }
    refused = [
        move(record, _gravest(found[name]), *found[name])
        for name, record in live.items()
        if found[name]
    ]
    refused += [
        record for record in listed if record.id not in live or live[record.id] is not record
    ]
    return PluginCatalogue(
        (
            *(sound[name] for name in load_order(sound)),
            *sorted(refused, key=lambda record: record.key),
        )
    )


def load_order(records: Mapping[str, PluginRecord]) -> list[str]:
    """The ids with every plugin after those it requires or, unless that closes a cycle, optionally uses.

    Among plugins that are free to go, the earlier band goes first, then the lower id; the order of *records* has no influence.
    """
    after: dict[str, set[str]] = {
        name: _needs(record) & records.keys() for name, record in records.items()
    }
    for name in sorted(records):
        manifest = records[name].manifest
        wishes = manifest.requires.optional if manifest is not None else {}
        for wish in sorted(wishes):
            if wish in records and wish != name and not _reaches(wish, name, after):
                after[name].add(wish)
    waiting = {name: len(needs) for name, needs in after.items()}
    followers: dict[str, list[str]] = {name: [] for name in records}
    for name, needs in after.items():
        for needed in needs:
            followers[needed].append(name)
    free = [(_rank(records[name]), name) for name, count in waiting.items() if count == 0]
    heapq.heapify(free)
    order: list[str] = []
    while free:
        _, name = heapq.heappop(free)
        order.append(name)
        for follower in followers[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(free, (_rank(records[follower]), follower))
    return order


def _rank(record: PluginRecord) -> int:
    return _BAND[record.manifest.runtime.priority] if record.manifest is not None else len(_BAND)


def _needs(record: PluginRecord) -> set[str]:
    return set(record.manifest.requires.plugins) if record.manifest is not None else set()


def _reaches(start: str, goal: str, after: Mapping[str, set[str]]) -> bool:
    return _path(start, goal, after) is not None


def _path(start: str, goal: str, after: Mapping[str, set[str]]) -> tuple[str, ...] | None:
    """The shortest way from *start* along *after* to *goal*, both included; at least one step long."""
    queue: deque[tuple[str, ...]] = deque([(start,)])
    seen: set[str] = set()
    while queue:
        way = queue.popleft()
        for following in sorted(after.get(way[-1], ())):
            if following == goal:
                return (*way, following)
            if following not in seen:
                seen.add(following)
                queue.append((*way, following))
    return None


def _rings(live: Mapping[str, PluginRecord]) -> dict[str, tuple[str, ...]]:
    """For each plugin that needs itself by way of others, the ring it stands in."""
    after = {name: _needs(record) & live.keys() for name, record in live.items()}
    return {name: ring for name in live if (ring := _path(name, name, after)) is not None}


def _missing(record: PluginRecord, known: Mapping[str, PluginRecord]) -> tuple[PluginProblem, ...]:
    requires = record.manifest.requires.plugins if record.manifest is not None else {}
    found: list[PluginProblem] = []
    for name, specifier in requires.items():
        where = f"requires.plugins.{name}"
        if name not in known:
            found.append(
                problem(
                    record,
                    "missing_dependency",
                    state=PluginState.MISSING_DEPENDENCY,
                    found=f"no plugin {name} installed",
                    expected=f"{name} {specifier}",
                    next_step=f"Install {name} {specifier}, or uninstall {record.distribution}.",
                    where=where,
                )
            )
        elif not satisfies(known[name].version, specifier):
            found.append(
                problem(
                    record,
                    "wrong_dependency_version",
                    state=PluginState.MISSING_DEPENDENCY,
                    found=f"{name} {known[name].version}",
                    expected=f"{name} {specifier}",
                    next_step=f"Install {known[name].distribution} {specifier}, or another release of {record.distribution}.",
                    where=where,
                )
            )
    return tuple(found)


def _unmet_wishes(
    record: PluginRecord, known: Mapping[str, PluginRecord]
) -> tuple[PluginProblem, ...]:
    wishes = record.manifest.requires.optional if record.manifest is not None else {}
    return tuple(
        problem(
            record,
            "optional_version",
            state=None,
            found=f"{name} {known[name].version}",
            expected=f"{name} {specifier}, or none at all",
            next_step=f"Install {known[name].distribution} {specifier} if the two are meant to work together.",
            where=f"requires.optional.{name}",
        )
        for name, specifier in wishes.items()
        if name in known and not satisfies(known[name].version, specifier)
    )


def _cycle(record: PluginRecord, ring: tuple[str, ...]) -> PluginProblem:
    return problem(
        record,
        "cycle",
        state=PluginState.CYCLE,
        found=f"the ring {' → '.join(ring)}",
        expected="requirements that end somewhere",
        next_step="One of them has to make its requirement optional (requires.optional) or give it up.",
        where="requires.plugins",
    )


def _with_derived(
    live: Mapping[str, PluginRecord],
    known: Mapping[str, PluginRecord],
    own: Mapping[str, tuple[PluginProblem, ...]],
    rings: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[PluginProblem, ...]]:
    """The problems of each plugin together with those it only suffers from."""
    origins = {name: name for name in known if name not in live or own[name]}
    found = dict(own)
    spreading = True
    while spreading:
        spreading = False
        for name in sorted(live):
            for needed in sorted(_needs(live[name]) & origins.keys()):
                if needed in rings.get(name, ()):
                    continue
                derived = derived_failure(live[name], needed, origin=origins[needed])
                if all(one.origin is None or one.found != derived.found for one in found[name]):
                    found[name] = (*found[name], derived)
                    spreading = True
                origins.setdefault(name, origins[needed])
    return found


def _gravest(problems: tuple[PluginProblem, ...]) -> PluginState:
    states = [one.state for one in problems]
    return next(
        state
        for state in (
            PluginState.BLOCKED,
            PluginState.INCOMPATIBLE,
            PluginState.CYCLE,
            PluginState.MISSING_DEPENDENCY,
        )
        if state in states
    )
