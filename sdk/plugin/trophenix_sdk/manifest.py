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
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

MANIFEST_FILE: Final = "trophenix.toml"
"""The manifest's name inside the plugin's top-level package."""

MANIFEST_FORMAT: Final = 1
"""The only value of the key ``manifest`` this SDK reads."""

PUBLISHER_LIMIT: Final = 20
NAME_LIMIT: Final = 34
"""Together with ``plugin_`` and one underscore at most 62 bytes: PostgreSQL cuts identifiers at 63."""

RESERVED_PUBLISHERS: Final = frozenset(
    {
        "admin",
        "information",
        "kernel",
        "pg",
        "platform",
        "plugin",
        "postgres",
        "public",
        "sdk",
        "system",
    }
)
"""Names that people or PostgreSQL would take for the platform itself."""

_END = r"$(?!\n)"  # in Python "$" alone also matches before a last line feed
_ID = (
    rf"^[a-z][a-z0-9]{{0,{PUBLISHER_LIMIT - 1}}}\.(?=.{{1,{NAME_LIMIT}}}$)[a-z](_?[a-z0-9])*{_END}"
)
_NAME = rf"^[a-z][a-z0-9_-]*([.:/][a-z0-9][a-z0-9_-]*)*{_END}"
_IDENTIFIER = rf"^[a-z_][a-z0-9_]{{0,62}}{_END}"
_LOCALE = rf"^[a-z]{{2,3}}(-[A-Za-z0-9]{{2,8}})*{_END}"
_HOST = (
    r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[0-9]{1,5})?" + _END
)

ID_RULE: Final = (
    f"publisher.name in lower-case ASCII: publisher of letters and digits (at most {PUBLISHER_LIMIT}), name of letters,"
    f" digits and single underscores (at most {NAME_LIMIT})"
)

PluginId: TypeAlias = Annotated[
    str,
    Meta(
        pattern=_ID,
        max_length=PUBLISHER_LIMIT + 1 + NAME_LIMIT,
        description=ID_RULE,
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
    str,
    Meta(min_length=1, max_length=20_000, description="a text that is not empty", examples=["…"]),
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
    Meta(
        pattern=_HOST, description="a host name, '*.' allowed in front", examples=["api.acme.test"]
    ),
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

    plugins: dict[PluginId, Specifier] = {}
    optional: dict[PluginId, Specifier] = {}


class Contract(_Table, frozen=True):
    """Everything the code will register; registering more refuses the plugin.

    Attributes:
        hooks: the run-time hooks implemented (observe, filter, first). The collect hooks need no mention: what they return is listed
            by name in the other keys.
    """

    operations: tuple[ContractName, ...] = ()
    permissions: tuple[ContractName, ...] = ()
    events_emitted: tuple[ContractName, ...] = ()
    panels: tuple[ContractName, ...] = ()
    widgets: tuple[ContractName, ...] = ()
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
    """When and how fast the code runs."""

    priority: Priority = Priority.NORMAL
    import_ms: Milliseconds = 500
    hook_ms: dict[ContractName, Milliseconds] = {}


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
    limits: dict[ContractName, Amount] = {}


class Pricing(_Table, frozen=True):
    """What the plugin costs; nothing declared means free."""

    model: PricingModel = PricingModel.FREE
    included_in: tuple[ContractName, ...] = ()
    plans: tuple[PricePlan, ...] = ()


LimitAmount = Annotated[int, Meta(ge=-1, description="a count, or -1 without limit")]


class Entitlements(_Table, frozen=True):
    """What plans limit.

    Attributes:
        limits: limit → plan → how many; -1 is without limit, a plan that is not named gets none.
    """

    limits: dict[ContractName, dict[ContractName, LimitAmount]] = {}


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
    capabilities: Capabilities = Capabilities()
    data: Data = Data()
    runtime: Runtime = Runtime()
    pricing: Pricing = Pricing()
    entitlements: Entitlements = Entitlements()
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


def id_fault(plugin_id: str) -> str | None:
    """What was expected instead of *plugin_id*; ``None`` when it is an id that may be used."""
    if not re.search(_ID, plugin_id):
        return ID_RULE
    if plugin_id.partition(".")[0] in RESERVED_PUBLISHERS:
        return f"a publisher other than the reserved {', '.join(sorted(RESERVED_PUBLISHERS))}"
    return None


def schema_name(plugin_id: str) -> str:
    """The PostgreSQL schema of the plugin *plugin_id*: ``plugin_<publisher>_<name>``.

    Two ids never share a schema, since a publisher holds no underscore. At most 62 bytes.

    Raises:
        ValueError: *plugin_id* is not an id, or its publisher is reserved.
    """
    if (expected := id_fault(plugin_id)) is not None:
        raise ValueError(f"found the plugin id {plugin_id!r}; expected {expected}")
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

    It says everything about single keys. Rules between keys or inside version specifiers are only checked by `trophenix_sdk.manifest_file`.
    """
    schema = msgspec.json.schema(Manifest)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trophenix plugin manifest",
        **schema,
    }
