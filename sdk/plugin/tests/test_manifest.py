"""The manifest is accepted only as a whole, and whoever has to repair one learns everything in one go."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, cast

import jsonschema_rs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trophenix_sdk.manifest import (
    Kind,
    Manifest,
    OnUninstall,
    localised,
    manifest_json_schema,
    role_name,
    schema_name,
)
from trophenix_sdk.manifest_file import (
    LIMIT_BYTES,
    InvalidManifest,
    inspect_manifest,
    read_manifest,
)
from trophenix_testing.plugins import toml

SMALLEST = """
manifest = 1

[plugin]
id = "acme.loyalty"
distribution = "acme-loyalty"
version = "1.2.0"
kind = "module"
level = "tenant"
name = "Loyalty"

[compat]
kernel = ">=0.1"
hook_api = 1

[contract]
"""

FULL = """
manifest = 1

[plugin]
id = "acme.loyalty_cards"
distribution = "acme-loyalty"
version = "1.2.0rc1"
kind = "payment"
level = "tenant+organization"
name = { en = "Loyalty", fr = "Fidélité", "pt-BR" = "Fidelidade" }
summary = { en = "Cards and points" }
description = "Long."
categories = ["sales", "marketing"]
keywords = ["points", "Cartes"]
icon = "icon.svg"
screenshots = [{ path = "one.png", alt = { en = "A card" } }]
locales = ["en", "fr"]
license = "Apache-2.0"
links = { homepage = "https://acme.test", terms = "https://acme.test/terms" }
security_contact = "security@acme.test"

[compat]
kernel = ">=0.1,<3"
hook_api = 1
python = ">=3.11"
data_since = "1.0"
replaces = ["acme.points"]
conflicts = ["other.points"]

[requires]
plugins = { "acme.base" = ">=1,<2" }
optional = { "other.mail" = ">=3" }

[contract]
operations = ["card.read", "card.create"]
permissions = ["card.read", "card.write"]
events_emitted = ["card.created"]
panels = ["cards"]
widgets = ["cards-by-month"]
hooks = ["authorize"]
settings = ["points"]

[capabilities]
core = [{ fields = "user.profile", access = "read", reason = "Prints the name on the card." }]
network = { hosts = ["api.acme.test", "*.cards.test:8443"], reason = "Orders the plastic cards." }
secrets = { names = ["api_key"], reason = "Signs the orders of cards." }
storage = { megabytes = 50, reason = "Keeps the design of cards." }
notifications = { reason = "Tells members of new points." }
public_routes = { reason = "Shows a balance without sign-in." }
payments = { reason = "Sells cards to the members." }

[[data.tables]]
name = "card"
personal = ["member_name"]
purpose = "To print the card."
legal_basis = "contract"
retention_days = 365
on_uninstall = "keep_legal"

[[data.tables]]
name = "design"

[runtime]
priority = "late"
import_ms = 200
hook_ms = { authorize = 20 }

[pricing]
model = "tiered"
included_in = ["enterprise"]
plans = [
  { key = "small", interval = "month", price_minor = 4900, currency = "TND", trial_days = 14, features = ["x"], limits = { cards = 9 } },
]

[entitlements]
limits = { cards = { free = 100, custom = -1 } }

[supply]
source_commit = "0123456"

[conformance]
kit = "1.0"
level = "gold"
report_sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
"""


def changed(old: str, new: str, text: str = SMALLEST) -> str:
    """*text* with one passage replaced, which must be there."""
    assert old in text
    return text.replace(old, new)


def paths(text: str | bytes) -> list[str]:
    """The keys that are found at fault."""
    manifest, faults = inspect_manifest(text)
    assert (manifest is None) == bool(faults)
    return [fault.path for fault in faults]


class TestReading:
    """Accepted manifests."""

    def test_the_smallest_manifest_has_defaults_everywhere_else(self) -> None:
        """Private plugins stay light."""
        manifest = read_manifest(SMALLEST)

        assert manifest.id == "acme.loyalty"
        assert manifest.plugin.kind is Kind.MODULE
        assert manifest.requires.plugins == {}
        assert manifest.data.tables == ()
        assert manifest.contract.operations == ()

    def test_every_key_can_be_given(self) -> None:
        """The whole format is read."""
        manifest = read_manifest(FULL)

        assert manifest.schema_name == manifest.role_name == "plugin_acme_loyalty_cards"
        assert manifest.capabilities.network is not None
        assert manifest.capabilities.network.hosts == ("api.acme.test", "*.cards.test:8443")
        assert manifest.data.tables[0].on_uninstall is OnUninstall.KEEP_LEGAL
        assert manifest.data.tables[1].tenant_column == "tenant_id"
        assert manifest.pricing.plans[0].price_minor == 4900
        assert {"plugin", "compat", "data"} <= set(tomllib.loads(FULL))

    def test_bytes_are_read_as_utf_8(self) -> None:
        """Files are opened in binary."""
        assert read_manifest(FULL.encode()) == read_manifest(FULL)

    def test_texts_come_in_the_language_asked_for(self) -> None:
        """Exact tag, then language, then English, then whatever there is."""
        name = read_manifest(FULL).plugin.name

        assert localised(name, "pt-BR") == "Fidelidade"
        assert localised(name, "fr-TN") == "Fidélité"
        assert localised(name, "ar") == "Loyalty"
        assert localised({"ar": "ولاء"}, "fr") == "ولاء"
        assert localised("Loyalty", "fr") == "Loyalty"


class TestRefusing:
    """Manifests that are not accepted, and what is said about them."""

    def test_all_problems_are_listed_at_once_with_what_to_do(self) -> None:
        """One round of repair is enough."""
        text = """
            manifest = 2
            colour = "red"
            [plugin]
            id = "Acme.loyalty"
            version = "one"
            kind = "gadget"
            level = "tenant"
            categories = ["a", "b", "c", "d"]
            [compat]
            kernel = "==0.1"
            hook_api = "1"
            [contract]
            operations = ["card.read", 3, "card.read"]
            [capabilities.network]
            hosts = []
            [[data.tables]]
            name = "card"
            personal = ["name of member"]
        """

        with pytest.raises(InvalidManifest) as refused:
            read_manifest(text, source="acme/trophenix.toml")

        assert {fault.path for fault in refused.value.faults} == {
            "manifest",
            "colour",
            "plugin.id",
            "plugin.distribution",
            "plugin.version",
            "plugin.kind",
            "plugin.name",
            "plugin.categories",
            "compat.kernel",
            "compat.hook_api",
            "contract.operations[1]",
            "contract.operations[2]",
            "capabilities.network.hosts",
            "capabilities.network.reason",
            "data.tables[0].personal[0]",
            "data.tables[0].purpose",
            "data.tables[0].retention_days",
        }
        assert all(
            fault.found and fault.expected and fault.next_step for fault in refused.value.faults
        )
        message = str(refused.value)
        assert "acme/trophenix.toml has 17 problems" in message
        assert "plugin.kind: found 'gadget', expected one of module, connector" in message
        assert refused.value.code == "invalid_manifest"
        assert "/data/tables/0/personal/0" in {one.pointer for one in refused.value.problems}

    def test_missing_sections_are_named(self) -> None:
        """An empty file says what a manifest needs."""
        assert paths("") == ["manifest", "plugin", "compat", "contract"]

    @pytest.mark.parametrize(
        ("old", "new", "path"),
        [
            ('kernel = ">=0.1"', 'kernel = "==1.0"', "compat.kernel"),
            ('kernel = ">=0.1"', 'kernel = ">=1,==1.*"', "compat.kernel"),
            ('kernel = ">=0.1"', 'kernel = "===1.0"', "compat.kernel"),
            ('kernel = ">=0.1"', 'kernel = "<2"', "compat.kernel"),
            ('kernel = ">=0.1"', 'kernel = "!=1.1"', "compat.kernel"),
            ('kernel = ">=0.1"', 'kernel = "about one"', "compat.kernel"),
            ('kernel = ">=0.1"', 'kernel = ""', "compat.kernel"),
            ("hook_api = 1", "hook_api = 0", "compat.hook_api"),
            ("hook_api = 1", 'hook_api = 1\npython = "three"', "compat.python"),
            ("hook_api = 1", 'hook_api = 1\ndata_since = "old"', "compat.data_since"),
            ('version = "1.2.0"', 'version = "latest"', "plugin.version"),
            ('"acme.loyalty"', '"loyalty"', "plugin.id"),
            ('"acme.loyalty"', '"ac_me.loyalty"', "plugin.id"),
            ('"acme.loyalty"', '"acme.loyalty__card"', "plugin.id"),
            ('"acme.loyalty"', '"acme.loyalty_"', "plugin.id"),
            ('"acme.loyalty"', '"acme.loyalté"', "plugin.id"),
            ('"acme.loyalty"', r'"acme.loyalty\n"', "plugin.id"),
            ('"acme.loyalty"', '"kernel.loyalty"', "plugin.id"),
            ('"acme.loyalty"', '"pg_acme.loyalty"', "plugin.id"),
            ('"acme.loyalty"', '"pg.loyalty"', "plugin.id"),
            ('"acme.loyalty"', f'"acme.{"x" * 35}"', "plugin.id"),
            ('"acme.loyalty"', f'"{"x" * 21}.loyalty"', "plugin.id"),
            (
                "[contract]",
                '[requires.plugins]\n"acme.loyalty" = ">=1"\n[contract]',
                "requires.plugins.acme.loyalty",
            ),
            (
                "[contract]",
                '[requires.plugins]\n"acme.base" = "new"\n[contract]',
                "requires.plugins.acme.base",
            ),
            ("[contract]", '[requires.plugins]\nBase = ">=1"\n[contract]', "requires.plugins.Base"),
            ("[contract]", '[contract]\nsecret = ["x"]', "contract.secret"),
            ("[contract]", "[contract]\n[runtime]\nimport_ms = 1.5", "runtime.import_ms"),
            (
                "[contract]",
                "[contract]\n[runtime.hook_ms]\nauthorize = 0",
                "runtime.hook_ms.authorize",
            ),
            (
                "[contract]",
                '[contract]\n[capabilities.payments]\nreason = "why"',
                "capabilities.payments.reason",
            ),
            (
                "[contract]",
                '[contract]\n[[data.tables]]\nname = "a"\n[[data.tables]]\nname = "a"',
                "data.tables[1].name",
            ),
            ('name = "Loyalty"', 'name = ""', "plugin.name"),
            ('name = "Loyalty"', 'name = { "f r" = "x" }', "plugin.name"),
            ("[contract]", "contract = 3\n[x]", "compat.contract"),
        ],
    )
    def test_one_fault_names_its_key(self, old: str, new: str, path: str) -> None:
        """Rules inside values and between keys."""
        assert path in paths(changed(old, new))

    def test_a_broken_document_names_the_line(self) -> None:
        """TOML's own message is kept."""
        _, faults = inspect_manifest("manifest = 1\n[plugin\n")

        assert "line 2" in faults[0].found

    def test_bytes_that_are_not_text_are_refused(self) -> None:
        """Latin-1 is not guessed."""
        _, faults = inspect_manifest(FULL.encode("latin-1", errors="replace"))

        assert "UTF-8" in faults[0].expected

    def test_huge_files_are_not_parsed(self) -> None:
        """Reading an installed file costs bounded time."""
        _, faults = inspect_manifest(SMALLEST + "#" * LIMIT_BYTES)

        assert str(LIMIT_BYTES) in faults[0].expected

    @given(st.one_of(st.text(), st.binary()))
    def test_no_input_raises(self, text: str | bytes) -> None:
        """Whatever a package contains, reading it ends with a manifest or a list of faults."""
        manifest, faults = inspect_manifest(text)

        assert (manifest is None) == bool(faults)


PUBLISHERS = st.from_regex(r"[a-z][a-z0-9]{0,19}", fullmatch=True)
NAMES = st.from_regex(r"[a-z](_?[a-z0-9]){0,33}", fullmatch=True)


class TestNamesInTheDatabase:
    """Schema and role of a plugin."""

    @given(PUBLISHERS, NAMES)
    def test_an_accepted_id_gives_a_whole_identifier(self, publisher: str, name: str) -> None:
        """PostgreSQL never cuts it, and needs no quotes."""
        try:
            schema = schema_name(f"{publisher}.{name}")
        except ValueError:
            return

        assert re.fullmatch(r"plugin_[a-z][a-z0-9]*_[a-z][a-z0-9_]*", schema)
        assert len(schema.encode()) <= 63
        assert role_name(f"{publisher}.{name}") == schema

    @given(PUBLISHERS, NAMES, PUBLISHERS, NAMES)
    @example("a", "b_c", "ab", "c")
    @example("a", "b_c", "a", "b_c")
    def test_two_ids_never_share_a_schema(
        self, first: str, one: str, second: str, two: str
    ) -> None:
        """One plugin cannot be given another's tables."""
        ids = f"{first}.{one}", f"{second}.{two}"
        try:
            schemas = [schema_name(plugin) for plugin in ids]
        except ValueError:
            return

        assert (schemas[0] == schemas[1]) == (ids[0] == ids[1])

    @given(st.text(max_size=70))
    @example("acme.x\n")
    @example("acme.x; drop schema kernel")
    def test_nothing_else_becomes_an_identifier(self, text: str) -> None:
        """What is not an id never reaches SQL."""
        if re.fullmatch(r"[a-z][a-z0-9]{0,19}\.[a-z](_?[a-z0-9])*", text):
            return

        with pytest.raises(ValueError, match="publisher"):
            schema_name(text)


VALIDATOR = jsonschema_rs.validator_for(manifest_json_schema())


def _spots(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path] if path else []
    inside: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        inside = cast("dict[object, object]", value).items()
    elif isinstance(value, list):
        inside = enumerate(cast("list[object]", value))
    for key, item in inside:
        here += _spots(item, (*path, key))
    return here


WHOLE = tomllib.loads(FULL)
SPOTS = _spots(WHOLE)
ODD: list[Any] = [
    "",
    "x",
    "Not A Name",
    "acme.loyalty",
    "line\n",
    ">=1",
    0,
    1,
    -1,
    700_000,
    True,
    1.5,
    [],
    ["x"],
    ["x", 1],
    {},
    {"x": "y"},
    {"en": ""},
    {"reason": "because we said so"},
]


def _put(document: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    copied = copy.deepcopy(document)
    parent = copied
    for part in path[:-1]:
        parent = parent[part]
    change(parent, path[-1])
    return copied


def _set(value: Any) -> Callable[[Any, Any], None]:
    def change(parent: Any, key: Any) -> None:
        parent[key] = value

    return change


def _remove(parent: Any, key: Any) -> None:
    del parent[key]


def _accepted(document: Any) -> bool:
    try:
        msgspec.convert(document, Manifest)
    except msgspec.ValidationError:
        return False
    return True


class TestJsonSchema:
    """What editors are told is what the reader does."""

    def test_examples_are_valid(self) -> None:
        """Both manifests of this file."""
        assert VALIDATOR.is_valid(tomllib.loads(SMALLEST))
        assert VALIDATOR.is_valid(WHOLE)

    def test_unknown_keys_are_refused_everywhere(self) -> None:
        """In the document and in every table of it."""
        tables = [
            path
            for path in [(), *SPOTS]
            if isinstance(_at(WHOLE, path), dict) and _is_struct_table(path)
        ]
        assert len(tables) > 15

        for path in tables:
            document = _put(WHOLE, (*path, "colour"), _set("red"))

            assert not VALIDATOR.is_valid(document), path
            assert not _accepted(document), path

    @given(st.sampled_from(SPOTS), st.sampled_from(ODD))
    def test_schema_and_reader_agree_on_any_changed_value(
        self, path: tuple[Any, ...], value: Any
    ) -> None:
        """One value replaced by something odd."""
        document = _put(WHOLE, path, _set(value))

        assert VALIDATOR.is_valid(document) == _accepted(document)

    @given(st.sampled_from(SPOTS), st.sampled_from(ODD))
    def test_whatever_the_schema_refuses_is_refused_with_a_reason(
        self, path: tuple[Any, ...], value: Any
    ) -> None:
        """Walking the tables key by key finds at least what the whole conversion finds."""
        document = _put(WHOLE, path, _set(value))

        manifest, faults = inspect_manifest(toml(document))

        assert (manifest is None) == bool(faults)
        assert faults or _accepted(document)

    @given(st.sampled_from(SPOTS))
    def test_schema_and_reader_agree_on_any_missing_value(self, path: tuple[Any, ...]) -> None:
        """One value taken out."""
        document = _put(WHOLE, path, _remove)

        assert VALIDATOR.is_valid(document) == _accepted(document)


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


def _is_struct_table(path: tuple[Any, ...]) -> bool:
    """Whether the table has fixed keys; the others map names to values."""
    free = {
        "name",
        "summary",
        "alt",
        "plugins",
        "optional",
        "hook_ms",
        "limits",
    }
    return not path or path[-1] not in free
