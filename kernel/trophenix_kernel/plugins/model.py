"""What is known about the installed plugins: their states, what went wrong, and which changes of state are allowed. No I/O."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.manifest import Manifest


class PluginState(enum.StrEnum):
    """How far a plugin has come in this process, or why it stopped."""

    DISCOVERED = "discovered"
    RESOLVED = "resolved"
    IMPORTED = "imported"
    REGISTERED = "registered"
    MIGRATED = "migrated"
    READY = "ready"

    INVALID_MANIFEST = "invalid_manifest"
    DUPLICATE_ID = "duplicate_id"
    INCOMPATIBLE = "incompatible"
    BLOCKED = "blocked"
    MISSING_DEPENDENCY = "missing_dependency"
    CYCLE = "cycle"
    IMPORT_FAILED = "import_failed"
    CONTRACT_VIOLATION = "contract_violation"
    MIGRATION_PENDING = "migration_pending"
    MIGRATION_FAILED = "migration_failed"

    DEGRADED = "degraded"
    SUSPENDED = "suspended"


class TenantPluginState(enum.StrEnum):
    """What one tenant and one plugin are to each other."""

    AVAILABLE = "available"
    ENABLED = "enabled"
    CONSENT_NEEDED = "consent_needed"
    PAYMENT_NEEDED = "payment_needed"
    SUSPENDED = "suspended"
    DETACHED = "detached"
    PURGED = "purged"


_S = PluginState

SERVING: Final = frozenset({_S.READY, _S.DEGRADED})
"""A plugin in one of these answers hooks and operations."""

FAILED: Final = frozenset(
    {
        _S.INVALID_MANIFEST,
        _S.DUPLICATE_ID,
        _S.INCOMPATIBLE,
        _S.BLOCKED,
        _S.MISSING_DEPENDENCY,
        _S.CYCLE,
        _S.IMPORT_FAILED,
        _S.CONTRACT_VIOLATION,
        _S.MIGRATION_FAILED,
    }
)
"""A plugin in one of these stays out of this process; only a restart tries again."""

TRANSITIONS: Final[Mapping[PluginState, frozenset[PluginState]]] = {
    _S.DISCOVERED: frozenset(
        {
            _S.RESOLVED,
            _S.INVALID_MANIFEST,
            _S.DUPLICATE_ID,
            _S.INCOMPATIBLE,
            _S.BLOCKED,
            _S.MISSING_DEPENDENCY,
            _S.CYCLE,
        }
    ),
    _S.RESOLVED: frozenset(
        {_S.IMPORTED, _S.IMPORT_FAILED, _S.CONTRACT_VIOLATION, _S.MISSING_DEPENDENCY}
    ),
    _S.IMPORTED: frozenset({_S.REGISTERED, _S.CONTRACT_VIOLATION, _S.MISSING_DEPENDENCY}),
    _S.REGISTERED: frozenset(
        {_S.MIGRATED, _S.MIGRATION_PENDING, _S.MIGRATION_FAILED, _S.MISSING_DEPENDENCY}
    ),
    _S.MIGRATION_PENDING: frozenset({_S.MIGRATED, _S.MIGRATION_FAILED, _S.MISSING_DEPENDENCY}),
    _S.MIGRATED: frozenset({_S.READY, _S.MISSING_DEPENDENCY}),
    _S.READY: frozenset({_S.DEGRADED, _S.SUSPENDED, _S.BLOCKED, _S.MISSING_DEPENDENCY}),
    _S.DEGRADED: frozenset({_S.READY, _S.SUSPENDED, _S.BLOCKED, _S.MISSING_DEPENDENCY}),
    _S.SUSPENDED: frozenset({_S.READY, _S.BLOCKED, _S.MISSING_DEPENDENCY}),
    **{state: frozenset[PluginState]() for state in FAILED},
}
"""From each state, the states that may follow."""


class Severity(enum.StrEnum):
    """Whether a problem keeps the plugin out."""

    ERROR = "error"
    WARNING = "warning"


class PluginProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong with one plugin.

    Attributes:
        code: stable, such as ``plugin.missing_dependency``.
        plugin: the manifest's id, or the distribution's name when no id could be read.
        distribution: name and version of what is installed.
        found, expected, next_step: what a person needs to repair it.
        state: the failure state it leads to; ``None`` for a warning.
        origin: the plugin that is the cause, when this one only suffers from it.
        where: ``file:line`` or a key of the manifest.
        traceback: of the plugin's own exception.
    """

    code: str
    plugin: str
    found: str
    expected: str
    next_step: str
    state: PluginState | None = None
    distribution: str = ""
    origin: str | None = None
    where: str = ""
    traceback: str = ""

    @property
    def severity(self) -> Severity:
        """Whether it keeps the plugin out."""
        return Severity.WARNING if self.state is None else Severity.ERROR

    @property
    def message(self) -> str:
        """Everything but the traceback, in one line per thought."""
        who = f"{self.plugin} ({self.distribution})" if self.distribution else self.plugin
        where = f" in {self.where}" if self.where else ""
        return f"{who}: found {self.found}{where}; expected {self.expected}. {self.next_step}"

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}"


class Contribution(Struct, frozen=True):
    """Something a plugin registered, under the name its manifest declares."""

    name: str
    value: Any


class Contributions(Struct, frozen=True, kw_only=True):
    """All that one plugin registered, in the order it returned it.

    Attributes:
        hooks: names of the run-time hooks it implements.
    """

    operations: tuple[Contribution, ...] = ()
    permissions: tuple[Contribution, ...] = ()
    events: tuple[Contribution, ...] = ()
    panels: tuple[Contribution, ...] = ()
    widgets: tuple[Contribution, ...] = ()
    settings: tuple[Contribution, ...] = ()
    hooks: tuple[str, ...] = ()


class PluginRecord(Struct, frozen=True, kw_only=True):
    """All that is known about one entry point of the group.

    Attributes:
        key: unique in the catalogue: the id, or ``distribution[entry point]`` while no id can be trusted.
        id: the manifest's id, if it could be read.
        entry_point: its name and its value; the name identifies nothing.
        history: the states passed, the present one last.
        problems: errors and warnings, in the order they were found.
        import_ms: how long the import took.
        instance: the module or object the entry point leads to, once imported.
    """

    key: str
    distribution: str
    version: str
    entry_point: str
    package: str
    id: str | None = None
    manifest: Manifest | None = None
    package_path: str = ""
    history: tuple[PluginState, ...] = (PluginState.DISCOVERED,)
    problems: tuple[PluginProblem, ...] = ()
    import_ms: float | None = None
    instance: Any = None
    contributions: Contributions = Contributions()

    @property
    def state(self) -> PluginState:
        """The present state."""
        return self.history[-1]

    @property
    def serves(self) -> bool:
        """Whether it answers hooks and operations."""
        return self.state in SERVING

    @property
    def errors(self) -> tuple[PluginProblem, ...]:
        """What keeps it out."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[PluginProblem, ...]:
        """What should be mended but keeps nothing out."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.WARNING)

    @property
    def label(self) -> str:
        """Distribution and version."""
        return f"{self.distribution} {self.version}"


class IllegalTransition(ValueError):
    """A plugin cannot go from its state to the one asked for."""

    code: ClassVar[str] = "plugin.illegal_transition"

    def __init__(self, record: PluginRecord, state: PluginState) -> None:
        allowed = (
            ", ".join(sorted(TRANSITIONS[record.state])) or "none, it is final in this process"
        )
        super().__init__(
            f"{record.key} is {record.state} and was to become {state}; allowed next states: {allowed}"
        )
        self.record = record
        self.state = state


class UnknownPlugin(TrophenixError):
    """No installed plugin has this id."""

    code: ClassVar[str] = "plugin.unknown"
    title: ClassVar[str] = "No such plugin"
    status: ClassVar[int] = 404


class PluginsFailed(TrophenixError):
    """Strict mode: at least one installed plugin is not ready. The message lists all failures.

    Attributes:
        catalogue: what was loaded all the same.
    """

    code: ClassVar[str] = "plugin.load_failed"
    title: ClassVar[str] = "Some plugins cannot be used"

    def __init__(self, catalogue: PluginCatalogue) -> None:
        failed = catalogue.failed
        listed = "\n".join(f"  - {problem}" for record in failed for problem in record.errors)
        super().__init__(
            f"{len(failed)} of {len(catalogue)} plugins are not ready:\n{listed}",
            next_step="Repair or uninstall them, or start without --strict to run with the others.",
        )
        self.catalogue = catalogue


def move(record: PluginRecord, state: PluginState, *problems: PluginProblem) -> PluginRecord:
    """The record in *state*, with *problems* added.

    Raises:
        IllegalTransition: *state* cannot follow the present one.
    """
    if state not in TRANSITIONS[record.state]:
        raise IllegalTransition(record, state)
    return msgspec.structs.replace(
        record, history=(*record.history, state), problems=(*record.problems, *problems)
    )


class PluginCatalogue(Struct, frozen=True):
    """Every installed plugin in the order in which they load and their hooks run."""

    records: tuple[PluginRecord, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[PluginRecord]:
        return iter(self.records)

    @property
    def serving(self) -> tuple[PluginRecord, ...]:
        """Those that answer hooks and operations."""
        return tuple(record for record in self.records if record.serves)

    @property
    def failed(self) -> tuple[PluginRecord, ...]:
        """Those that do not, and have a reason."""
        return tuple(record for record in self.records if not record.serves and record.errors)

    @property
    def problems(self) -> tuple[PluginProblem, ...]:
        """Errors and warnings of all, in order."""
        return tuple(problem for record in self.records for problem in record.problems)

    def get(self, plugin: str) -> PluginRecord | None:
        """The record of the plugin with this id (or key), if any."""
        by_key = next((record for record in self.records if record.key == plugin), None)
        return by_key or next((record for record in self.records if record.id == plugin), None)

    def require(self, plugin: str) -> PluginRecord:
        """The record of the plugin with this id (or key).

        Raises:
            UnknownPlugin: none has it.
        """
        found = self.get(plugin)
        if found is None:
            known = ", ".join(record.key for record in self.records) or "none"
            raise UnknownPlugin(
                f"found no plugin {plugin!r}; installed are: {known}",
                next_step="Install its distribution and restart.",
            )
        return found

    def replace(self, record: PluginRecord) -> PluginCatalogue:
        """The catalogue with *record* in the place of the one with the same key."""
        return PluginCatalogue(
            tuple(record if old.key == record.key else old for old in self.records)
        )

    def advance(self, plugin: str, state: PluginState, *problems: PluginProblem) -> PluginCatalogue:
        """The catalogue with one plugin in *state*; nobody else changes.

        Raises:
            UnknownPlugin: there is none with this id.
            IllegalTransition: *state* cannot follow its present one.
        """
        return self.replace(move(self.require(plugin), state, *problems))

    def fail(self, plugin: str, problem: PluginProblem) -> PluginCatalogue:
        """The catalogue with one plugin in the problem's state and all that need it in ``MISSING_DEPENDENCY``.

        Raises:
            UnknownPlugin: there is none with this id.
            IllegalTransition: the state cannot follow its present one.
            ValueError: the problem is only a warning.
        """
        if problem.state is None:
            raise ValueError(
                f"{problem.code} is a warning; fail() needs a problem with a failure state"
            )
        catalogue = self.advance(plugin, problem.state, problem)
        origin = problem.origin or problem.plugin
        lost = [self.require(plugin).id]
        for needed in lost:
            for record in catalogue.records:
                if (
                    needed is not None
                    and record.manifest is not None
                    and record.state not in FAILED
                    and needed in record.manifest.requires.plugins
                ):
                    derived = derived_failure(record, needed, origin=origin)
                    catalogue = catalogue.advance(
                        record.key, PluginState.MISSING_DEPENDENCY, derived
                    )
                    lost.append(record.id)
        return catalogue

    def warn(self, plugin: str, *problems: PluginProblem) -> PluginCatalogue:
        """The catalogue with *problems* added to one plugin, its state unchanged.

        Raises:
            UnknownPlugin: there is none with this id.
        """
        record = self.require(plugin)
        return self.replace(msgspec.structs.replace(record, problems=(*record.problems, *problems)))

    def require_all_ready(self) -> None:
        """Nothing happens when every installed plugin serves.

        Raises:
            PluginsFailed: at least one does not.
        """
        if self.failed:
            raise PluginsFailed(self)


def problem(
    record: PluginRecord,
    code: str,
    *,
    state: PluginState | None,
    found: str,
    expected: str,
    next_step: str,
    origin: str | None = None,
    where: str = "",
    traceback: str = "",
) -> PluginProblem:
    """A problem of *record*; ``plugin.`` is put before *code*."""
    return PluginProblem(
        code=f"plugin.{code}",
        plugin=record.id or record.distribution,
        distribution=record.label,
        state=state,
        found=found,
        expected=expected,
        next_step=next_step,
        origin=origin,
        where=where,
        traceback=traceback,
    )


def derived_failure(record: PluginRecord, needed: str, *, origin: str) -> PluginProblem:
    """That *record* cannot run because *needed* does not, the root of it being *origin*."""
    return problem(
        record,
        "dependency_failed",
        state=PluginState.MISSING_DEPENDENCY,
        found=f"the required plugin {needed} not usable",
        expected=f"{needed} ready",
        next_step=f"Repair {origin}: its own problem is listed; nothing is wrong with this plugin itself.",
        origin=origin,
    )


def summary(records: Iterable[PluginRecord]) -> list[dict[str, Any]]:
    """The records as plain values for the API, the command line and the panel."""
    return [
        {
            "id": record.id,
            "key": record.key,
            "distribution": record.distribution,
            "version": record.version,
            "state": record.state.value,
            "history": [state.value for state in record.history],
            "import_ms": record.import_ms,
            "hooks": list(record.contributions.hooks),
            "problems": [
                {
                    "severity": found.severity.value,
                    "message": found.message,
                    **msgspec.to_builtins(found),
                }
                for found in record.problems
            ],
        }
        for record in records
    ]
