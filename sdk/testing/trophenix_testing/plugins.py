"""Plugins written to disk as installed distributions, whole or broken in one chosen way.

`write_plugin` lays down what an installer would: a package with its manifest, and a ``.dist-info`` folder with metadata and entry
points. With the root on ``sys.path`` the plugin is found like any other, so suites need neither a build nor an index.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name

from trophenix_kernel.plugins.compatibility import Host
from trophenix_kernel.plugins.discovery import discover
from trophenix_kernel.plugins.loader import LoadedPlugins, load_plugins
from trophenix_sdk.hooks import ENTRY_POINT_GROUP
from trophenix_sdk.manifest import MANIFEST_FILE, Kind, Level, Priority

Toml = str | int | float | bool | Sequence["Toml"] | Mapping[str, "Toml"]
"""A value a TOML document can hold."""


class WrittenPlugin(Struct, frozen=True):
    """Where a plugin was written.

    Attributes:
        root: the folder to put on ``sys.path``.
        folder: the package's folder.
    """

    id: str
    distribution: str
    version: str
    package: str
    root: Path
    folder: Path


def write_plugin(
    root: Path,
    *,
    id: str,  # noqa: A002 - the word of the manifest
    version: str = "1.0.0",
    distribution: str | None = None,
    package: str | None = None,
    files: Mapping[str, str] | None = None,
    contract: Mapping[str, Sequence[str]] | None = None,
    requires: Mapping[str, str] | None = None,
    optional: Mapping[str, str] | None = None,
    kernel: str = ">=0.1",
    hook_api: int = 1,
    kind: Kind = Kind.MODULE,
    priority: Priority = Priority.NORMAL,
    extra: Mapping[str, Mapping[str, Toml]] | None = None,
    manifest: str | None = None,
    with_manifest: bool = True,
    metadata_version: str | None = None,
    entry_point: str | None = None,
    entry_name: str | None = None,
) -> WrittenPlugin:
    """A plugin is installed below *root*, ready to be found once *root* is on ``sys.path``.

    Args:
        root: made if it is not there.
        id: ``publisher.name``; distribution and package are derived from it unless given.
        version: of manifest and metadata.
        distribution: the distribution's name.
        package: the top-level package.
        files: path inside the package → content; ``__init__.py`` and ``plugin.py`` are empty unless given.
        contract: the manifest's ``[contract]``.
        requires: ``[requires.plugins]``.
        optional: ``[requires.optional]``.
        kernel: ``compat.kernel``.
        hook_api: ``compat.hook_api``.
        kind: ``plugin.kind``.
        priority: ``runtime.priority``.
        extra: further manifest tables, such as ``{"runtime": {"import_ms": 50}}``; merged over the ones above.
        manifest: the manifest's whole text, instead of one made from the arguments.
        with_manifest: ``False`` writes no manifest at all.
        metadata_version: the version in the metadata when it shall differ from the manifest's.
        entry_point: defaults to ``<package>.plugin``.
        entry_name: the entry point's name, defaults to the id's last part.
    """
    distribution = distribution or id.replace(".", "-").replace("_", "-")
    package = package or id.replace(".", "_")
    folder = root / package
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"__init__.py": "", "plugin.py": "", **(files or {})}.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    if with_manifest:
        tables: dict[str, Mapping[str, Toml]] = {
            "plugin": {
                "id": id,
                "distribution": distribution,
                "version": version,
                "kind": kind.value,
                "level": Level.TENANT.value,
                "name": id,
            },
            "compat": {"kernel": kernel, "hook_api": hook_api},
            "contract": dict(contract or {}),
            "requires": {"plugins": dict(requires or {}), "optional": dict(optional or {})},
            "runtime": {"priority": priority.value},
        }
        for name, table in (extra or {}).items():
            tables[name] = {**tables.get(name, {}), **table}
        document: dict[str, Toml] = {"manifest": 1, **tables}
        (folder / MANIFEST_FILE).write_text(
            manifest if manifest is not None else toml(document), encoding="utf-8"
        )
    _write_metadata(
        root,
        distribution,
        metadata_version or version,
        f"{entry_name or id.rpartition('.')[2]} = {entry_point or f'{package}.plugin'}",
        package,
    )
    return WrittenPlugin(id, distribution, version, package, root, folder)


def toml(document: Mapping[str, Toml]) -> str:
    """The document as TOML text, nested tables written inline."""
    return "".join(f"{_key(name)} = {_value(value)}\n" for name, value in document.items())


def _key(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _value(value: Toml) -> str:
    # A JSON string, number or array of them is also a TOML one; only tables are written differently.
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_key(name)} = {_value(item)}" for name, item in value.items()) + "}"
        )
    if isinstance(value, str | int | float):
        return msgspec.json.encode(value).decode()
    return "[" + ", ".join(_value(item) for item in value) + "]"


def _write_metadata(root: Path, distribution: str, version: str, point: str, package: str) -> None:
    info = root / f"{canonicalize_name(distribution).replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    content: Final = {
        "METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: trophenix-testing\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "INSTALLER": "trophenix-testing\n",
        "entry_points.txt": f"[{ENTRY_POINT_GROUP}]\n{point}\n",
        "RECORD": f"{package}/__init__.py,,\n",
    }
    for name, text in content.items():
        (info / name).write_text(text, encoding="utf-8")


class PluginSite:
    """A folder whose plugins alone are discovered, whatever else is installed. It has to be on ``sys.path``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def load(self, host: Host | None = None, **options: Any) -> LoadedPlugins:
        """The plugins in the folder are loaded; *options* are those of `load_plugins`."""
        importlib.invalidate_caches()  # folders written a moment ago may not be known yet
        records = discover(path=[str(self.root)])
        return load_plugins(host or Host(kernel="0.1.0"), records=records, **options)


# --- plugins broken in one way each ---------------------------------------------------------------------------------------------


class BrokenPlugin(Struct, frozen=True, kw_only=True):
    """One way for a plugin to be broken, and what the platform must say about it.

    Attributes:
        name: of the fault.
        plugins: ids of the broken plugins (several for a cycle or a duplicate).
        state: the value of the state they must end in.
        code: the code of the problem that must be among theirs.
        mentions: what that problem's message must contain.
        serves: the fault shows only when hooks are called; the plugin loads.
    """

    name: str
    plugins: tuple[str, ...]
    state: str
    code: str
    mentions: tuple[str, ...] = ()
    serves: bool = False


HEALTHY: Final = "good.steady"
"""The id of the plugin that must be ready whatever the others do."""

_HEALTHY_CODE: Final = """
from trophenix_sdk.hooks import hookimpl


class Named:
    def __init__(self, name):
        self.name = name


@hookimpl
def operations():
    return [Named("card.read")]


@hookimpl
async def tenant_disabled(ctx, reason):
    return None
"""


def write_healthy_plugin(root: Path) -> WrittenPlugin:
    """The plugin `HEALTHY` is installed: one operation, one run-time hook."""
    return write_plugin(
        root,
        id=HEALTHY,
        files={"plugin.py": _HEALTHY_CODE},
        contract={"operations": ["card.read"], "hooks": ["tenant_disabled"]},
    )


def _hook(text: str) -> dict[str, str]:
    return {"plugin.py": f"from trophenix_sdk.hooks import hookimpl\n\n{text}"}


_OPERATION: Final = """
class Named:
    name = "card.delete"


@hookimpl
def operations():
    return [Named()]
"""


def write_broken_plugin(root: Path, fault: str) -> BrokenPlugin:
    """A plugin with the *fault* is installed below *root*, together with whatever the fault needs.

    Args:
        root: where.
        fault: one of `FAULTS`.
    """
    match fault:
        case "raises at import":
            write_plugin(
                root,
                id="bad.raises",
                files={"plugin.py": "raise RuntimeError('no licence file')\n"},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.raises",),
                state="import_failed",
                code="plugin.import_failed",
                mentions=("RuntimeError", "no licence file", "plugin.py:1"),
            )
        case "raises the unprintable at import":
            write_plugin(
                root,
                id="bad.unprintable",
                files={
                    "plugin.py": "class Odd(Exception):\n    def __str__(self):\n        raise LookupError\n\n\nraise Odd\n"
                },
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.unprintable",),
                state="import_failed",
                code="plugin.import_failed",
                mentions=("Odd (its text cannot be shown)", "plugin.py:6"),
            )
        case "raises in the package":
            write_plugin(root, id="bad.package", files={"__init__.py": "1 / 0\n"})
            return BrokenPlugin(
                name=fault,
                plugins=("bad.package",),
                state="import_failed",
                code="plugin.import_failed",
                mentions=("ZeroDivisionError", "__init__.py:1"),
            )
        case "syntax error":
            write_plugin(root, id="bad.syntax", files={"plugin.py": "def broken(:\n"})
            return BrokenPlugin(
                name=fault,
                plugins=("bad.syntax",),
                state="import_failed",
                code="plugin.import_failed",
                mentions=("SyntaxError", "plugin.py:1"),
            )
        case "exits at import":
            write_plugin(root, id="bad.exits", files={"plugin.py": "import sys\nsys.exit(3)\n"})
            return BrokenPlugin(
                name=fault,
                plugins=("bad.exits",),
                state="import_failed",
                code="plugin.import_failed",
                mentions=("sys.exit(3)", "plugin.py:2"),
            )
        case "missing library":
            write_plugin(
                root, id="bad.library", files={"plugin.py": "import no_such_library_at_all\n"}
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.library",),
                state="import_failed",
                code="plugin.import_failed",
                mentions=("no_such_library_at_all", "dependencies of bad-library"),
            )
        case "bad manifest":
            write_plugin(
                root, id="bad.manifest", extra={"plugin": {"kind": "gadget", "colour": "red"}}
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad-manifest[manifest]",),
                state="invalid_manifest",
                code="plugin.invalid_manifest",
                mentions=("'gadget'", "plugin.kind"),
            )
        case "missing manifest":
            write_plugin(root, id="bad.bare", with_manifest=False)
            return BrokenPlugin(
                name=fault,
                plugins=("bad-bare[bare]",),
                state="invalid_manifest",
                code="plugin.missing_manifest",
                mentions=("trophenix.toml", "bad_bare"),
            )
        case "duplicate id":
            write_plugin(root, id="bad.twin", distribution="twin-one", package="twin_one")
            write_plugin(root, id="bad.twin", distribution="twin-two", package="twin_two")
            return BrokenPlugin(
                name=fault,
                plugins=("twin-one[twin]", "twin-two[twin]"),
                state="duplicate_id",
                code="plugin.duplicate_id",
                mentions=("bad.twin", "twin-"),
            )
        case "cycle":
            write_plugin(root, id="bad.hen", requires={"bad.egg": ">=1"})
            write_plugin(root, id="bad.egg", requires={"bad.hen": ">=1"})
            return BrokenPlugin(
                name=fault,
                plugins=("bad.egg", "bad.hen"),
                state="cycle",
                code="plugin.cycle",
                mentions=("bad.egg", "bad.hen", "→"),
            )
        case "missing dependency":
            write_plugin(root, id="bad.lonely", requires={"bad.absent": ">=2"})
            return BrokenPlugin(
                name=fault,
                plugins=("bad.lonely",),
                state="missing_dependency",
                code="plugin.missing_dependency",
                mentions=("bad.absent >=2", "Install"),
            )
        case "dependency too old":
            write_plugin(root, id="bad.demanding", requires={HEALTHY: ">=9"})
            return BrokenPlugin(
                name=fault,
                plugins=("bad.demanding",),
                state="missing_dependency",
                code="plugin.wrong_dependency_version",
                mentions=(f"{HEALTHY} 1.0.0", f"{HEALTHY} >=9"),
            )
        case "newer kernel needed":
            write_plugin(root, id="bad.future", kernel=">=99")
            return BrokenPlugin(
                name=fault,
                plugins=("bad.future",),
                state="incompatible",
                code="plugin.incompatible_kernel",
                mentions=("kernel >=99",),
            )
        case "newer hook API needed":
            write_plugin(root, id="bad.api", hook_api=99)
            return BrokenPlugin(
                name=fault,
                plugins=("bad.api",),
                state="incompatible",
                code="plugin.incompatible_hook_api",
                mentions=("hook API 99",),
            )
        case "undeclared operation":
            write_plugin(root, id="bad.sneaky", files=_hook(_OPERATION))
            return BrokenPlugin(
                name=fault,
                plugins=("bad.sneaky",),
                state="contract_violation",
                code="plugin.undeclared",
                mentions=("card.delete", "contract.operations"),
            )
        case "unknown hook":
            write_plugin(
                root, id="bad.typo", files=_hook("@hookimpl\ndef operatoins():\n    return []\n")
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.typo",),
                state="contract_violation",
                code="plugin.unknown_hook",
                mentions=("operatoins", "Did you mean operations?"),
            )
        case "wrong hook signature":
            write_plugin(
                root,
                id="bad.signature",
                files=_hook("@hookimpl\nasync def authorize(ctx, deed):\n    return None\n"),
                contract={"hooks": ["authorize"]},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.signature",),
                state="contract_violation",
                code="plugin.hook_signature",
                mentions=("deed",),
            )
        case "hook not async":
            write_plugin(
                root,
                id="bad.blocking",
                files=_hook("@hookimpl\ndef authorize(ctx):\n    return None\n"),
                contract={"hooks": ["authorize"]},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.blocking",),
                state="contract_violation",
                code="plugin.hook_async",
                mentions=("authorize", "async def"),
            )
        case "wrong return type at load":
            write_plugin(
                root,
                id="bad.shape",
                files=_hook("@hookimpl\ndef operations():\n    return {'a': 1}\n"),
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.shape",),
                state="contract_violation",
                code="plugin.wrong_type",
                mentions=("dict returned by operations()", "a list"),
            )
        case "raises while registering":
            write_plugin(
                root,
                id="bad.register",
                files=_hook("@hookimpl\ndef panels():\n    raise LookupError('no panel')\n"),
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.register",),
                state="contract_violation",
                code="plugin.registration_failed",
                mentions=("LookupError", "no panel", "plugin.py:5"),
            )
        case "endless registering":
            write_plugin(
                root,
                id="bad.loops",
                files=_hook("@hookimpl\ndef operations():\n    while True:\n        pass\n"),
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.loops",),
                state="contract_violation",
                code="plugin.registration_failed",
                mentions=("no end of registering", "plugin.py:"),
            )
        case "slow import":
            write_plugin(
                root,
                id="bad.slow",
                files={"plugin.py": "import time\ntime.sleep(0.02)\n"},
                extra={"runtime": {"import_ms": 1}},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.slow",),
                state="ready",
                code="plugin.slow_import",
                mentions=("at most 1 ms",),
                serves=True,
            )
        case "endless import":
            write_plugin(
                root,
                id="bad.endless",
                files={"plugin.py": "import time\nwhile True:\n    time.sleep(60)\n"},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.endless",),
                state="import_failed",
                code="plugin.import_too_slow",
                mentions=("limit",),
            )
        case "imports another plugin":
            write_healthy_plugin(root)
            write_plugin(
                root,
                id="bad.neighbour",
                files={
                    "plugin.py": "",
                    "store.py": "def peek():\n    from good_steady.plugin import Named\n    return Named\n",
                },
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.neighbour",),
                state="contract_violation",
                code="plugin.forbidden_import",
                mentions=("good_steady.plugin", HEALTHY, "store.py:2"),
            )
        case "imports the kernel":
            write_plugin(
                root, id="bad.kernel", files={"plugin.py": "\nimport trophenix_kernel.plugins\n"}
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.kernel",),
                state="contract_violation",
                code="plugin.forbidden_import",
                mentions=("trophenix_kernel.plugins", "the kernel", "plugin.py:2"),
            )
        case "imports the kernel by a computed name":
            write_plugin(
                root,
                id="bad.hidden",
                files={
                    "plugin.py": "name = 'trophenix' + '_kernel'\ntry:\n    __import__(name)\nexcept ImportError:\n    pass\n"
                },
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.hidden",),
                state="contract_violation",
                code="plugin.forbidden_import",
                mentions=("trophenix_kernel", "plugin.py:3"),
            )
        case "version mismatch":
            write_plugin(root, id="bad.version", version="2.0.0", metadata_version="1.9.9")
            return BrokenPlugin(
                name=fault,
                plugins=("bad-version[version]",),
                state="invalid_manifest",
                code="plugin.metadata_mismatch",
                mentions=("'2.0.0'", "'1.9.9'"),
            )
        case "distribution mismatch":
            write_plugin(
                root, id="bad.borrowed", extra={"plugin": {"distribution": "somebody-elses"}}
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad-borrowed[borrowed]",),
                state="invalid_manifest",
                code="plugin.metadata_mismatch",
                mentions=("'somebody-elses'", "'bad-borrowed'"),
            )
        case "entry point to a class":
            write_plugin(
                root,
                id="bad.klass",
                files={"plugin.py": "class Plugin:\n    pass\n"},
                entry_point="bad_klass.plugin:Plugin",
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.klass",),
                state="contract_violation",
                code="plugin.entry_point_is_class",
                mentions=("Plugin", "instance"),
            )
        case "hanging hook":
            write_plugin(
                root,
                id="bad.hangs",
                files=_hook(
                    "import asyncio\n\n@hookimpl\nasync def tenant_disabled(ctx):\n"
                    "    await asyncio.get_running_loop().create_future()\n"
                ),
                contract={"hooks": ["tenant_disabled"]},
                extra={"runtime": {"hook_ms": {"tenant_disabled": 20}}},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.hangs",),
                state="ready",
                code="hook.timed_out",
                mentions=("20 ms",),
                serves=True,
            )
        case "wrong return type of a hook":
            write_plugin(
                root,
                id="bad.answer",
                files=_hook("@hookimpl\nasync def tenant_disabled():\n    return 'thanks'\n"),
                contract={"hooks": ["tenant_disabled"]},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.answer",),
                state="ready",
                code="hook.wrong_type",
                mentions=("a str", "only tells"),
                serves=True,
            )
        case "hook exits":
            write_plugin(
                root,
                id="bad.quits",
                files=_hook("@hookimpl\nasync def tenant_disabled():\n    raise SystemExit(4)\n"),
                contract={"hooks": ["tenant_disabled"]},
            )
            return BrokenPlugin(
                name=fault,
                plugins=("bad.quits",),
                state="ready",
                code="hook.exited",
                mentions=("sys.exit(4)",),
                serves=True,
            )
        case _:
            raise ValueError(f"found the fault {fault!r}; expected one of {', '.join(FAULTS)}")


FAULTS: Final = (
    "raises at import",
    "raises the unprintable at import",
    "raises in the package",
    "syntax error",
    "exits at import",
    "missing library",
    "bad manifest",
    "missing manifest",
    "duplicate id",
    "cycle",
    "missing dependency",
    "dependency too old",
    "newer kernel needed",
    "newer hook API needed",
    "undeclared operation",
    "unknown hook",
    "wrong hook signature",
    "hook not async",
    "wrong return type at load",
    "raises while registering",
    "endless registering",
    "slow import",
    "endless import",
    "imports another plugin",
    "imports the kernel",
    "imports the kernel by a computed name",
    "version mismatch",
    "distribution mismatch",
    "entry point to a class",
    "hanging hook",
    "wrong return type of a hook",
    "hook exits",
)
"""Every way in which `write_broken_plugin` can break a plugin."""
