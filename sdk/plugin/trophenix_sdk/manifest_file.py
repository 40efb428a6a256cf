"""Reading ``trophenix.toml``: a whole `Manifest`, or every reason why it cannot be accepted.

msgspec stops at the first fault. A person repairing a manifest wants the whole list, so tables are walked here and msgspec converts one
leaf at a time; the types of `trophenix_sdk.manifest` stay the only description of the format.
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from trophenix_sdk.errors import FieldProblem, Invalid
from trophenix_sdk.manifest import ID_RULE, MANIFEST_FILE, LocalisedText, Manifest, id_fault

LIMIT_BYTES: Final = 256 * 1024
"""A larger manifest is not read."""


class ManifestProblem(Struct, frozen=True):
    """One thing wrong with a manifest.

    Attributes:
        path: the key, such as ``plugin.id`` or ``data.tables[2].personal[0]``; ``""`` for the whole file.
    """

    path: str
    found: str
    expected: str
    next_step: str

    def __str__(self) -> str:
        where = self.path or "the file"
        return f"{where}: found {self.found}, expected {self.expected}; {self.next_step}"


class InvalidManifest(Invalid):
    """The manifest cannot be accepted; ``faults`` holds every reason.

    Attributes:
        source: which file was read.
        faults: all problems found, in the order of the file's sections.
    """

    code: ClassVar[str] = "invalid_manifest"
    title: ClassVar[str] = "The plugin's manifest is not valid"

    def __init__(self, source: str, faults: tuple[ManifestProblem, ...]) -> None:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        super().__init__(
            f"{source} has {len(faults)} problem{'s' if len(faults) != 1 else ''}:\n{listed}",
            next_step="Correct every key named above; the JSON Schema of the manifest shows all keys to an editor.",
            problems=tuple(
                FieldProblem(
                    _pointer(fault.path), "invalid", f"{fault.found}; expected {fault.expected}"
                )
                for fault in faults
            ),
        )
        self.source = source
        self.faults = faults


def read_manifest(text: str | bytes, *, source: str = MANIFEST_FILE) -> Manifest:
    """The manifest written in *text*, a TOML document.

    Args:
        text: the file's content.
        source: what error messages call the file.

    Raises:
        InvalidManifest: it cannot be accepted; all problems are listed at once.
    """
    manifest, faults = inspect_manifest(text)
    if manifest is None:
        raise InvalidManifest(source, faults)
    return manifest


def inspect_manifest(text: str | bytes) -> tuple[Manifest | None, tuple[ManifestProblem, ...]]:
    """The manifest and no problem, or ``None`` and every problem found."""
    size = len(text)
    if size > LIMIT_BYTES:
        return None, (
            ManifestProblem(
                "",
                f"{size} bytes",
                f"at most {LIMIT_BYTES}",
                "move long texts into the package's README",
            ),
        )
    try:
        document = tomllib.loads(text.decode() if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        return None, (
            ManifestProblem(
                "", f"a byte that is not UTF-8 at {error.start}", "UTF-8", "save it as UTF-8"
            ),
        )
    except tomllib.TOMLDecodeError as error:
        return None, (ManifestProblem("", f"{error}", "a TOML document", "correct the line named"),)
    faults: list[ManifestProblem] = []
    _check_table(Manifest, document, "", faults)
    _check_rules(document, faults)
    if faults:
        return None, tuple(faults)
    return msgspec.convert(document, Manifest), ()


# --- keys, one by one -----------------------------------------------------------------------------------------------------------


def _check_table(
    table: type[Struct], found: object, path: str, faults: list[ManifestProblem]
) -> None:
    if not isinstance(found, Mapping):
        faults.append(
            ManifestProblem(
                path, _show(found), "a table", f"write it as [{path}] with its keys below"
            )
        )
        return
    given = cast("Mapping[str, object]", found)
    fields = {field.encode_name: field for field in msgspec.structs.fields(table)}
    for name, field in fields.items():
        here = _join(path, name)
        if name in given:
            _check_value(field.type, given[name], here, faults)
        elif field.required:
            expected, example = _describe(field.type)
            faults.append(
                ManifestProblem(here, "nothing", expected, example(here) or f"add the key {here}")
            )
    for name in given:
        if name not in fields:
            faults.append(
                ManifestProblem(
                    _join(path, name),
                    "an unknown key",
                    f"one of {', '.join(sorted(fields))}",
                    "correct its spelling or remove it",
                )
            )


def _check_value(kind: Any, found: object, path: str, faults: list[ManifestProblem]) -> None:
    bare = _strip(kind)
    if isinstance(bare, type) and issubclass(bare, Struct):
        _check_table(bare, found, path, faults)
        return
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is tuple and isinstance(found, list):
        items = cast("list[object]", found)
        before = len(faults)
        for index, item in enumerate(items):
            _check_value(arguments[0], item, f"{path}[{index}]", faults)
        if len(faults) == before:
            _convert(kind, items, path, faults)
        _check_repeats(items, path, faults)
        return
    if origin is dict and isinstance(found, dict):
        for key, item in cast("dict[str, object]", found).items():
            _convert(arguments[0], key, _join(path, key), faults)
            _check_value(arguments[1], item, _join(path, key), faults)
        return
    structs = [
        option for option in arguments if isinstance(option, type) and issubclass(option, Struct)
    ]
    if structs and isinstance(found, dict):
        _check_table(structs[0], cast("object", found), path, faults)
        return
    _convert(kind, found, path, faults)


def _convert(kind: Any, found: object, path: str, faults: list[ManifestProblem]) -> None:
    try:
        msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        message, _, suffix = str(error).partition(" - at `")
        inner = suffix.rstrip("`").removeprefix("$") if suffix.startswith("$") else ""
        expected, example = _describe(kind)
        faults.append(
            ManifestProblem(
                path + inner,
                _show(found),
                expected or message.removeprefix("Expected "),
                example(path) or f"correct the value of {path}",
            )
        )


def _check_repeats(items: list[object], path: str, faults: list[ManifestProblem]) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        if isinstance(item, str):
            if item in seen:
                faults.append(
                    ManifestProblem(
                        f"{path}[{index}]", f"{item!r} again", "each name once", "remove it"
                    )
                )
            seen.add(item)


def _strip(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _describe(kind: Any) -> tuple[str, Callable[[str], str]]:
    """What a person should write there, and the next step for a given key path."""
    meta = next((note for note in get_args(kind)[1:] if isinstance(note, Meta)), None)
    bare = _strip(kind)
    example: object = meta.examples[0] if meta is not None and meta.examples else None
    expected = (meta.description or "") if meta is not None else ""
    if isinstance(bare, type) and issubclass(bare, enum.Enum):
        values = [str(member.value) for member in bare]
        expected, example = f"one of {', '.join(values)}", values[0]
    elif isinstance(bare, type) and issubclass(bare, Struct):
        return "a table", lambda path: f"add the table [{path}]"
    elif not expected:
        options = [option for option in get_args(bare) if option is not type(None)]
        described = [text for option in options if (text := _describe(option)[0])]
        if bare is LocalisedText or set(options) == set(get_args(LocalisedText)):
            expected, example = "a text, or a table of language → text", "…"
        elif get_origin(bare) is tuple:
            expected = f"a list, each {described[0]}" if described else "a list"
        elif get_origin(bare) is dict:
            expected = "a table"
        elif described:
            expected = " or ".join(described)
            return expected, _describe(options[0])[1]
    if example is None:
        return expected, lambda _path: ""
    shown = msgspec.json.encode(example).decode()

    def step(path: str) -> str:
        key = path.rsplit(".", 1)[-1]
        return f"write for example {shown if key.endswith(']') else f'{key} = {shown}'}"

    return expected, step


# --- rules between keys and inside values ---------------------------------------------------------------------------------------

_T = TypeVar("_T")


def _at(document: Mapping[str, object], path: str, kind: type[_T]) -> _T | None:
    """The value at a dotted path if it is there and of *kind*; its own type fault is already listed otherwise."""
    found = cast("object", document)
    for part in path.split("."):
        if not isinstance(found, dict):
            return None
        found = cast("dict[str, object]", found).get(part)
    return found if isinstance(found, kind) else None


def _table_at(document: Mapping[str, object], path: str) -> dict[str, object]:
    return cast("dict[str, object]", _at(document, path, dict) or {})


def _check_rules(document: Mapping[str, object], faults: list[ManifestProblem]) -> None:
    identity = _at(document, "plugin.id", str)
    if identity is not None and (expected := id_fault(identity)) not in (None, ID_RULE):
        faults.append(
            ManifestProblem(
                "plugin.id", _show(identity), expected or "", "use the name under which you publish"
            )
        )
    for path in ("plugin.version", "compat.data_since"):
        if (version := _at(document, path, str)) and not _is_version(version):
            faults.append(
                ManifestProblem(
                    path, _show(version), "a PEP 440 version", 'write for example "1.2.0"'
                )
            )
    _check_bounds(document, faults)
    for group in ("requires.plugins", "requires.optional"):
        for name, specifier in _table_at(document, group).items():
            _specifier(specifier, f"{group}.{name}", faults)
            if name == identity:
                faults.append(
                    ManifestProblem(
                        f"{group}.{name}",
                        "the plugin itself",
                        "another plugin's id",
                        "remove the line",
                    )
                )
    _check_tables(document, faults)


def _check_bounds(document: Mapping[str, object], faults: list[ManifestProblem]) -> None:
    kernel = _specifier(_at(document, "compat.kernel", str), "compat.kernel", faults)
    if kernel is not None:
        operators = {part.operator for part in kernel}
        if operators & {"==", "==="}:
            faults.append(
                ManifestProblem(
                    "compat.kernel",
                    _show(str(kernel)),
                    "no '==': it would stop the plugin at the kernel's next security release",
                    'write a lower bound such as ">=0.1"',
                )
            )
        elif not operators & {">=", ">", "~="}:
            faults.append(
                ManifestProblem(
                    "compat.kernel",
                    _show(str(kernel)),
                    "a lower bound",
                    'write the oldest kernel the plugin was tried with, such as ">=0.1"',
                )
            )
    _specifier(_at(document, "compat.python", str), "compat.python", faults)


def _specifier(found: object, path: str, faults: list[ManifestProblem]) -> SpecifierSet | None:
    if not isinstance(found, str) or not found:
        return None
    try:
        return SpecifierSet(found)
    except InvalidSpecifier:
        faults.append(
            ManifestProblem(
                path, _show(found), "a PEP 440 version specifier", 'write for example ">=1.2,<2"'
            )
        )
        return None


def _check_tables(document: Mapping[str, object], faults: list[ManifestProblem]) -> None:
    seen: set[object] = set()
    for index, entry in enumerate(cast("list[object]", _at(document, "data.tables", list) or [])):
        if not isinstance(entry, Mapping):
            continue
        table = cast("Mapping[str, object]", entry)
        path = f"data.tables[{index}]"
        name = table.get("name")
        if isinstance(name, str):
            if name in seen:
                faults.append(
                    ManifestProblem(
                        f"{path}.name", f"{name!r} again", "each table once", "remove one"
                    )
                )
            seen.add(name)
        if table.get("personal"):
            for key, why in (("purpose", "what they are kept for"), ("retention_days", "how long")):
                if key not in table:
                    faults.append(
                        ManifestProblem(
                            f"{path}.{key}",
                            "nothing",
                            f"{why}, since the table has personal columns",
                            f"add {key}",
                        )
                    )


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _show(found: object) -> str:
    shown = repr(found)
    return shown if len(shown) <= 80 else shown[:77] + "…"


def _pointer(path: str) -> str:
    parts = [part for part in re.split(r"[.\[\]]+", path) if part]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
