"""No operation, by any door, given anything of another tenant, answers with that tenant's data, changes it, or fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from trophenix_kernel.operations.binding import takes_file
from trophenix_kernel.operations.registry import Bound
from trophenix_testing.samples import CARPOOL, LUNCH
from trophenix_testing.scene import PASSWORD

# The fixture `filled_beta` of the conftest; test folders are no packages, so its class cannot be imported.
Filled = Any

pytestmark = pytest.mark.asyncio(loop_scope="module")

THEIRS = "mq7beta"
REFUSALS = {400, 401, 402, 403, 404, 405, 409, 412, 413, 415, 422}

Document = Mapping[str, Any]


# ── inputs, made from the operation's own struct ────────────────────────────────────────────────────────────────────────


class Words(msgspec.Struct, frozen=True):
    """What the other tenant has that may be put into a field."""

    ids: list[UUID]
    texts: list[str]


def inputs(bound: Bound, words: Words) -> st.SearchStrategy[dict[str, Any]]:
    """Documents for the operation's input with the other tenant's ids in every field that takes one.

    A file becomes bytes.
    """
    return _struct(msgspec.inspect.type_info(bound.operation.input_type), words, 0)


def _struct(info: Any, words: Words, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in info.fields:
        into = required if field.required or holds_id(field.type) else optional
        into[field.encode_name] = value(field.type, words, depth)
    return st.fixed_dictionaries(required, optional=optional)


def holds_id(info: Any) -> bool:
    """Whether a value of this type is a UUID, or may be."""
    info = _bare(info)
    if isinstance(info, msgspec.inspect.UnionType):
        return any(holds_id(member) for member in info.types)
    return isinstance(info, msgspec.inspect.UUIDType)


def needs_id(bound: Bound) -> bool:
    """Whether the operation cannot be called without a UUID."""
    info: Any = msgspec.inspect.type_info(bound.operation.input_type)
    return any(holds_id(field.type) for field in info.fields if field.required)


def value(info: Any, words: Words, depth: int) -> st.SearchStrategy[Any]:
    """Values of a type as JSON has them."""
    info = _bare(info)
    match info:
        case msgspec.inspect.UUIDType():
            return st.sampled_from([str(word) for word in words.ids])
        case msgspec.inspect.StrType():
            return _text(info, words)
        case msgspec.inspect.IntType():
            low = (
                info.ge
                if info.ge is not None
                else (info.gt + 1 if info.gt is not None else -(2**40))
            )
            high = (
                info.le if info.le is not None else (info.lt - 1 if info.lt is not None else 2**40)
            )
            return st.integers(low, high)
        case msgspec.inspect.FloatType() | msgspec.inspect.DecimalType():
            return st.floats(-1e6, 1e6, allow_nan=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.DateTimeType():
            return st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
        case msgspec.inspect.DateType():
            return st.dates(date(2000, 1, 1), date(2100, 1, 1)).map(date.isoformat)
        case msgspec.inspect.TimeType():
            return st.just(time(12).isoformat())
        case msgspec.inspect.TimeDeltaType():
            return st.just(timedelta(hours=1)).map(lambda _: "PT1H")
        case msgspec.inspect.LiteralType():
            return st.sampled_from(list(info.values))
        case msgspec.inspect.EnumType():
            return st.sampled_from([member.value for member in info.cls])
        case msgspec.inspect.UnionType():
            members = [
                member for member in info.types if not isinstance(member, msgspec.inspect.NoneType)
            ]
            return st.one_of([value(member, words, depth) for member in members])
        case msgspec.inspect.StructType():
            return _file() if takes_file(info.cls) else _struct(info, words, depth + 1)
        case msgspec.inspect.DictType():
            return st.dictionaries(
                value(info.key_type, words, depth + 1),
                value(info.value_type, words, depth + 1),
                max_size=2,
            )
        case (
            msgspec.inspect.ListType() | msgspec.inspect.VarTupleType() | msgspec.inspect.SetType()
        ):
            least = getattr(info, "min_length", None) or 0
            return st.lists(
                value(info.item_type, words, depth + 1), min_size=least, max_size=max(least, 3)
            )
        case msgspec.inspect.TupleType():
            return st.tuples(*[value(item, words, depth + 1) for item in info.item_types]).map(list)
        case msgspec.inspect.BytesType():
            return st.just("")
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.RawType() | msgspec.inspect.AnyType():
            return st.dictionaries(
                st.sampled_from(words.texts), st.sampled_from(words.texts), max_size=2
            )
        case _:
            raise TypeError(f"found a field of {info}; teach this test how to make one")


def _bare(info: Any) -> Any:
    return info.type if isinstance(info, msgspec.inspect.Metadata) else info


def _text(info: Any, words: Words) -> st.SearchStrategy[str]:
    least, most = info.min_length or 0, info.max_length or 400
    known = [word for word in words.texts if least <= len(word) <= most]
    if info.pattern:
        pattern: str = info.pattern
        return st.from_regex(pattern).filter(lambda text: least <= len(text) <= most)
    free = st.text(st.characters(codec="utf-8"), min_size=least, max_size=min(most, least + 12))
    return st.sampled_from(known) | free if known else free


def _file() -> st.SearchStrategy[Any]:
    return st.sampled_from([b"Bus\nVan\n", b"", b"\xff\xfe\x00", b"name;seats\nBus;4\n"])


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Asked(msgspec.Struct, frozen=True):
    """A request for an operation."""

    method: str
    path: str
    options: dict[str, Any]


def by_route(bound: Bound, document: Document, prefix: str = "/api/v1") -> Asked:
    """The request that the operation's own route wants."""
    route = bound.operation.http
    if route is None:
        return by_name(bound, document, prefix)
    rest = dict(document)
    path = route.path
    for word in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        path = path.replace(
            f"{{{word}}}", quote(str(rest.pop(word)).replace("/", "-"), safe="") or "-"
        )
    if route.method == "GET" or (route.method == "DELETE" and rest):
        plain = [(name, _query_word(item)) for name, many in rest.items() for item in _each(many)]
        return Asked(route.method, prefix + path, {"params": plain})
    return Asked(route.method, prefix + path, _body(rest))


def by_name(bound: Bound, document: Document, prefix: str = "/api/v1") -> Asked:
    """The request to the door that takes any operation by its name."""
    return Asked("POST", f"{prefix}/operations/{bound.name}", _body(document))


def _body(document: Document) -> dict[str, Any]:
    files = {
        name: ("file.csv", content)
        for name, content in document.items()
        if isinstance(content, bytes)
    }
    if files:
        texts = {name: _query_word(item) for name, item in document.items() if name not in files}
        return {"files": files, "data": texts}
    return {"json": dict(document)}


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType] - any list is one


def _query_word(item: Any) -> str:
    return item if isinstance(item, str) else msgspec.json.encode(item).decode()


async def send(client: httpx.AsyncClient, asked: Asked) -> httpx.Response:
    return await client.request(asked.method, asked.path, **asked.options)


# ── the scene ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Foreign(msgspec.Struct, frozen=True):
    """Two filled tenants, every operation, and documents for each that hold what beta has."""

    filled: Any
    operations: list[Bound]
    documents: dict[str, list[dict[str, Any]]]

    def client(self, tenant: str | None, role: str | None, **options: Any) -> httpx.AsyncClient:
        """A client with an API key, or of nobody."""
        return self.filled.platform.http(tenant, role, **options)

    async def signed_in(self, email: str, **options: Any) -> httpx.AsyncClient:
        """A client with a session of its own: the walks sign out as well."""
        token, _ = await self.filled.platform.kernel.credentials.sign_in(email, PASSWORD)
        client = self.client(None, None, **options)
        client.headers["Authorization"] = f"Bearer {token}"
        return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def foreign(filled_beta: Filled) -> Foreign:
    """Beta, marked in every place where somebody else might find it; the mark itself is never sent."""
    filled = filled_beta
    platform = filled.platform
    async with platform.sql() as admin:
        await admin.execute(
            "update kernel.tenants set name = $1, metadata = $2 where slug = 'beta'",
            THEIRS,
            f'{{"note": "{THEIRS}"}}',
        )
        await admin.execute(
            "insert into kernel.tenant_domains (tenant_id, domain, verified_at) values ($1, 'beta.example', now())",
            platform.tenant("beta").id,
        )
    await platform.kernel.changes.caught_up()
    people = platform.tenant("beta").people.values()
    texts = [
        "beta",
        "beta.example",
        *[person.email for person in people],
        *[str(record.id) for record in platform.kernel.catalogue],
        *[str(identifier) for identifier in (await filled.ids("beta"))[1:6]],
    ]
    installed = {record.id for record in platform.kernel.catalogue}
    # The kernel's operations are walked once, beside the plugins that are installed; whoever signs out has seen everything else.
    operations = sorted(
        (
            bound
            for bound in platform.kernel.registry
            if CARPOOL not in installed or bound.plugin_id != "kernel"
        ),
        key=lambda bound: bound.name == "kernel:account.sign_out",
    )
    words = Words(await filled.ids("beta"), texts)
    return Foreign(
        filled, operations, {bound.name: _documents(bound, words) for bound in operations}
    )


async def beta_is_untouched(foreign: Foreign, before: dict[str, str]) -> None:
    """Nothing of beta changed but what only counts its own people's calls."""
    after = await foreign.filled.digest("beta", without=("usage_daily",))
    assert after == before


FEW = settings(
    max_examples=4,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)
"""Per operation. Nothing is shrunk: the tables change meanwhile, and a failing request is told as it was."""


def _documents(bound: Bound, words: Words) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    @FEW
    @given(document=inputs(bound, words))
    def collect(document: dict[str, Any]) -> None:
        assume(document not in found)
        found.append(document)

    collect()
    return found


async def walk(foreign: Foreign, check: Any, *, most: int = 4) -> int:
    """*check* each operation with at most that many documents; says how many operations there were."""
    before = await foreign.filled.digest("beta", without=("usage_daily",))
    for bound in foreign.operations:
        for document in foreign.documents[bound.name][-most:]:
            await check(bound, document)
    await beta_is_untouched(foreign, before)
    return len(foreign.operations)


# ── the walks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_owner_with_another_tenants_ids_gets_nothing_of_it(foreign: Foreign) -> None:
    client = foreign.client("alpha", "owner")
    answered: dict[str, set[int]] = {}

    async def check(bound: Bound, document: Document) -> None:
        doors = [by_route(bound, document)]
        if document is foreign.documents[bound.name][-1]:
            doors.append(by_name(bound, document))
        for asked in doors:
            answer = await send(client, asked)
            told = (bound.name, asked, answer.status_code, answer.text[:600])
            assert answer.status_code < 500, told
            assert answer.is_success or answer.status_code in REFUSALS, told
            if answer.is_success:
                assert THEIRS not in answer.text, told
                assert str(foreign.filled.platform.tenant("beta").id) not in answer.text, told
            answered.setdefault(bound.name, set()).add(answer.status_code)
            if bound.operation.scope == "tenant" and needs_id(bound):
                # Work in the background is only accepted here; what it finds is the same as here.
                assert not answer.is_success or answer.status_code == 202, told

    walked = await walk(foreign, check)

    assert walked == len(answered) >= 12
    assert sum(bool(statuses & {200, 201, 202}) for statuses in answered.values()) >= 4, (
        "the walk got nowhere at all"
    )


@pytest.mark.parametrize("place", ["path", "header", "id in the header", "host", "domain"])
async def test_whoever_names_another_tenant_is_told_nothing(foreign: Foreign, place: str) -> None:
    beta = foreign.filled.platform.tenant("beta")
    prefix = "/api/v1/tenants/beta" if place == "path" else "/api/v1"
    headers = {
        "header": {"X-Tenant-ID": "beta"},
        "id in the header": {"X-Tenant-ID": str(beta.id)},
    }.get(place, {})
    base = {"host": "http://beta.trophenix.test", "domain": "http://beta.example"}.get(
        place, "http://trophenix.test"
    )
    options = {"headers": headers, "base_url": base}
    callers = {
        # A key is good for its own tenant whatever the host says; a session goes where the host leads.
        "owner": await foreign.signed_in("owner@alpha.test", **options)
        if place in {"host", "domain"}
        else foreign.client("alpha", "owner", **options),
        "stranger": await foreign.signed_in("stranger@nowhere.test", **options),
        "nobody": foreign.client(None, None, **options),
    }

    async def check(bound: Bound, document: Document) -> None:
        asked = by_route(bound, document, prefix)
        for who, client in callers.items():
            answer = await send(client, asked)
            told = (bound.name, who, asked, answer.status_code, answer.text[:600])
            assert answer.status_code < 500, told
            assert THEIRS not in answer.text or not answer.is_success, told
            if bound.operation.scope == "tenant":
                assert answer.status_code == (401 if who == "nobody" else 404), told

    await walk(foreign, check, most=2)


async def test_only_platform_administrators_run_the_platforms_operations(foreign: Foreign) -> None:
    client = await foreign.signed_in("owner@alpha.test", headers={"X-Tenant-ID": "alpha"})
    platform = [
        bound
        for bound in foreign.operations
        if bound.operation.scope == "platform" and bound.permission
    ]
    assert platform or "kernel" not in {bound.plugin_id for bound in foreign.operations}

    for bound in platform:
        for document in foreign.documents[bound.name]:
            answer = await send(client, by_route(bound, document))
            assert answer.status_code == 403, (bound.name, answer.text)


async def test_the_owner_does_find_what_the_others_did_not(foreign: Foreign) -> None:
    """The mark and the ids are real: with the right session they lead to data."""
    client = await foreign.signed_in("owner@beta.test", headers={"X-Tenant-ID": "beta"})
    found: set[str] = set()
    for bound in foreign.operations:
        if not bound.reads or bound.tenant_free:
            continue
        for document in foreign.documents[bound.name]:
            answer = await send(client, by_route(bound, document))
            if THEIRS in answer.text and answer.is_success:
                found.add(bound.name)

    kernel = {name for name in found if name.startswith("kernel:")}
    assert kernel >= {"kernel:tenant.read", "kernel:audit.list"} or found >= {
        f"{CARPOOL}:ride.list",
        f"{LUNCH}:table.list",
    }
