"""Rules of what a plugin declares: its manifest, its distribution, its contract, its permissions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from trophenix_sdk.manifest import MANIFEST_FILE
from trophenix_sdk.tools.inspection import Registered
from trophenix_sdk.tools.project import Finding, Project

IMPORT_SECONDS: Final = 60


def manifest_rules(project: Project) -> Iterator[Finding]:
    """M01, M02: the manifest can be accepted and says what the distribution says."""
    place = project.place(project.folder / MANIFEST_FILE)
    if project.manifest_text is None:
        yield Finding(
            "M01",
            "error",
            place,
            "no manifest",
            f"{MANIFEST_FILE} beside the package's __init__.py",
            "`trophenix-plugin new` shows a whole one.",
        )
        return
    for fault in project.inspected[1]:
        yield Finding(
            "M01",
            "error",
            place,
            f"{fault.path or 'the file'}: {fault.found}",
            fault.expected,
            f"{fault.next_step}.",
        )
    manifest = project.manifest
    if manifest is None:
        return
    name = str(project.metadata.get("name", ""))
    if canonicalize_name(manifest.plugin.distribution) != canonicalize_name(name or "-"):
        yield Finding(
            "M02",
            "error",
            place,
            f"plugin.distribution = {manifest.plugin.distribution!r}",
            f"{name!r}, as in pyproject.toml",
            "Write the same name in both.",
        )
    version = str(project.metadata.get("version", ""))
    if version and not _same(version, manifest.plugin.version):
        yield Finding(
            "M02",
            "error",
            place,
            f"plugin.version = {manifest.plugin.version!r}",
            f"{version!r}, as in pyproject.toml",
            "Raise both together.",
        )


def contract_rules(project: Project) -> Iterator[Finding]:
    """C01 to C03, P01 to P03: what the code registers is what the manifest declares, and every operation says who may."""
    registered = _registered(project)
    place = project.module.replace(".", "/") + ".py"
    place = project.place(project.source / place) if (project.source / place).is_file() else place
    if registered.failure:
        yield Finding(
            "C03",
            "error",
            place,
            registered.failure,
            "a module that can be imported",
            "Mend the cause; nothing else can be looked at.",
        )
        return
    if project.manifest is None:
        return
    manifest = project.place(project.folder / MANIFEST_FILE)
    for key in project.manifest.contract.__struct_fields__:
        declared = _declared(getattr(project.manifest.contract, key))
        found = registered.names.get(key, [])
        for name in sorted(set(found) - declared):
            yield Finding(
                "C01",
                "error",
                place,
                f"{name} registered in {key}",
                f"it in contract.{key} of the manifest",
                "Declare it, or do not register it: the platform refuses what people were not told.",
            )
        for name in sorted(declared - set(found)):
            yield Finding(
                "C02",
                "warning",
                manifest,
                f"{name} declared in contract.{key}",
                "it registered",
                "Register it, or take it out of the manifest.",
            )
        for name in sorted({name for name in found if found.count(name) > 1}):
            yield Finding(
                "C01",
                "error",
                place,
                f"{name} registered twice in {key}",
                "each name once",
                "Rename one of them.",
            )
    yield from _permissions(project, registered, place)


def _permissions(project: Project, registered: Registered, place: str) -> Iterator[Finding]:
    permissions = set(registered.names.get("permissions", ()))
    events = set(registered.names.get("events_emitted", ()))
    limits = set(project.manifest.entitlements.limits) if project.manifest else set[str]()
    for operation in registered.operations:
        if operation.permission is None and operation.scope != "public":
            yield Finding(
                "P01",
                "error",
                place,
                f"operation {operation.name} without a permission",
                'permission=… (or scope="public")',
                "Name the permission it needs; without one nobody may use it.",
            )
        elif operation.permission is not None and operation.permission not in permissions:
            yield Finding(
                "P02",
                "error",
                place,
                f"operation {operation.name} needs {operation.permission!r}",
                f"one of {', '.join(sorted(permissions)) or 'none registered'}",
                "Register the permission, or correct its name.",
            )
        if operation.scope == "platform":
            yield Finding(
                "P03",
                "error",
                place,
                f'operation {operation.name} with scope="platform"',
                "tenant or public",
                "Only the platform's own operations run outside tenants.",
            )
        for name in sorted(set(operation.emits) - events):
            yield Finding(
                "C01",
                "error",
                place,
                f"operation {operation.name} emits {name!r}",
                f"one of {', '.join(sorted(events)) or 'none registered'}",
                "Register the event type.",
            )
        if operation.limit is not None and operation.limit not in limits:
            yield Finding(
                "C01",
                "error",
                place,
                f"operation {operation.name} counts against {operation.limit!r}",
                f"one of entitlements.limits: {', '.join(sorted(limits)) or 'none'}",
                "Add the limit to the manifest: a plan that is not named there allows none.",
            )


def _registered(project: Project) -> Registered:
    command = [
        sys.executable,
        "-m",
        "trophenix_sdk.tools.inspection",
        str(project.source),
        project.module,
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command, capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return Registered(failure=f"the import took longer than {IMPORT_SECONDS} s")
    try:
        return msgspec.json.decode(done.stdout, type=Registered)
    except msgspec.MsgspecError:
        return Registered(
            failure=f"the import ended the process with status {done.returncode}: {done.stderr.strip()[-400:]}"
        )


def _declared(value: Any) -> set[str]:
    return {str(getattr(item, "name", item)) for item in value}


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
