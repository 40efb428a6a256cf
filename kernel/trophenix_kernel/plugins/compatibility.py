"""Whether a plugin fits this platform: kernel, hook API, Python, advisories, conflicts. Pure; every reason is given at once."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from trophenix_kernel.plugins.model import PluginProblem, PluginRecord, PluginState, problem
from trophenix_sdk.hooks import HOOK_API


class Advisory(Struct, frozen=True, kw_only=True):
    """Versions of a plugin that must not run.

    Attributes:
        versions: a PEP 440 specifier; ``""`` means all.
        lowest_good: the first version that may run again, if there is one.
    """

    id: str
    plugin: str
    versions: str
    reason: str
    lowest_good: str = ""


class Host(Struct, frozen=True, kw_only=True):
    """What plugins are judged against.

    Attributes:
        hook_apis: the versions of the hook specifications that are served.
        blocked: advisories in force.
    """

    kernel: str
    python: str = platform.python_version()
    hook_apis: frozenset[int] = frozenset({HOOK_API})
    blocked: tuple[Advisory, ...] = ()


def satisfies(version: str, specifier: str) -> bool:
    """Whether *version* is inside *specifier*; pre-releases count, since whoever installed one meant it."""
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def incompatibilities(
    record: PluginRecord, host: Host, installed: Iterable[str]
) -> tuple[PluginProblem, ...]:
    """Why this plugin must not run on *host*, advisories first; nothing when it may, or when it has no manifest to judge.

    Args:
        record: the plugin.
        host: the platform.
        installed: ids of all installed plugins.
    """
    manifest = record.manifest
    if manifest is None:
        return ()
    found = [
        problem(
            record,
            "blocked",
            state=PluginState.BLOCKED,
            found=f"version {record.version}, under advisory {advisory.id}: {advisory.reason}",
            expected=f"version {advisory.lowest_good} or later"
            if advisory.lowest_good
            else "it uninstalled",
            next_step=f"Install {record.distribution}>={advisory.lowest_good}."
            if advisory.lowest_good
            else f"Uninstall {record.distribution}; no version is free of the flaw yet.",
        )
        for advisory in host.blocked
        if advisory.plugin == manifest.id and satisfies(record.version, advisory.versions)
    ]
    compat = manifest.compat
    if not satisfies(host.kernel, compat.kernel):
        found.append(
            problem(
                record,
                "incompatible_kernel",
                state=PluginState.INCOMPATIBLE,
                found=f"kernel {host.kernel}",
                expected=f"kernel {compat.kernel}",
                next_step=f"Install a kernel that is {compat.kernel}, or a release of {record.distribution} made for kernel {host.kernel}.",
                where="compat.kernel",
            )
        )
    if compat.hook_api not in host.hook_apis:
        served = ", ".join(str(version) for version in sorted(host.hook_apis))
        found.append(
            problem(
                record,
                "incompatible_hook_api",
                state=PluginState.INCOMPATIBLE,
                found=f"hook API {compat.hook_api} asked for",
                expected=f"hook API {served}",
                next_step=f"Install a release of {record.distribution} built for hook API {served}, or another kernel.",
                where="compat.hook_api",
            )
        )
    if compat.python is not None and not satisfies(host.python, compat.python):
        found.append(
            problem(
                record,
                "incompatible_python",
                state=PluginState.INCOMPATIBLE,
                found=f"Python {host.python}",
                expected=f"Python {compat.python}",
                next_step="Run the platform on such a Python, or install another release of the plugin.",
                where="compat.python",
            )
        )
    present = set(installed) - {manifest.id}
    found += [
        problem(
            record,
            "conflict",
            state=PluginState.INCOMPATIBLE,
            found=f"{other} installed as well",
            expected=f"either {manifest.id} or {other}",
            next_step=f"Uninstall one of them; {manifest.id} declares that it {verb} {other}.",
            where=key,
        )
        for key, verb, ids in (
            ("compat.conflicts", "conflicts with", compat.conflicts),
            ("compat.replaces", "replaces", compat.replaces),
        )
        for other in ids
        if other in present
    ]
    return tuple(found)
