"""The static manifest ``trophenix.toml``: what a plugin is, needs and will register, readable without running its code.

The file lies in the plugin's top-level package, beside ``__init__.py``. Unknown keys are refused, because a misspelt key that is
silently ignored is a promise the author believes he made. What is needed to *load* a plugin is mandatory here; what is only needed to
*list* it (links, screenshots, prices) is optional, so that private plugins stay light.

    manifest = 1

    [plugin]
    id = "acme.loyalty"
    distribution = "acme-loyalty"
    version = "1.2.0"
    kind = "module"
    level = "tenant"
    name = { en = "Loyalty", fr = "Fidélité" }

    [compat]
    kernel = ">=0.1"
    hook_api = 1

    [contract]
    operations = ["card.read"]
    permissions = ["card.read"]
"""

from __future__ import annotations

import enum
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from trophenix_sdk.errors import FieldProblem, Invalid

MANIFEST_FILE: Final = "trophenix.toml"
"""The manifest's name inside the plugin's top-level package."""

MANIFEST_FORMAT: Final = 1
"""The only value of the key ``manifest`` this SDK reads."""

LIMIT_BYTES: Final = 256 * 1024
"""A larger manifest is not read."""

PUBLISHER_LIMIT: Final = 20
NAME_LIMIT: Final = 34
"""Together with ``plugin_`` and one underscore at most 62 bytes: PostgreSQL cuts identifiers at 63."""

RESERVED_PUBLISHERS: Final = frozenset(
    {"admin", "information", "kernel", "pg", "platform", "plugin", "postgres", "public", "sdk", "system"}
)
"""Names that people or PostgreSQL would take for the platform itself."""

_END = r"$(?!\n)"  # in Python "$" alone also matches before a last line feed
_ID = rf"^[a-z][a-z0-9]{{0,{PUBLISHER_LIMIT - 1}}}\.(?=.{{1,{NAME_LIMIT}}}$)[a-z](_?[a-z0-9])*{_END}"
_NAME = rf"^[a-z][a-z0-9_-]*([.:/][a-z0-9][a-z0-9_-]*)*{_END}"
_IDENTIFIER = rf"^[a-z_][a-z0-9_]{{0,62}}{_END}"
_LOCALE = rf"^[a-z]{{2,3}}(-[A-Za-z0-9]{{2,8}})*{_END}"
_HOST = r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[0-9]{1,5})?" + _END

PluginId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=_ID,
        max_length=PUBLISHER_LIMIT + 1 + NAME_LIMIT,
        description=(
            f"publisher.name in lower-case ASCII: publisher of letters and digits (at most {PUBLISHER_LIMIT}), name of letters, digits"
            f" and single underscores (at most {NAME_LIMIT})"
        ),
        examples=["acme.loyalty"],
    ),
]
ContractName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=_NAME,
        max_length=120,
        description="a lower-case name, parts separated by '.'",
        examples=["card.read"],
    ),
]
Identifier: TypeAlias = Annotated[
    str,
    Meta(pattern=_IDENTIFIER, description="a lower-case SQL identifier", examples=["loyalty_card"]),
]
Specifier: TypeAlias = Annotated[
    str, Meta(min_length=1, description="a PEP 440 version specifier", examples=[">=0.1"])
]
LocaleTag: TypeAlias = Annotated[
    str, Meta(pattern=_LOCALE, description="a BCP 47 language tag", examples=["fr"])
]
Text: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=20_000, description="a text that is not empty", examples=["…"])
]
Reason: TypeAlias = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=500,
        description="a sentence of at least 10 characters that a tenant reads before consenting",
        examples=["Sends the invoice to the accountant."],
    ),
]
Host: TypeAlias = Annotated[
    str,
    Meta(pattern=_HOST, description="a host name, '*.' allowed in front", examples=["api.acme.test"]),
]
LocalisedText: TypeAlias = Text | dict[LocaleTag, Text]
"""One text for everybody, or a text per language."""

Milliseconds: TypeAlias = Annotated[
    int, Meta(ge=1, le=600_000, description="whole milliseconds, 1 to 600000", examples=[200])
]
Count: TypeAlias = Annotated[int, Meta(ge=1, description="a whole number, 1 or more", examples=[1])]
Amount: TypeAlias = Annotated[
    int, Meta(ge=0, description="a whole number, 0 or more", examples=[4900])
]


class Kind(enum.StrEnum):
    """What a plugin is to the people who choose it."""

    MODULE = "module"
    CONNECTOR = "connector"
    PAYMENT = "payment"
    THEME = "theme"
    LOCALE = "locale"
    LIBRARY = "library"


class Level(enum.StrEnum):
    """Where a plugin is switched on."""

    PLATFORM = "platform"
    ORGANIZATION = "organization"
    TENANT = "tenant"
    TENANT_AND_ORGANIZATION = "tenant+organization"


class Isolation(enum.StrEnum):
    """Where a plugin's code runs."""

    INPROCESS = "inprocess"
    WORKER = "worker"


class Priority(enum.StrEnum):
    """When a plugin's hooks run among plugins that do not depend on one another."""

    EARLY = "early"
    NORMAL = "normal"
    LATE = "late"


class OnUninstall(enum.StrEnum):
    """What becomes of a table once its plugin is gone."""

    ARCHIVE = "archive"
    DROP = "drop"
    KEEP_LEGAL = "keep_legal"


class Access(enum.StrEnum):
    """What may be done to a group of core fields."""

    READ = "read"
    WRITE = "write"


class PricingModel(enum.StrEnum):
    """How a plugin is paid for."""

    FREE = "free"
    FLAT = "flat"
    PER_SEAT = "per_seat"
    METERED = "metered"
    TIERED = "tiered"
    ONE_TIME = "one_time"


class Interval(enum.StrEnum):
    """How often a plan is charged."""

    MONTH = "month"
    YEAR = "year"
    ONCE = "once"


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A TOML table: unknown keys refused, values never changed after reading."""


class Links(_Table, frozen=True):
    """Where people find out more."""

    homepage: Text | None = None
    source: Text | None = None
    issues: Text | None = None
    docs: Text | None = None
    changelog: Text | None = None
    support: Text | None = None
    privacy: Text | None = None
    terms: Text | None = None


class Screenshot(_Table, frozen=True):
    """A picture for the catalogue and the text for those who cannot see it."""

    path: Text
    alt: LocalisedText


class PluginSection(_Table, frozen=True):
    """Who the plugin is.

    Attributes:
        distribution, version: must equal the metadata of the installed distribution.
        categories: at most 3.
        keywords: at most 5.
        license: an SPDX expression.
    """

    id: PluginId
    distribution: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?" + _END,
            description="the distribution's name as installed",
            examples=["acme-loyalty"],
        ),
    ]
    version: Annotated[str, Meta(min_length=1, description="a PEP 440 version", examples=["1.0.0"])]
    kind: Kind
    level: Level
    name: LocalisedText
    summary: LocalisedText | None = None
    description: LocalisedText | None = None
    categories: Annotated[
        tuple[ContractName, ...], Meta(max_length=3, description="at most 3 categories")
    ] = ()
    keywords: Annotated[tuple[Text, ...], Meta(max_length=5, description="at most 5 keywords")] = ()
    icon: Text | None = None
    screenshots: tuple[Screenshot, ...] = ()
    locales: tuple[LocaleTag, ...] = ()
    license: Text | None = None
    links: Links = Links()
    security_contact: Text | None = None


class Compat(_Table, frozen=True):
    """What the plugin runs on.

    Attributes:
        kernel: needs a lower bound and no ``==``; upper bounds are found by conformance runs, not declared by hand.
        data_since: the first version of this plugin whose data the present one reads.
        replaces, conflicts: ids of other plugins.
    """

    kernel: Specifier
    hook_api: Count
    python: Specifier | None = None
    data_since: Text | None = None
    replaces: tuple[PluginId, ...] = ()
    conflicts: tuple[PluginId, ...] = ()


class Requires(_Table, frozen=True):
    """Other plugins: id → version specifier."""

    plugins: dict[PluginId, Specifier] = {}  # noqa: RUF012 - msgspec copies the default
    optional: dict[PluginId, Specifier] = {}  # noqa: RUF012
    services: dict[ContractName, Specifier] = {}  # noqa: RUF012


class Provides(_Table, frozen=True):
    """What other plugins may use: name → contract version."""

    services: dict[ContractName, Text] = {}  # noqa: RUF012
    hookspecs: dict[ContractName, Text] = {}  # noqa: RUF012


class Contract(_Table, frozen=True):
    """Everything the code will register; registering more refuses the plugin.

    Attributes:
        hooks: the run-time hooks implemented (observe, filter, first). The collect hooks need no mention: what they return is listed
            by name in the other keys.
    """

    operations: tuple[ContractName, ...] = ()
    routes: tuple[Text, ...] = ()
    permissions: tuple[ContractName, ...] = ()
    roles: tuple[ContractName, ...] = ()
    events_emitted: tuple[ContractName, ...] = ()
    events_consumed: tuple[ContractName, ...] = ()
    panels: tuple[ContractName, ...] = ()
    widgets: tuple[ContractName, ...] = ()
    tasks: tuple[ContractName, ...] = ()
    schedules: tuple[ContractName, ...] = ()
    meters: tuple[ContractName, ...] = ()
    hooks: tuple[ContractName, ...] = ()
    settings: tuple[ContractName, ...] = ()


class CoreAccess(_Table, frozen=True):
    """A group of core fields the plugin reads or writes."""

    fields: ContractName
    access: Access
    reason: Reason


class NetworkAccess(_Table, frozen=True):
    """Hosts the plugin speaks to; all others are refused."""

    hosts: Annotated[tuple[Host, ...], Meta(min_length=1, description="at least one host")]
    reason: Reason


class SecretAccess(_Table, frozen=True):
    """Secrets the plugin may read."""

    names: Annotated[
        tuple[ContractName, ...], Meta(min_length=1, description="at least one secret's name")
    ]
    reason: Reason


class StorageAccess(_Table, frozen=True):
    """Room for files, per tenant."""

    megabytes: Count
    reason: Reason


class Grant(_Table, frozen=True):
    """A capability without parameters."""

    reason: Reason


class Capabilities(_Table, frozen=True):
    """What the plugin asks for beyond its own tables, each with the reason shown to the tenant."""

    core: tuple[CoreAccess, ...] = ()
    network: NetworkAccess | None = None
    secrets: SecretAccess | None = None
    storage: StorageAccess | None = None
    notifications: Grant | None = None
    public_routes: Grant | None = None
    payments: Grant | None = None
    subprocess: Grant | None = None
    impersonate: Grant | None = None


class DataTable(_Table, frozen=True):
    """A table of the plugin's schema.

    Attributes:
        tenant_column: ``None`` only for a table that holds nothing of any tenant.
        personal: columns about a person; *purpose* and *retention_days* are then mandatory.
    """

    name: Identifier
    tenant_column: Identifier | None = "tenant_id"
    personal: tuple[Identifier, ...] = ()
    purpose: LocalisedText | None = None
    legal_basis: Text | None = None
    retention_days: Count | None = None
    on_uninstall: OnUninstall = OnUninstall.ARCHIVE


class Data(_Table, frozen=True):
    """The plugin's tables; nothing declared means nothing stored."""

    migrations: Text | None = None
    tables: tuple[DataTable, ...] = ()


class Runtime(_Table, frozen=True):
    """Where and how fast the code runs."""

    isolation: Isolation = Isolation.INPROCESS
    priority: Priority = Priority.NORMAL
    import_ms: Milliseconds = 500
    hook_ms: dict[ContractName, Milliseconds] = {}  # noqa: RUF012
    memory_mb: Count | None = None
    concurrency: Count | None = None


class Ui(_Table, frozen=True):
    """What the plugin uses of the panel shell."""

    slots: tuple[ContractName, ...] = ()
    theme_tokens_used: tuple[Text, ...] = ()
    iframe_islands: tuple[Text, ...] = ()


class PricePlan(_Table, frozen=True):
    """One offer; money is an integer in the currency's minor unit (TND has three decimals)."""

    key: ContractName
    interval: Interval
    price_minor: Amount
    currency: Annotated[
        str, Meta(pattern="^[A-Z]{3}" + _END, description="an ISO 4217 code", examples=["TND"])
    ]
    trial_days: Amount = 0
    features: tuple[ContractName, ...] = ()
    limits: dict[ContractName, Amount] = {}  # noqa: RUF012


class Pricing(_Table, frozen=True):
    """What the plugin costs; nothing declared means free."""

    model: PricingModel = PricingModel.FREE
    included_in: tuple[ContractName, ...] = ()
    plans: tuple[PricePlan, ...] = ()


LimitAmount = Annotated[int, Meta(ge=-1, description="a count, or -1 without limit")]


class Entitlements(_Table, frozen=True):
    """What plans may switch on and limit.

    Attributes:
        limits: limit → plan → how many; -1 is without limit, a plan that is not named gets none.
    """

    features: tuple[ContractName, ...] = ()
    limits: dict[ContractName, dict[ContractName, LimitAmount]] = {}  # noqa: RUF012


class Agent(_Table, frozen=True):
    """Operations that may become tools of an AI agent."""

    operations: tuple[ContractName, ...] = ()


class Supply(_Table, frozen=True):
    """Where the build came from; filled by the build tool."""

    sbom: Text | None = None
    source_commit: Text | None = None
    signature: Text | None = None


class Conformance(_Table, frozen=True):
    """Which conformance run the build passed; filled by the kit."""

    kit: Text
    level: Text
    report_sha256: Annotated[
        str, Meta(pattern="^[0-9a-f]{64}" + _END, description="a SHA-256 in lower-case hexadecimal")
    ]


class Manifest(_Table, frozen=True):
    """One plugin's ``trophenix.toml``."""

    manifest: Annotated[
        int,
        Meta(ge=MANIFEST_FORMAT, le=MANIFEST_FORMAT, description="the number 1", examples=[1]),
    ]
    plugin: PluginSection
    compat: Compat
    contract: Contract
    requires: Requires = Requires()
    provides: Provides = Provides()
    capabilities: Capabilities = Capabilities()
    data: Data = Data()
    runtime: Runtime = Runtime()
    ui: Ui = Ui()
    pricing: Pricing = Pricing()
    entitlements: Entitlements = Entitlements()
    agent: Agent = Agent()
    supply: Supply = Supply()
    conformance: Conformance | None = None

    @property
    def id(self) -> str:
        """``publisher.name``."""
        return self.plugin.id

    @property
    def schema_name(self) -> str:
        """The PostgreSQL schema that holds the plugin's tables."""
        return schema_name(self.plugin.id)

    @property
    def role_name(self) -> str:
        """The PostgreSQL role the plugin's transactions assume."""
        return role_name(self.plugin.id)


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
                FieldProblem(_pointer(fault.path), "invalid", f"{fault.found}; expected {fault.expected}")
                for fault in faults
            ),
        )
        self.source = source
        self.faults = faults


def schema_name(plugin_id: str) -> str:
    """The PostgreSQL schema of the plugin *plugin_id*: ``plugin_<publisher>_<name>``.

    Two ids never share a schema, since a publisher holds no underscore. At most 62 bytes.

    Raises:
        ValueError: *plugin_id* is not an id, or its publisher is reserved.
    """
    if (fault := _id_fault(plugin_id)) is not None:
        raise ValueError(str(fault))
    return "plugin_" + plugin_id.replace(".", "_", 1)


def role_name(plugin_id: str) -> str:
    """The PostgreSQL role of the plugin *plugin_id*, equal to its schema's name.

    Raises:
        ValueError: *plugin_id* is not an id, or its publisher is reserved.
    """
    return schema_name(plugin_id)


def localised(text: LocalisedText, locale: str) -> str:
    """The text in *locale*, else in its language, else in English, else the first one given."""
    if isinstance(text, str):
        return text
    for tag in (locale, locale.split("-", 1)[0], "en"):
        if tag in text:
            return text[tag]
    return next(iter(text.values()), "")


def manifest_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the manifest, for editors and other tools.

    It says everything about single keys. Rules between keys or inside version specifiers are only checked by `read_manifest`.
    """
    schema = msgspec.json.schema(Manifest)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trophenix plugin manifest",
        **schema,
    }


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
                "", f"{size} bytes", f"at most {LIMIT_BYTES}", "move long texts into the package's README"
            ),
        )
    try:
        document = tomllib.loads(text.decode() if isinstance(text, bytes) else text)
    except UnicodeDecodeError as error:
        return None, (
            ManifestProblem("", f"a byte that is not UTF-8 at {error.start}", "UTF-8", "save it as UTF-8"),
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
# msgspec stops at the first fault. A person repairing a manifest wants the whole list, so tables are walked here and msgspec
# converts one leaf at a time; the types above stay the only description of the format.


def _check_table(
    table: type[Struct], found: object, path: str, faults: list[ManifestProblem]
) -> None:
    if not isinstance(found, Mapping):
        faults.append(
            ManifestProblem(path, _show(found), "a table", f"write it as [{path}] with its keys below")
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
        option
        for option in arguments
        if isinstance(option, type) and issubclass(option, Struct)
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
                    ManifestProblem(f"{path}[{index}]", f"{item!r} again", "each name once", "remove it")
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
    if identity is not None and re.search(_ID, identity) and (fault := _id_fault(identity)):
        faults.append(fault)
    for path in ("plugin.version", "compat.data_since"):
        if (version := _at(document, path, str)) and not _is_version(version):
            faults.append(
                ManifestProblem(
                    path, _show(version), "a PEP 440 version", 'write for example "1.2.0"'
                )
            )
    _check_bounds(document, faults)
    for group in ("requires.plugins", "requires.optional", "requires.services"):
        for name, specifier in _table_at(document, group).items():
            _specifier(specifier, f"{group}.{name}", faults)
            if name == identity:
                faults.append(
                    ManifestProblem(
                        f"{group}.{name}", "the plugin itself", "another plugin's id", "remove the line"
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
                    ManifestProblem(f"{path}.name", f"{name!r} again", "each table once", "remove one")
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


def _id_fault(plugin_id: str) -> ManifestProblem | None:
    if not re.search(_ID, plugin_id):
        expected, step = _describe(PluginId)
        return ManifestProblem("plugin.id", _show(plugin_id), expected, step("plugin.id"))
    publisher = plugin_id.partition(".")[0]
    if publisher in RESERVED_PUBLISHERS:
        return ManifestProblem(
            "plugin.id",
            _show(plugin_id),
            f"a publisher other than the reserved {', '.join(sorted(RESERVED_PUBLISHERS))}",
            "use the name under which you publish",
        )
    return None


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
    return shown if len(shown) <= 80 else shown[:77] + "…"  # noqa: PLR2004 - one line of a terminal


def _pointer(path: str) -> str:
    parts = [part for part in re.split(r"[.\[\]]+", path) if part]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
