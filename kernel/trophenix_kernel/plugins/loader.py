"""Plugins brought from discovered to ready, each on its own: whatever one of them does, the platform starts.

Import is guarded against everything but ``KeyboardInterrupt``; ``sys.exit()`` in a plugin is a failure of that plugin. Its time is
measured:

- longer than the manifest's ``runtime.import_ms``: a warning, the plugin still serves;
- longer than the platform's limit: a failure, because every restart of every process would wait for it again. On the main thread of a
  POSIX system the import is interrupted at the limit, so that not even one that never ends stops the platform; elsewhere it can only
  be measured once it is over.
"""

from __future__ import annotations

import enum
import importlib
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final, NamedTuple

import msgspec
import pluggy

from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.contract import (
    collect_contributions,
    contract_differences,
    implementation_faults,
    violation,
)
from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.failures import shown
from trophenix_kernel.plugins.imports import (
    KERNEL_PACKAGES,
    ForbiddenImport,
    ImportWatch,
    forbidden_imports,
)
from trophenix_kernel.plugins.model import (
    PluginCatalogue,
    PluginProblem,
    PluginRecord,
    PluginState,
    Severity,
    move,
    problem,
)
from trophenix_kernel.plugins.ordering import resolve
from trophenix_sdk import hookspecs
from trophenix_sdk.hooks import PROJECT, Hook, HookKind, hooks_in
from trophenix_sdk.manifest import Kind, Manifest

IMPORT_LIMIT_MS: Final = 10_000
"""The platform's limit for one plugin's import."""


class LoadMode(enum.StrEnum):
    """What a broken plugin means for the start of the process."""

    NORMAL = "normal"
    """The others run; the failure is shown."""
    STRICT = "strict"
    """The start fails, with all failures named."""
    SAFE = "safe"
    """No plugin is imported at all."""


class LoadedPlugins(NamedTuple):
    """The outcome of a load.

    Attributes:
        catalogue: every installed plugin, in load order.
        manager: pluggy's registry of specifications and implementations; only plugins that got past ``IMPORTED`` are in it.
        hooks: the specified hooks by name.
    """

    catalogue: PluginCatalogue
    manager: pluggy.PluginManager
    hooks: Mapping[str, Hook]


def load_plugins(
    host: Host,
    *,
    mode: LoadMode = LoadMode.NORMAL,
    records: Iterable[PluginRecord] | None = None,
    until: PluginState = PluginState.READY,
    import_limit_ms: int = IMPORT_LIMIT_MS,
    monotonic: Callable[[], float] = time.monotonic,
    specifications: Sequence[ModuleType | type] = (hookspecs,),
) -> LoadedPlugins:
    """Every installed plugin is in its final state, or as far as *until* lets it come.

    Args:
        host: what plugins are judged against.
        mode: see `LoadMode`.
        records: what `discover` found, when the caller wants to leave some out.
        until: ``REGISTERED`` leaves the schema to the caller, who then takes each plugin on with `PluginCatalogue.advance` or
            `PluginCatalogue.fail`; ``READY`` is for processes that use no database.
        import_limit_ms: the platform's limit for one import.
        monotonic: seconds, for measuring.
        specifications: modules that specify hooks.

    Raises:
        PluginsFailed: in strict mode, when any installed plugin failed.
        ValueError: *until* is neither of the two.
    """
    if until not in (PluginState.REGISTERED, PluginState.READY):
        raise ValueError(f"until is {until}; expected registered or ready")
    manager = pluggy.PluginManager(PROJECT)
    hooks: dict[str, Hook] = {}
    for specification in specifications:
        manager.add_hookspecs(specification)
        hooks |= hooks_in(specification)
    found = tuple(discover() if records is None else records)
    catalogue = resolve(found, host)
    if mode is LoadMode.SAFE:
        return LoadedPlugins(catalogue, manager, hooks)
    load = _Load(manager, hooks, import_limit_ms, monotonic, catalogue)
    for key in [record.key for record in catalogue]:
        load.run(key)
    catalogue = load.catalogue
    if until is PluginState.READY:
        for record in catalogue:
            if record.state is PluginState.REGISTERED:
                catalogue = catalogue.advance(record.key, PluginState.MIGRATED)
                catalogue = catalogue.advance(record.key, PluginState.READY)
    if mode is LoadMode.STRICT:
        catalogue.require_all_ready()
    return LoadedPlugins(catalogue, manager, hooks)


class _Load:
    """One run over the catalogue."""

    def __init__(
        self,
        manager: pluggy.PluginManager,
        hooks: Mapping[str, Hook],
        import_limit_ms: int,
        monotonic: Callable[[], float],
        catalogue: PluginCatalogue,
    ) -> None:
        self._manager = manager
        self._hooks = hooks
        self._limit_ms = import_limit_ms
        self._monotonic = monotonic
        self.catalogue: PluginCatalogue = catalogue

    def run(self, key: str) -> None:
        """The plugin *key* is registered or has failed, together with those that need it."""
        record = self.catalogue.require(key)
        manifest = record.manifest
        if record.state is not PluginState.RESOLVED or manifest is None:
            return
        forbidden = self._forbidden(record, manifest)
        crossings = forbidden_imports(Path(record.package_path), forbidden)
        if crossings:
            self._stop(record, [_crossing(record, found) for found in crossings])
            return
        record, faults = self._import(record, manifest, forbidden)
        if record.state is PluginState.IMPORTED:
            self.catalogue = self.catalogue.replace(record)
            record, faults = self._register(record, manifest)
        if faults:
            self._stop(record, faults)
            return
        self.catalogue = self.catalogue.replace(move(record, PluginState.REGISTERED))

    def _stop(self, record: PluginRecord, faults: Sequence[PluginProblem]) -> None:
        errors = [fault for fault in faults if fault.severity is Severity.ERROR]
        others = [fault for fault in faults if fault is not errors[0]]
        if self._manager.has_plugin(record.key):
            self._manager.unregister(name=record.key)
        self.catalogue = self.catalogue.replace(record).fail(record.key, errors[0])
        self.catalogue = self.catalogue.warn(record.key, *others)

    def _forbidden(self, record: PluginRecord, manifest: Manifest) -> dict[str, str]:
        """Top-level packages this plugin must not import, and whose they are. A required plugin of kind ``library`` may be imported."""
        forbidden: dict[str, str] = dict.fromkeys(KERNEL_PACKAGES, "the kernel")
        for other in self.catalogue:
            library = other.manifest is not None and other.manifest.plugin.kind is Kind.LIBRARY
            wanted = {*manifest.requires.plugins, *manifest.requires.optional}
            if not (library and other.id in wanted):
                forbidden[other.package] = other.key
        # A package the plugin itself brings along is its own, whoever else claims the name.
        forbidden.pop(record.package, None)
        return forbidden

    def _import(
        self, record: PluginRecord, manifest: Manifest, forbidden: Mapping[str, str]
    ) -> tuple[PluginRecord, list[PluginProblem]]:
        module, _, attribute = record.entry_point.partition(" = ")[2].partition(":")
        before = set(sys.modules)
        started = self._monotonic()
        watch = ImportWatch(record.package, forbidden)
        failure: PluginProblem | None = None
        instance: Any = None
        try:
            with watch, _interrupted_after(self._limit_ms / 1000):
                instance = importlib.import_module(module)
                for part in attribute.split(".") if attribute else ():
                    instance = getattr(instance, part)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
            failure = _import_failure(record, error, self._limit_ms)
        took_ms = (self._monotonic() - started) * 1000
        record = msgspec.structs.replace(record, import_ms=round(took_ms, 3))
        faults = [_crossing(record, found) for found in watch.found]
        if failure is not None and not faults:
            faults.append(failure)
        if not faults and took_ms > self._limit_ms:
            faults.append(_too_slow(record, took_ms, self._limit_ms))
        if not faults and isinstance(instance, type):
            faults.append(
                violation(
                    record,
                    "entry_point_is_class",
                    found=f"the class {instance.__qualname__}",
                    expected="a module or an instance",
                    next_step=f"Point the entry point at a module, or at an object made from {instance.__qualname__}.",
                    where=record.entry_point,
                )
            )
        if faults:
            _forget(record.package, before)
            return record, faults
        budget = manifest.runtime.import_ms
        slow = (
            problem(
                record,
                "slow_import",
                state=None,
                found=f"an import of {took_ms:.0f} ms",
                expected=f"at most {budget} ms (runtime.import_ms)",
                next_step="Move work out of module bodies, import heavy libraries where they are used.",
            ),
        )
        record = msgspec.structs.replace(record, instance=instance)
        return move(record, PluginState.IMPORTED, *(slow if took_ms > budget else ())), []

    def _register(
        self, record: PluginRecord, manifest: Manifest
    ) -> tuple[PluginRecord, list[PluginProblem]]:
        try:
            with warnings.catch_warnings(record=True) as deprecations:
                warnings.simplefilter("always")
                self._manager.register(record.instance, name=record.key)
            implementations = self._implementations(record.key)
            faults = list(implementation_faults(record, implementations, self._hooks))
            if faults:
                return record, faults
            with _interrupted_after(self._limit_ms / 1000):
                contributions, wrong = collect_contributions(
                    record,
                    lambda hook: [one.function for one in implementations.get(hook, ())],
                    [
                        name
                        for name in implementations
                        if name in self._hooks and self._hooks[name].kind is not HookKind.COLLECT
                    ],
                )
        except KeyboardInterrupt:
            raise
        except pluggy.PluginValidationError as error:
            return record, [_invalid(record, error)]
        except BaseException as error:  # noqa: BLE001
            return record, [_registration_failure(record, error, self._limit_ms)]
        differences = contract_differences(record, manifest, contributions)
        deprecated = tuple(
            problem(
                record,
                "deprecated",
                state=None,
                found=str(warning.message),
                expected="a hook that is not deprecated",
                next_step="Follow the change notes of the hook API.",
            )
            for warning in deprecations
        )
        faults = [*wrong, *differences]
        if any(fault.severity is Severity.ERROR for fault in faults):
            return record, faults
        return (
            msgspec.structs.replace(
                record,
                contributions=contributions,
                problems=(*record.problems, *faults, *deprecated),
            ),
            [],
        )

    def _implementations(self, key: str) -> dict[str, list[pluggy.HookImpl]]:
        plugin = self._manager.get_plugin(key)
        found: dict[str, list[pluggy.HookImpl]] = {}
        for caller in self._manager.get_hookcallers(plugin) or ():
            own = [one for one in caller.get_hookimpls() if one.plugin_name == key]
            if own:
                found[caller.name] = own
        return found


# --- time -----------------------------------------------------------------------------------------------------------------------


class _Overrun(BaseException):
    """Raised inside plugin code at the limit; not an ``Exception``, so that no broad handler swallows it."""


@contextmanager
def _interrupted_after(seconds: float) -> Generator[None]:
    """The body is broken off by `_Overrun` after *seconds*, where the system can do that; a timer set by others keeps running."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if armed:
            raise _Overrun

    started = time.monotonic()
    armed = True
    handler = signal.signal(signal.SIGALRM, ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            yield
        finally:
            armed = False  # an alarm from here on must not break off the restoring below
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if left:
            rest = left - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(rest, 0.001), interval)


# --- what went wrong ------------------------------------------------------------------------------------------------------------


def _crossing(record: PluginRecord, found: ForbiddenImport) -> PluginProblem:
    return violation(
        record,
        "forbidden_import",
        found=f"an import of {found.module}, which belongs to {found.owner}",
        expected="imports of the SDK and third-party libraries only",
        next_step="Use what the context lends: another plugin's published operation through ctx.call(), its facts through events.",
        where=found.where,
    )


def _import_failure(record: PluginRecord, error: BaseException, limit_ms: int) -> PluginProblem:
    if isinstance(error, _Overrun):
        return _too_slow(record, limit_ms, limit_ms)
    text = "".join(traceback.format_exception(error))
    if isinstance(error, SystemExit):
        found, step = (
            shown(error),
            "Raise an exception, or better do nothing at import.",
        )
    elif isinstance(error, SyntaxError):
        found, step = shown(error), "Correct the line, or build for the Python in use."
    elif isinstance(error, ModuleNotFoundError):
        found = f"no module {error.name!r}"
        step = f"Add its distribution to the dependencies of {record.distribution} and install it again."
    else:
        found, step = shown(error), "Correct the code the traceback ends in."
    return problem(
        record,
        "import_failed",
        state=PluginState.IMPORT_FAILED,
        found=f"{found} while importing {record.entry_point.partition(' = ')[2]}",
        expected="an import without side effects",
        next_step=step,
        where=_last_line(error, record.package_path),
        traceback=text,
    )


def _too_slow(record: PluginRecord, took_ms: float, limit_ms: int) -> PluginProblem:
    return problem(
        record,
        "import_too_slow",
        state=PluginState.IMPORT_FAILED,
        found=f"an import that took {took_ms:.0f} ms or more",
        expected=f"less than the platform's limit of {limit_ms} ms",
        next_step="Do no I/O and no heavy work at import; move it into startup() or into a task.",
    )


def _invalid(record: PluginRecord, error: pluggy.PluginValidationError) -> PluginProblem:
    return violation(
        record,
        "hook_signature",
        found=" ".join(str(error).split()),
        expected="arguments that the hook's specification has, any of them left out",
        next_step="Correct the implementation's arguments.",
    )


def _registration_failure(
    record: PluginRecord, error: BaseException, limit_ms: int
) -> PluginProblem:
    overrun = isinstance(error, _Overrun)
    return problem(
        record,
        "registration_failed",
        state=PluginState.CONTRACT_VIOLATION,
        found=f"no end of registering after {limit_ms} ms"
        if overrun
        else f"{shown(error)} while it registered",
        expected="collect hooks that only return what was declared",
        next_step="Correct the code the traceback ends in.",
        where=_last_line(error, record.package_path),
        traceback="".join(traceback.format_exception(error)),
    )


def _last_line(error: BaseException, folder: str) -> str:
    """The deepest line of the plugin's own code in the traceback."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(folder)
    ]
    return lines[-1] if lines else ""


def _forget(package: str, before: set[str]) -> None:
    """Modules of a failed import are gone, so that nothing later meets them half made."""
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == package:
            del sys.modules[name]
