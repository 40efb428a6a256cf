"""A tenant's life: which moves there are, what its people see of them, and that a purge takes everything and nothing else."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_kernel.administration.purge import TenantTable, in_order
from trophenix_kernel.composition import Kernel
from trophenix_kernel.scheduler import Scheduler
from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.ids import new_id
from trophenix_testing.platform import BASE_URL, Platform, PlatformFactory
from trophenix_testing.samples import write_carpool, write_lunch

STATES: Final = ("trial", "active", "suspended", "cancelled")
MOVES: Final = {
    ("trial", "active"),
    ("trial", "suspended"),
    ("trial", "cancelled"),
    ("active", "suspended"),
    ("active", "cancelled"),
    ("suspended", "active"),
    ("suspended", "cancelled"),
    ("cancelled", "active"),
}
"""The life cycle once more, written down without the platform's code."""
NUMBERS: Final = itertools.count(1)


@pytest.fixture
async def platform(platform_factory: PlatformFactory) -> Platform:
    return await platform_factory(plugins=[])


async def create(platform: Platform, slug: str = "", **given_: Any) -> Any:
    """A tenant of alpha's owner."""
    return await operate(
        platform,
        "create_tenant",
        slug=slug or f"tenant-{next(NUMBERS)}",
        name="Made",
        **{"owner_email": "owner@alpha.test", **given_},
    )


async def operate(platform: Platform, operation: str, **given_: Any) -> Any:
    return await platform.call(None, f"kernel:platform.{operation}", given_, role="operator")


async def code_of(asked: Awaitable[Any]) -> str:
    try:
        await asked
    except TrophenixError as error:
        return error.reason
    return "ok"


async def seen_by(
    platform: Platform, role: str, slug: str, tenant: str = "alpha"
) -> tuple[int, str]:
    """What somebody of *tenant* is answered who asks for the tenant *slug*."""
    person = platform.person(tenant, role)
    assert person is not None
    client = platform.http(
        None,
        None,
        headers={"Authorization": f"Bearer {person.session}", "X-Tenant-ID": slug},
    )
    answer = await client.get("/api/v1/tenant")
    return answer.status_code, answer.json().get("code", "ok")


def hears(kernel: Kernel, table: str = "tenants") -> asyncio.Event:
    """Set once the kernel has heard of a change and dropped what it kept."""
    heard = asyncio.Event()
    kernel.changes.on(table, lambda _key: heard.set())
    return heard


async def wait_for(heard: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await heard.wait()


# ── states ──────────────────────────────────────────────────────────────────────────────────────────────────────────

STEPS: Final = st.one_of(st.sampled_from(STATES), st.sampled_from(["delete", "restore"]))


class TestStates:
    @given(first=st.sampled_from(["trial", "active"]), steps=st.lists(STEPS, max_size=8))
    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    async def test_only_the_moves_of_the_life_cycle_happen_and_everybody_sees_them_at_once(
        self, platform: Platform, first: str, steps: list[str]
    ) -> None:
        slug = (await create(platform, status=first)).slug
        status, deleted = first, False

        for step in steps:
            match step:
                case "delete":
                    code = await code_of(operate(platform, "delete_tenant", slug=slug))
                    expected = "tenant_deleted" if deleted else "ok"
                    deleted = True
                case "restore":
                    code = await code_of(operate(platform, "restore_tenant", slug=slug))
                    expected = "ok" if deleted else "tenant_not_deleted"
                    deleted = False
                case _:
                    code = await code_of(operate(platform, "set_status", slug=slug, status=step))
                    if deleted:
                        expected = "tenant_unknown"
                    elif (status, step) in MOVES:
                        expected, status = "ok", step
                    else:
                        expected = "tenant_status"
            assert code == expected, (status, step)
            if deleted:
                member = (404, "tenant_not_found")
            elif status in {"suspended", "cancelled"}:
                member = (403, "tenant_unavailable")
            else:
                member = (200, "ok")
            assert await seen_by(platform, "owner", slug) == member, (status, step)
            assert await seen_by(platform, "owner", slug, "beta") == (404, "tenant_not_found")

    async def test_a_change_by_another_process_is_heard(self, platform: Platform) -> None:
        worker = await platform.another_worker()
        assert await seen_by(worker, "owner", "alpha") == (200, "ok")
        heard = hears(worker.kernel)

        await operate(platform, "set_status", slug="alpha", status="suspended")
        await wait_for(heard)

        assert await seen_by(worker, "owner", "alpha") == (403, "tenant_unavailable")

    async def test_of_two_operators_with_different_plans_one_comes_too_late(
        self, platform: Platform
    ) -> None:
        """From active both are possible; after either, the other one is not a move from there or is one from the new state."""
        worker = await platform.another_worker()
        codes = await asyncio.gather(
            code_of(operate(platform, "set_status", slug="alpha", status="suspended")),
            code_of(operate(worker, "set_status", slug="alpha", status="suspended")),
        )

        assert sorted(codes) == ["ok", "tenant_status"]

    async def test_whoever_suspends_a_tenant_stands_in_its_audit_log(
        self, platform: Platform
    ) -> None:
        for status in ("suspended", "active"):
            await operate(platform, "set_status", slug="alpha", status=status)
        await operate(platform, "set_plan", slug="alpha", plan="starter")
        await operate(platform, "delete_tenant", slug="alpha")
        await operate(platform, "restore_tenant", slug="alpha")

        entries = (await platform.call("alpha", "kernel:audit.list")).data
        assert [(one.operation, one.actor_name) for one in entries[:5]] == [
            (f"kernel:platform.{name}", "Operator")
            for name in ("restore_tenant", "delete_tenant", "set_plan", "set_status", "set_status")
        ]
        assert (
            (await platform.call("beta", "kernel:audit.list"))
            .data[0]
            .operation.startswith("kernel:member")
        )

    async def test_only_the_platforms_administrators_may(self, platform: Platform) -> None:
        owner = platform.http("alpha", role="owner", by="session")

        for method, path in (
            ("POST", "/api/v1/platform/tenants/alpha/status"),
            ("POST", "/api/v1/platform/tenants/alpha/plan"),
            ("POST", "/api/v1/platform/tenants/alpha/restore"),
            ("DELETE", "/api/v1/platform/tenants/alpha"),
            ("POST", "/api/v1/platform/tenants"),
        ):
            answer = await owner.request(method, path, json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied"), path


# ── deleting and restoring ──────────────────────────────────────────────────────────────────────────────────────────


class TestDeleting:
    async def test_it_is_gone_at_once_under_every_name_and_in_every_worker(
        self, platform: Platform
    ) -> None:
        alpha = platform.tenant("alpha")
        async with platform.sql("admin") as connection:
            await connection.execute(
                "insert into kernel.tenant_domains (tenant_id, domain, verified_at) values ($1, 'www.alpha.example', now())",
                alpha.id,
            )
        worker = await platform.another_worker()
        for process in (platform, worker):
            assert set((await by_every_name(process)).values()) == {200}
        heard = hears(worker.kernel)

        await operate(platform, "delete_tenant", slug="alpha")

        assert set((await by_every_name(platform)).values()) == {404}
        await wait_for(heard)
        assert set((await by_every_name(worker)).values()) == {404}
        beta = platform.tenant("beta").people["owner"].key
        answer = await worker.http(None, None, headers={"X-Api-Key": beta}).get("/api/v1/tenant")
        assert answer.status_code == 200

    async def test_restoring_brings_everything_back(
        self, platform_factory: PlatformFactory, tmp_path: Path
    ) -> None:
        platform = await platform_factory(plugins=[write_carpool(tmp_path)])
        made = await platform.call("alpha", "acme.carpool:ride.create", {"name": "Bus", "seats": 8})
        before = await rows_of(platform, platform.tenant("alpha").id)

        await operate(platform, "delete_tenant", slug="alpha")
        platform.clock.advance(days=29, hours=23)
        await Scheduler(platform.kernel).chores()
        await operate(platform, "restore_tenant", slug="alpha")

        after = await rows_of(platform, platform.tenant("alpha").id)
        log, itself = ("main", "kernel.audit_entries"), ("main", "kernel.tenants")
        assert before.pop(log) < after.pop(log), "that it was deleted and restored is in the log"
        assert before.pop(itself) != after.pop(itself), "its version rose"
        assert before == after
        # Back to when the sessions had not run out.
        platform.clock.advance(days=-29, hours=-23)
        assert set((await by_every_name(platform, domain=False)).values()) == {200}
        ride = await platform.call("alpha", "acme.carpool:ride.read", {"id": str(made.id)})
        assert ride == made

    async def test_after_thirty_days_it_cannot_be_restored(self, platform: Platform) -> None:
        await operate(platform, "delete_tenant", slug="alpha")
        platform.clock.advance(days=30, seconds=1)

        assert (
            await code_of(operate(platform, "restore_tenant", slug="alpha")) == "restore_too_late"
        )

    async def test_while_it_can_come_back_its_slug_is_taken(self, platform: Platform) -> None:
        await operate(platform, "delete_tenant", slug="alpha")
        assert await code_of(create(platform, "alpha", owner_email="owner@beta.test")) != "ok"

        platform.clock.advance(days=31)
        await Scheduler(platform.kernel).chores()

        assert await code_of(create(platform, "alpha", owner_email="owner@beta.test")) == "ok"

    @pytest.mark.parametrize("operation", ["delete_tenant", "restore_tenant", "set_status"])
    async def test_a_tenant_that_never_was_is_unknown(
        self, platform: Platform, operation: str
    ) -> None:
        more = {"status": "suspended"} if operation == "set_status" else {}

        assert (
            await code_of(operate(platform, operation, slug="nobody", **more)) == "tenant_unknown"
        )


async def by_every_name(platform: Platform, *, domain: bool = True) -> dict[str, int]:
    """The status its owner is answered for alpha, by each way to name a tenant."""
    alpha = platform.tenant("alpha")
    session = {"Authorization": f"Bearer {alpha.people['owner'].session}"}
    ways: dict[str, tuple[str, dict[str, str]]] = {
        "slug": (f"{BASE_URL}/api/v1/tenant", {**session, "X-Tenant-ID": "alpha"}),
        "id": (f"{BASE_URL}/api/v1/tenant", {**session, "X-Tenant-ID": str(alpha.id)}),
        "path": (f"{BASE_URL}/api/v1/tenants/alpha/members", session),
        "host": ("http://alpha.trophenix.test/api/v1/tenant", session),
        "key": (f"{BASE_URL}/api/v1/tenant", {"X-Api-Key": alpha.people["owner"].key}),
    }
    if domain:
        ways["domain"] = ("http://www.alpha.example/api/v1/tenant", session)
    client = platform.http(None, None)
    return {
        way: (await client.get(url, headers=headers)).status_code
        for way, (url, headers) in ways.items()
    }


# ── purging ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Rows = dict[tuple[str, str], frozenset[str]]


async def rows_of(platform: Platform, tenant: UUID | None) -> Rows:
    """Every row of a tenant, or of all, in every table of every schema and cluster that has a ``tenant_id``; and the tenant."""
    found: Rows = {}
    for cluster in platform.databases.admin:
        async with platform.sql("admin", cluster=cluster) as connection:
            tables = await connection.fetch(
                "select c.oid::regclass::text as name from pg_class c join pg_attribute a on a.attrelid = c.oid"
                " where c.relkind = 'r' and a.attname = 'tenant_id' and not a.attisdropped"
                " and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')"
            )
            for (table,) in tables:
                rows = await connection.fetch(
                    f"select cast(t as text) from {table} t where $1::uuid is null or tenant_id = $1",
                    tenant,
                )
                found[cluster, table] = frozenset(row[0] for row in rows)
            rows = await connection.fetch(
                "select cast(t as text) from kernel.tenants t where $1::uuid is null or id = $1",
                tenant,
            )
            found[cluster, "kernel.tenants"] = frozenset(row[0] for row in rows)
    return found


async def fill(platform: Platform, tenant: UUID, *, own: str) -> None:
    """The tenant has rows in every table, those of its own cluster included."""
    soon = datetime(2099, 1, 1, tzinfo=UTC)
    one = new_id()
    in_main = {
        "tenant_domains (tenant_id, domain) values ($1, $2)": [f"{tenant}.example"],
        "grants (tenant_id, id, subject_kind, subject, permission) values ($1, $2, 'role', 'member', 'kernel:*')": [
            one
        ],
        "quota_windows (tenant_id, subject, starts_at, used) values ($1, 'tenant', $2, 1)": [soon],
    }
    in_own = {
        "limits_used (tenant_id, name, used) values ($1, 'acme.carpool:rides', 1)": [],
        "outbox (tenant_id, id, plugin_id, name, version, aggregate, payload, occurred_at, request_id)"
        " values ($1, $2, 'acme.carpool', 'ride.offered', 1, '', '{}', now(), '')": [one],
        "idempotency_keys (tenant_id, actor_id, key, fingerprint, expires_at) values ($1, $2, 'k', '', $3)": [
            one,
            soon,
        ],
        "usage_daily (tenant_id, day, operation, requests, errors, duration_us) values ($1, '2026-01-01', 'x', 1, 0, 1)": [],
        "jobs (tenant_id, id, operation, input, actor, request_id) values ($1, $2, 'x', '{}', '{}', '')": [
            one
        ],
        "audit_entries (tenant_id, id, at, actor_kind, actor_id, actor_name, operation, door, request_id)"
        " values ($1, $2, now(), 'user', $2, '', 'x', 'http', '')": [one],
    }
    async with platform.sql("admin") as connection:
        for statement, arguments in in_main.items():
            await connection.execute(f"insert into kernel.{statement}", tenant, *arguments)
    async with platform.sql("admin", cluster=own) as connection:
        for statement, arguments in in_own.items():
            await connection.execute(
                f"insert into kernel.{statement} on conflict do nothing", tenant, *arguments
            )
        for schema, statement in (
            ("plugin_acme_carpool", "rides (tenant_id, id, name, seats) values ($1, $2, 'Bus', 4)"),
            (
                "plugin_acme_carpool",
                "passengers (tenant_id, id, ride_id, name) values ($1, $2, $2, 'Ana')",
            ),
            ("plugin_other_lunch", "bookings (tenant_id, id, place) values ($1, $2, 'Soup')"),
        ):
            await connection.execute(f"insert into {schema}.{statement}", tenant, one)


class TestPurging:
    @pytest.mark.parametrize(("slug", "own"), [("alpha", "main"), ("beta", "second")])
    async def test_every_row_goes_and_nobody_elses(
        self, platform_factory: PlatformFactory, tmp_path: Path, slug: str, own: str
    ) -> None:
        plugins = [write_carpool(tmp_path), write_lunch(tmp_path)]
        platform = await platform_factory(plugins=plugins, clusters=2)
        gone = platform.tenant(slug).id
        await fill(platform, platform.tenant("alpha").id, own="main")
        await fill(platform, platform.tenant("beta").id, own="second")
        full = await rows_of(platform, gone)
        with_rows = {table for (_, table), rows in full.items() if rows}
        assert with_rows == {table for _, table in full}, "a table without a row proves nothing"
        await operate(platform, "delete_tenant", slug=slug)
        deleted = await rows_of(platform, gone)
        everything = await rows_of(platform, None)
        scheduler = Scheduler(platform.kernel)

        platform.clock.advance(days=29, hours=23, minutes=59)
        await scheduler.chores()
        assert await rows_of(platform, gone) == deleted

        platform.clock.advance(minutes=2)
        await scheduler.chores()

        assert {place for place, rows in (await rows_of(platform, gone)).items() if rows} == set()
        left = await rows_of(platform, None)
        assert left == {place: rows - deleted[place] for place, rows in everything.items()}

    async def test_people_stay_and_so_do_their_other_tenants(self, platform: Platform) -> None:
        other = await create(platform)
        await operate(platform, "delete_tenant", slug="alpha")
        platform.clock.advance(days=31)

        await Scheduler(platform.kernel).chores()

        assert await code_of(platform.call("alpha", "kernel:tenant.read")) == "tenant_not_found"
        person = platform.tenant("alpha").people["owner"]
        user = await platform.kernel.credentials.user(person.id)
        assert user is not None
        assert user.status == "active"
        memberships = await platform.kernel.credentials.memberships(person.id)
        assert [one.tenant_id for one in memberships] == [other.id]

    async def test_a_branch_of_the_tree_goes_from_its_leaves(self, platform: Platform) -> None:
        for slug, parent in (("trunk", None), ("branch", "trunk"), ("leaf", "branch")):
            await create(platform, slug, parent=parent)
        for slug in ("leaf", "branch", "trunk"):
            await operate(platform, "delete_tenant", slug=slug)
        platform.clock.advance(days=31)

        await Scheduler(platform.kernel).chores()

        async with platform.sql("admin") as connection:
            left = await connection.fetch("select slug from kernel.tenants order by slug")
        assert [row[0] for row in left] == ["alpha", "beta"]

    async def test_a_tenant_that_is_there_cannot_be_purged(self, platform: Platform) -> None:
        before = await rows_of(platform, None)
        platform.clock.advance(days=365)

        await Scheduler(platform.kernel).chores()

        assert await rows_of(platform, None) == before


TABLES: Final = st.lists(
    st.tuples(st.sampled_from(["kernel", "plugin_a", "plugin_b"]), st.sampled_from("pqrstu")),
    unique=True,
)


class TestOrder:
    @given(st.data())
    def test_every_table_comes_after_all_that_refer_to_it(self, data: st.DataObject) -> None:
        """In whatever order the tables are given, and across schemas."""
        names = [f"{schema}.{name}" for schema, name in data.draw(TABLES)]
        # A table refers only to those before it, so there is no ring; it may refer to itself.
        referring = {
            name: data.draw(st.lists(st.sampled_from(names[place:]), unique=True), label=name)
            for place, name in enumerate(names)
        }
        tables = [
            TenantTable(*name.split("."), referred_to_by=referring[name])
            for name in data.draw(st.permutations(names))
        ]

        ordered = [table.full_name for table in in_order(tables)]

        assert sorted(ordered) == sorted(names)
        for name, others in referring.items():
            assert all(ordered.index(other) <= ordered.index(name) for other in others)

    @given(st.data())
    def test_a_ring_ends_and_loses_no_table(self, data: st.DataObject) -> None:
        names = [f"{schema}.{name}" for schema, name in data.draw(TABLES)]
        tables = [
            TenantTable(
                *name.split("."),
                referred_to_by=data.draw(st.lists(st.sampled_from(names), unique=True)),
            )
            for name in names
        ]

        assert sorted(table.full_name for table in in_order(tables)) == sorted(names)


# ── the tree ────────────────────────────────────────────────────────────────────────────────────────────────────────


class TestTree:
    async def test_a_parent_must_exist(self, platform: Platform) -> None:
        assert await code_of(create(platform, "lost", parent="nowhere")) == "parent_unknown"
        assert await code_of(operate(platform, "delete_tenant", slug="lost")) == "tenant_unknown"

    async def test_a_deleted_parent_takes_no_children_whatever_a_worker_remembers(
        self, platform: Platform
    ) -> None:
        parent = (await create(platform)).slug
        remembered = await platform.kernel.directory.by_slug(parent)
        assert remembered is not None
        await operate(platform, "delete_tenant", slug=parent)
        assert await code_of(create(platform, parent=parent)) == "parent_unknown"

        # A worker that the announcement has not reached yet.
        kept = platform.kernel.directory._by_slug  # pyright: ignore[reportPrivateUsage]
        kept._kept[parent] = remembered  # pyright: ignore[reportPrivateUsage]

        assert await code_of(create(platform, "late", parent=parent)) == "parent_unknown"
        assert await code_of(operate(platform, "delete_tenant", slug="late")) == "tenant_unknown"

    async def test_who_stands_above_may_below_and_not_the_reverse(self, platform: Platform) -> None:
        for slug, parent in (("child", "alpha"), ("grandchild", "child")):
            await create(platform, slug, parent=parent, owner_email="owner@beta.test")

        for slug in ("child", "grandchild"):
            for role in ("owner", "admin", "viewer"):
                assert await seen_by(platform, role, slug) == (200, "ok"), (role, slug)
            assert await seen_by(platform, "owner", slug, "beta") == (200, "ok")
            assert await seen_by(platform, "member", slug, "beta") == (404, "tenant_not_found")
        assert await seen_by(platform, "owner", "alpha", "beta") == (404, "tenant_not_found")

    async def test_a_role_above_is_no_more_below(self, platform: Platform) -> None:
        await create(platform, "child", parent="alpha", owner_email="owner@beta.test")
        for role, status in (("admin", 200), ("viewer", 403)):
            person = platform.tenant("alpha").people[role]
            client = platform.http(
                None,
                None,
                headers={"Authorization": f"Bearer {person.session}", "X-Tenant-ID": "child"},
            )
            answer = await client.patch("/api/v1/tenant", json={"name": f"By {role}"})
            assert answer.status_code == status

    async def test_what_stands_below_is_counted(self, platform: Platform) -> None:
        async def below() -> int:
            return (await platform.call("alpha", "kernel:tenant.stats")).tenants_below

        assert await below() == 0
        for slug, parent in (("one", "alpha"), ("two", "alpha"), ("three", "two")):
            await create(platform, slug, parent=parent)
        assert await below() == 3
        await operate(platform, "delete_tenant", slug="three")
        assert await below() == 2

    async def test_it_is_deleted_from_below_and_restored_from_above(
        self, platform: Platform
    ) -> None:
        async def do(operation: str, slug: str) -> str:
            return await code_of(operate(platform, f"{operation}_tenant", slug=slug))

        await create(platform, "trunk")
        await create(platform, "branch", parent="trunk")
        await create(platform, "leaf", parent="branch")

        assert await do("delete", "trunk") == "tenant_has_tenants_below"
        assert await do("delete", "branch") == "tenant_has_tenants_below"
        for slug in ("leaf", "branch", "trunk"):
            assert await do("delete", slug) == "ok"
        assert await do("restore", "leaf") == "parent_deleted"
        assert await do("restore", "branch") == "parent_deleted"
        for slug in ("trunk", "branch", "leaf"):
            assert await do("restore", slug) == "ok"

    async def test_deleting_above_and_creating_below_at_once_leave_no_orphan(
        self, platform: Platform
    ) -> None:
        worker = await platform.another_worker()
        for turn in range(8):
            parent = (await create(platform)).slug
            assert await worker.kernel.directory.by_slug(parent) is not None
            codes = await asyncio.gather(
                code_of(operate(platform, "delete_tenant", slug=parent)),
                code_of(create(worker, f"orphan-{turn}", parent=parent)),
            )
            assert codes in (["ok", "parent_unknown"], ["tenant_has_tenants_below", "ok"])

    async def test_a_tenant_keeps_its_place(self, platform: Platform) -> None:
        child = await create(platform, parent="alpha")

        async with platform.sql("admin") as connection:
            for change in ("parent_id = null", "ancestors = '{}'"):
                with pytest.raises(Exception, match="keeps its parent"):
                    await connection.execute(
                        f"update kernel.tenants set {change} where id = $1", child.id
                    )


# ── changing it ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def patch(platform: Platform) -> Callable[..., Awaitable[Any]]:
    owner = platform.http("alpha", role="owner")

    async def send(body: dict[str, Any], version: object = None) -> Any:
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return await owner.patch("/api/v1/tenant", json=body, headers=headers)

    return send


Patch = Callable[..., Awaitable[Any]]


class TestChanging:
    async def test_with_the_version_that_was_read_it_changes(
        self, platform: Platform, patch: Patch
    ) -> None:
        owner = platform.http("alpha", role="owner")
        read = await owner.get("/api/v1/tenant")
        version = read.json()["version"]
        assert read.headers["etag"] == f'"{version}"'

        changed = await patch({"name": "Alpha & Sons", "locale": "fr"}, version)

        assert changed.status_code == 200
        assert changed.headers["etag"] == f'"{version + 1}"'
        assert (await owner.get("/api/v1/tenant")).json() == changed.json()
        expected = {**read.json(), "name": "Alpha & Sons", "locale": "fr", "version": version + 1}
        assert changed.json() == expected

    async def test_with_an_older_one_nothing_does(self, platform: Platform, patch: Patch) -> None:
        version = (await patch({"name": "One"})).json()["version"]

        refused = await patch({"name": "Two"}, version - 1)

        assert (refused.status_code, refused.json()["code"]) == (412, "version_mismatch")
        assert (await platform.call("alpha", "kernel:tenant.read")).name == "One"

    async def test_of_two_who_read_the_same_one_changes(
        self, platform: Platform, patch: Patch
    ) -> None:
        version = (await platform.call("alpha", "kernel:tenant.read")).version

        answers = await asyncio.gather(*(patch({"name": f"No. {n}"}, version) for n in range(4)))

        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]

    @pytest.mark.parametrize("version", ["x", "", "-1", "9" * 30])
    async def test_a_version_that_is_none_is_refused(self, patch: Patch, version: str) -> None:
        assert (await patch({"name": "X"}, version)).status_code == 412

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"time_zone": "Mars/Olympus"}, "/time_zone"),
            ({"currency": "euro"}, "/currency"),
            ({"locale": "French"}, "/locale"),
            ({"type": "club"}, "/type"),
            ({"name": ""}, "/name"),
            ({"name": "x" * 201}, "/name"),
        ],
    )
    async def test_what_no_tenant_can_be_is_refused(
        self, patch: Patch, body: dict[str, Any], pointer: str
    ) -> None:
        refused = await patch(body)

        assert refused.status_code == 422
        assert [one["pointer"] for one in refused.json()["errors"]] == [pointer]

    async def test_what_is_not_its_owners_to_change_stays(
        self, platform: Platform, patch: Patch
    ) -> None:
        before = await platform.call("alpha", "kernel:tenant.read")

        await patch({"slug": "omega", "plan": "custom", "status": "cancelled"})

        after = await platform.call("alpha", "kernel:tenant.read")
        assert (after.slug, after.plan, after.status) == (before.slug, before.plan, before.status)
        assert timedelta() == after.created_at - before.created_at
