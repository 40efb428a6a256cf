"""Rights follow memberships: down the tree, never up or sideways, until they end or are taken, in every worker at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.web.recognition import Seen
from trophenix_sdk.ids import new_id
from trophenix_sdk.permissions import ROLES
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.scene import PASSWORD

MEMBERS: Final = "/api/v1/members"
GRANTS: Final = "/api/v1/grants"
Reading = Callable[..., Awaitable[int]]


@pytest.fixture
async def bare(platform_factory: PlatformFactory) -> Platform:
    """A platform without plugins."""
    return await platform_factory(plugins=[])


async def read(platform: Platform, token: str, tenant: str, path: str = "tenant") -> int:
    client = platform.http(
        None, None, headers={"Authorization": f"Bearer {token}", "X-Tenant-ID": tenant}
    )
    return (await client.get(f"/api/v1/{path}")).status_code


async def join(platform: Platform, added: httpx.Response) -> None:
    """The stranger accepts the invitation they were handed."""
    assert added.status_code == 201, added.text
    word = added.json()["invitation"].rpartition("/")[2]
    given = {"invitation": word, "password": PASSWORD}
    answer = await platform.http(None, None).post("/api/v1/auth/accept", json=given)
    assert answer.status_code == 200, answer.text


async def grow(platform: Platform, slug: str, parent: str | None) -> UUID:
    """A tenant owned by beta's owner."""
    made = await platform.call(
        None,
        "kernel:platform.create_tenant",
        {
            "slug": slug,
            "name": slug,
            "owner_email": "owner@beta.test",
            "parent": parent,
            "plan": "custom",
        },
        role="operator",
    )
    return made.id


async def test_a_role_above_holds_below_and_never_sideways_or_upward(bare: Platform) -> None:
    for slug, parent in (("left", "alpha"), ("right", "alpha"), ("leaf", "left")):
        await grow(bare, slug, parent)
    bare.kernel.changes.forget_all()
    people = bare.tenant("alpha").people
    added = await bare.http(
        None,
        None,
        headers={
            "Authorization": f"Bearer {bare.tenant('beta').people['owner'].session}",
            "X-Tenant-ID": "left",
        },
    ).post(MEMBERS, json={"email": "stranger@nowhere.test", "role": "admin"})
    await join(bare, added)
    bare.kernel.changes.forget_all()
    stranger = bare.scene.stranger.session

    above = {
        tenant: await read(bare, people["viewer"].session, tenant)
        for tenant in ("alpha", "left", "right", "leaf", "beta")
    }
    left = {
        tenant: await read(bare, stranger, tenant)
        for tenant in ("alpha", "left", "right", "leaf", "beta")
    }

    assert added.status_code == 201, added.text
    assert above == {"alpha": 200, "left": 200, "right": 200, "leaf": 200, "beta": 404}
    assert left == {"alpha": 404, "left": 200, "right": 404, "leaf": 200, "beta": 404}
    assert await read(bare, people["viewer"].session, "leaf", "audit") == 403, (
        "the role stays the one it is above"
    )
    assert await read(bare, stranger, "leaf", "audit") == 200
    assert await read(bare, people["admin"].key, "leaf") == 404, "a key acts in its own tenant only"


@given(
    parents=st.lists(st.integers(-1, 6), min_size=3, max_size=7),
    member_at=st.integers(0, 6),
    role=st.sampled_from(ROLES[1:5]),
)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_in_any_tree_a_membership_reaches_exactly_what_is_below_it(
    bare: Platform, parents: list[int], member_at: int, role: str
) -> None:
    async with bare.sql("admin") as connection:
        await connection.execute(
            "delete from kernel.memberships where user_id = $1", bare.scene.stranger.id
        )
        await connection.execute("alter table kernel.tenants disable trigger user")
        await connection.execute("delete from kernel.tenants where slug like 'tree-%'")
        await connection.execute("alter table kernel.tenants enable trigger user")
        slugs = [f"tree-{number}" for number in range(len(parents))]
        ids: list[UUID] = []
        for number, parent in enumerate(parents):
            above = ids[parent % number] if parent >= 0 and number else None
            ids.append(new_id())
            await connection.execute(
                "insert into kernel.tenants (id, slug, name, parent_id, plan) values ($1, $2, $2, $3, 'custom')",
                ids[-1], slugs[number], above,
            )  # fmt: skip
        place = ids[member_at % len(ids)]
        await connection.execute(
            "insert into kernel.memberships (tenant_id, id, user_id, role) values ($1, $2, $3, $4)",
            place, new_id(), bare.scene.stranger.id, role,
        )  # fmt: skip
        parent_of = {
            row[0]: row[1]
            for row in await connection.fetch("select id, parent_id from kernel.tenants")
        }
    bare.kernel.changes.forget_all()

    def below(tenant: UUID | None) -> bool:
        return tenant is not None and (tenant == place or below(parent_of[tenant]))

    reached = {slug for slug in slugs if await read(bare, bare.scene.stranger.session, slug) == 200}

    assert reached == {slug for slug, tenant in zip(slugs, ids, strict=True) if below(tenant)}


async def test_a_guest_is_one_until_the_clock_says_otherwise(bare: Platform) -> None:
    owner = bare.http("alpha", "owner")
    ends = bare.clock.now() + timedelta(hours=2)

    endless = await owner.post(MEMBERS, json={"email": "stranger@nowhere.test", "role": "guest"})
    past = await owner.post(
        MEMBERS,
        json={
            "email": "stranger@nowhere.test",
            "role": "guest",
            "expires_at": "2020-01-01T00:00:00Z",
        },
    )
    added = await owner.post(
        MEMBERS,
        json={"email": "stranger@nowhere.test", "role": "guest", "expires_at": ends.isoformat()},
    )
    await join(bare, added)
    bare.kernel.changes.forget_all()
    token = bare.scene.stranger.session

    assert [answer.json()["errors"][0]["pointer"] for answer in (endless, past)] == [
        "/expires_at"
    ] * 2
    assert added.status_code == 201
    assert (await read(bare, token, "alpha"), await read(bare, token, "alpha", "members")) == (
        200,
        403,
    )
    bare.clock.advance(hours=1, minutes=59)
    assert await read(bare, token, "alpha") == 200
    bare.clock.advance(minutes=2)
    assert await read(bare, token, "alpha") == 404
    me = await bare.http(None, "stranger").get("/api/v1/me")
    assert me.json()["tenants"] == []


@pytest.mark.parametrize("change", ["remove", "suspend", "demote", "grant"])
async def test_a_taken_right_is_gone_in_every_worker(bare: Platform, change: str) -> None:
    other = await bare.another_worker()
    member = bare.tenant("alpha").people["admin"]
    assert await read(other, member.session, "alpha", "audit") == 200
    heard = asyncio.Event()
    other.kernel.changes.on(
        "grants" if change == "grant" else "memberships", lambda _key: heard.set()
    )
    owner = bare.http("alpha", "owner")

    address = f"{MEMBERS}/{member.member_id}"
    match change:
        case "remove":
            answer = await owner.delete(address)
        case "suspend":
            answer = await owner.patch(address, json={"status": "suspended"})
        case "demote":
            answer = await owner.patch(address, json={"role": "manager"})
        case _:
            answer = await owner.put(
                GRANTS,
                json={
                    "subject_kind": "user",
                    "subject": str(member.id),
                    "permission": "kernel:audit.read",
                    "effect": "deny",
                },
            )
    assert answer.is_success, answer.text
    await asyncio.wait_for(heard.wait(), 5)

    assert await read(other, member.session, "alpha", "audit") == (
        404 if change in {"remove", "suspend"} else 403
    )


class TestNobodyGoesAboveTheirOwn:
    async def test_roles(self, bare: Platform) -> None:
        people = bare.tenant("alpha").people
        admin, owner = bare.http("alpha", "admin"), bare.http("alpha", "owner")
        await owner.put(
            GRANTS,
            json={
                "subject_kind": "role",
                "subject": "manager",
                "permission": "kernel:member.manage",
            },
        )
        bare.kernel.changes.forget_all()
        manager = bare.http("alpha", "manager")

        refused = [
            await manager.post(MEMBERS, json={"email": "stranger@nowhere.test", "role": "admin"}),
            await manager.patch(f"{MEMBERS}/{people['member'].member_id}", json={"role": "admin"}),
            await manager.patch(f"{MEMBERS}/{people['admin'].member_id}", json={"role": "viewer"}),
            await manager.patch(
                f"{MEMBERS}/{people['admin'].member_id}", json={"status": "suspended"}
            ),
            await manager.delete(f"{MEMBERS}/{people['admin'].member_id}"),
            await admin.delete(f"{MEMBERS}/{people['owner'].member_id}"),
        ]
        fixed = [
            await admin.patch(
                f"{MEMBERS}/{people['owner'].member_id}", json={"status": "suspended"}
            ),
            await owner.delete(f"{MEMBERS}/{people['owner'].member_id}"),
            await owner.patch(f"{MEMBERS}/{people['owner'].member_id}", json={"role": "viewer"}),
        ]
        unknown = await owner.post(
            MEMBERS, json={"email": "stranger@nowhere.test", "role": "owner"}
        )

        assert [answer.status_code for answer in refused] == [403] * 6
        assert [(answer.status_code, answer.json()["code"]) for answer in fixed] == [
            (409, "owner_is_fixed")
        ] * 3
        assert unknown.status_code == 422
        assert (
            await manager.post(MEMBERS, json={"email": "stranger@nowhere.test", "role": "manager"})
        ).status_code == 201

    async def test_grants(self, bare: Platform) -> None:
        people = bare.tenant("alpha").people
        owner = bare.http("alpha", "owner")
        await owner.put(
            GRANTS,
            json={
                "subject_kind": "role",
                "subject": "manager",
                "permission": "kernel:grant.manage",
            },
        )
        bare.kernel.changes.forget_all()
        manager = bare.http("alpha", "manager")

        def grant(subject: Any, permission: str, effect: str = "allow") -> dict[str, Any]:
            return {
                "subject_kind": "role" if subject in ROLES else "user",
                "subject": str(subject),
                "permission": permission,
                "effect": effect,
            }

        refused = [
            await manager.put(GRANTS, json=grant("manager", "kernel:audit.read")),
            await manager.put(GRANTS, json=grant(people["manager"].id, "kernel:*")),
            await manager.put(GRANTS, json=grant("admin", "kernel:audit.read", "deny")),
            await manager.put(GRANTS, json=grant(people["admin"].id, "kernel:audit.read", "deny")),
        ]
        fixed = [
            await owner.put(GRANTS, json=grant("owner", "kernel:*", "deny")),
            await bare.http("alpha", "admin").put(
                GRANTS, json=grant(people["owner"].id, "kernel:*", "deny")
            ),
        ]
        senseless = [
            await owner.put(GRANTS, json=grant("viewer", "no.such:*")),
            await owner.put(GRANTS, json={**grant("viewer", "kernel:*"), "subject": "chief"}),
            await owner.put(GRANTS, json=grant(bare.scene.stranger.id, "kernel:*", "deny")),
            await owner.put(GRANTS, json=grant("not an id", "kernel:*", "deny")),
        ]

        assert [answer.status_code for answer in refused] == [403] * 4
        assert [answer.json()["code"] for answer in fixed] == ["owner_is_fixed"] * 2
        assert [answer.status_code for answer in senseless] == [422] * 4

    async def test_what_is_denied_to_viewers_stays_with_those_above(self, bare: Platform) -> None:
        owner = bare.http("alpha", "owner")
        denied = {
            "subject_kind": "role",
            "subject": "viewer",
            "permission": "kernel:*",
            "effect": "deny",
        }

        made = await owner.put(GRANTS, json=denied)
        bare.kernel.changes.forget_all()

        statuses = {
            role: (await bare.http("alpha", role).get("/api/v1/tenant")).status_code
            for role in ("owner", "member", "viewer")
        }
        assert statuses == {"owner": 200, "member": 200, "viewer": 403}
        assert (await owner.delete(f"{GRANTS}/{made.json()['id']}")).status_code == 204


class TestOneOwner:
    async def test_of_ten_who_would_own_a_tenant_at_once_one_does(self, bare: Platform) -> None:
        tenant = bare.tenant("alpha").id
        async with bare.sql("admin") as connection:
            await connection.execute(
                "delete from kernel.memberships where role = 'owner' and tenant_id = $1", tenant
            )
            people = [
                row[0]
                for row in await connection.fetch(
                    "select id from kernel.users where email like '%@beta.test'"
                )
            ]

        async def claim(user: UUID) -> bool:
            async with bare.sql("app", tenant="alpha") as connection:
                try:
                    await connection.execute(
                        "insert into kernel.memberships (id, user_id, role) values ($1, $2, 'owner')",
                        new_id(),
                        user,
                    )
                except asyncpg.UniqueViolationError:
                    return False
                return True

        assert sorted(await asyncio.gather(*map(claim, people))) == [False] * (len(people) - 1) + [
            True
        ]

    async def test_of_ten_tenants_of_one_name_made_at_once_one_is(self, bare: Platform) -> None:
        operator = bare.http(None, "operator")
        new = {"slug": "gamma", "name": "Gamma", "owner_email": "owner@beta.test"}

        answers = await asyncio.gather(
            *(operator.post("/api/v1/platform/tenants", json=new) for _ in range(10))
        )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        async with bare.sql("admin") as connection:
            owners = await connection.fetchval(
                "select count(*) from kernel.memberships m join kernel.tenants t on t.id = m.tenant_id"
                " where t.slug = 'gamma' and m.role = 'owner'"
            )
        assert owners == 1

    async def test_more_people_are_added_at_once_than_there_are_connections(
        self, bare: Platform
    ) -> None:
        owner = bare.http("alpha", "owner")

        answers = await asyncio.wait_for(
            asyncio.gather(
                *(
                    owner.post(MEMBERS, json={"email": f"new{number}@alpha.test", "role": "viewer"})
                    for number in range(12)
                )
            ),
            8,
        )

        assert {answer.status_code for answer in answers} == {201}, [
            answer.text for answer in answers
        ]


async def test_a_warm_worker_decides_without_the_database(workshop: Platform) -> None:
    recognition = recognition_of(workshop.kernel)
    person = workshop.tenant("alpha").people["member"]
    bound = workshop.kernel.registry.named("acme.workshop:thing.list")
    pool = workshop.kernel.clusters.main

    async def decide(shown: str, tenant: str) -> None:
        seen = Seen(
            bearer=shown, cookie="", tenant_word=tenant, host="trophenix.test", language="", ip=""
        )
        caller = await recognition.caller(seen, door="http", request_id="")
        await recognition.count(caller, "api")
        workshop.kernel.pipeline.decide(bound, caller)

    ways = [
        (person.key, ""),
        (person.key, "alpha"),
        (person.session, "alpha"),
        (person.session, str(workshop.tenant("alpha").id)),
    ]
    for way in ways:
        await decide(*way)
    before = pool.trips
    for way in ways * 10:
        await decide(*way)

    assert pool.trips == before
