"""Whoever asks, whatever for and wherever: every door comes to the same decision, and it is the one the rules demand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Request

from trophenix_kernel.demo import run_as
from trophenix_kernel.identity.model import Identity
from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.web.desk.visit import Visit
from trophenix_kernel.web.recognition import SESSION_COOKIE, Recognition
from trophenix_kernel.worker import Worker
from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.ids import new_id
from trophenix_sdk.permissions import ROLES
from trophenix_testing.platform import BASE_URL, Platform
from trophenix_testing.scene import Person

WORKSHOP: Final = "acme.workshop"
OPERATIONS: Final = (
    f"{WORKSHOP}:thing.list",
    f"{WORKSHOP}:thing.secret",
    f"{WORKSHOP}:thing.nobodys",
    f"{WORKSHOP}:thing.hidden",
    "kernel:tenant.read",
    "kernel:member.list",
    "kernel:audit.list",
    "kernel:usage.list",
    "kernel:account.me",
    "kernel:platform.tenants",
)
PATTERNS: Final = (
    f"{WORKSHOP}:thing.read",
    f"{WORKSHOP}:thing.write",
    f"{WORKSHOP}:thing.special",
    f"{WORKSHOP}:*",
    f"{WORKSHOP}:thing.*",
    "kernel:member.*",
    "kernel:audit.read",
    "kernel:*",
)
LEAST_ROLE: Final = {
    f"{WORKSHOP}:thing.read": "viewer",
    f"{WORKSHOP}:thing.write": "member",
    f"{WORKSHOP}:thing.special": None,
    "kernel:tenant.read": "guest",
    "kernel:member.read": "viewer",
    "kernel:audit.read": "admin",
    "kernel:usage.read": "manager",
}


class Grant(msgspec.Struct, frozen=True):
    subject: str
    """A role, or ``me`` for the person who asks."""
    permission: str
    effect: str


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One question to every door."""

    role: str | None
    """A role in alpha, ``operator``, ``stranger``, ``neighbour`` (beta's owner) or nobody."""
    by_key: bool
    scopes: tuple[str, ...]
    status: str
    plugin: str | None
    grants: tuple[Grant, ...]
    operation: str


GRANTS: Final = st.builds(
    Grant,
    subject=st.sampled_from([*ROLES[1:], "me"]),
    permission=st.sampled_from(PATTERNS),
    effect=st.sampled_from(["allow", "deny"]),
)
CASES: Final = st.builds(
    Case,
    role=st.sampled_from(
        ["owner", "admin", "manager", "member", "viewer", "neighbour", "stranger", "operator", None]
    ),
    by_key=st.booleans(),
    scopes=st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True).map(tuple),
    status=st.sampled_from(["active", "active", "active", "trial", "suspended", "cancelled"]),
    plugin=st.sampled_from(["ENABLED", "ENABLED", "ENABLED", "DISABLED", "CONSENT_NEEDED", None]),
    grants=st.lists(
        GRANTS, max_size=3, unique_by=lambda grant: (grant.subject, grant.permission)
    ).map(tuple),
    operation=st.sampled_from(OPERATIONS),
)


class Doors:
    """Every way to ask the workshop's platform for something."""

    def __init__(self, platform: Platform, admin: Any) -> None:
        self.platform = platform
        self.kernel = platform.kernel
        self.admin = admin
        self.recognition: Recognition = recognition_of(platform.kernel)
        self.worker = Worker(platform.kernel, self.recognition)
        self.alpha = platform.tenant("alpha")

    async def arrange(self, case: Case) -> None:
        """The database is in the case's state, and nothing older is remembered."""
        person = self.person(case)
        await self.admin.execute(
            "update kernel.tenants set status = $1 where slug = 'alpha'", case.status
        )
        await self.admin.execute(
            "delete from kernel.activations where tenant_id = $1", self.alpha.id
        )
        if case.plugin is not None:
            await self.admin.execute(
                "insert into kernel.activations (tenant_id, plugin_id, state, version) values ($1, $2, $3, '1')",
                self.alpha.id,
                WORKSHOP,
                case.plugin,
            )
        await self.admin.execute("delete from kernel.grants")
        for grant in case.grants:
            mine = grant.subject == "me"
            if mine and person is None:
                continue
            await self.admin.execute(
                "insert into kernel.grants (tenant_id, id, subject_kind, subject, permission, effect) values ($1, $2, $3, $4, $5, $6)",
                self.alpha.id,
                new_id(),
                "user" if mine else "role",
                str(person.id) if mine and person else grant.subject,
                grant.permission,
                grant.effect,
            )
        await self.admin.execute("update kernel.api_keys set scopes = $1", list(case.scopes))
        self.kernel.changes.forget_all()

    def person(self, case: Case) -> Person | None:
        if case.role == "neighbour":
            return self.platform.person("beta", "owner")
        return self.platform.person("alpha", case.role)

    async def identity(self, case: Case) -> Identity | None:
        person = self.person(case)
        if person is None:
            return None
        if case.by_key and person.key:
            return await self.kernel.credentials.of_key(person.key)
        return await self.kernel.credentials.of_session(person.session)

    async def ask_all(self, case: Case) -> dict[str, str]:
        """What each door answers: ``ok`` or the refusal's code."""
        person = self.person(case)
        by_key = bool(case.by_key and person and person.key)
        answers = {"job": await self.job(case)}
        if case.plugin == "ENABLED" and case.status in {"active", "trial"}:
            # The operation that calls belongs to the workshop: where that is off, nobody gets as far as calling.
            answers["call inside a reading or writing operation"] = await self.nested(
                case, by_key=by_key
            )
        shown = [
            {"Authorization": f"Bearer {person.key if by_key else person.session}"}
            if person
            else {}
        ]
        if person and not by_key:
            shown.append(
                {"Cookie": f"{SESSION_COOKIE}={person.session}", "Sec-Fetch-Site": "same-origin"}
            )
            answers["panel"] = await self.panel(case, person)
            answers["command line"] = await self.command_line(case, person)
        if by_key and person:
            shown.append({"X-Api-Key": person.key})
        for headers in shown:
            way = f"HTTP {next(iter(headers), 'nothing')}"
            answers |= {
                f"{way} {name}": code for name, code in (await self.http(case, headers)).items()
            }
            if by_key and case.role != "neighbour":
                answers[f"{way} key only"] = await self.post(BASE_URL, "", case.operation, headers)
        return answers

    async def http(self, case: Case, shown: dict[str, str]) -> dict[str, str]:
        addressed = {
            "slug": {"X-Tenant-ID": "alpha"},
            "id": {"X-Tenant-ID": str(self.alpha.id)},
        }
        answers: dict[str, str] = {}
        for name, header in addressed.items():
            answers[f"generic, {name} in the header"] = await self.post(
                BASE_URL, "", case.operation, {**shown, **header}
            )
        answers["generic, path"] = await self.post(
            BASE_URL, "/tenants/alpha", case.operation, shown
        )
        for host in ("alpha.trophenix.test", "www.alpha.example"):
            # A key says its tenant itself, which counts for more than the host.
            if case.role == "neighbour" and case.by_key:
                continue
            answers[f"generic, {host}"] = await self.post(
                f"http://{host}", "", case.operation, shown
            )
        route = self.kernel.registry.named(case.operation).operation.http
        if route is not None:
            client = self.platform.http(None, None)
            for name, prefix, header in (
                ("header", "", {"X-Tenant-ID": "alpha"}),
                ("path", "/tenants/alpha", {}),
            ):
                answer = await client.request(
                    route.method, f"/api/v1{prefix}{route.path}", headers={**shown, **header}
                )
                answers[f"route, {name}"] = code_of(answer)
        return answers

    async def post(
        self, base_url: str, prefix: str, operation: str, headers: dict[str, str]
    ) -> str:
        client = self.platform.http(None, None, base_url=base_url)
        return code_of(
            await client.post(f"/api/v1{prefix}/operations/{operation}", headers=headers)
        )

    async def nested(self, case: Case, *, by_key: bool) -> str:
        person = self.person(case)
        bound = self.kernel.registry.named(case.operation)
        outer = f"{WORKSHOP}:probe.{'read' if bound.reads else 'write'}"
        headers = {"X-Tenant-ID": "alpha"}
        if person:
            headers["Authorization"] = f"Bearer {person.key if by_key else person.session}"
        client = self.platform.http(None, None)
        return code_of(
            await client.post(
                f"/api/v1/operations/{outer}", json={"operation": case.operation}, headers=headers
            )
        )

    async def panel(self, case: Case, person: Person) -> str:
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": "/admin/alpha",
            "query_string": b"",
            "headers": [(b"cookie", f"{SESSION_COOKIE}={person.session}".encode())],
            "client": None,
            "litestar_app": self.platform.app._otherwise,
        }
        visit = await Visit.of(Request(scope), "alpha")
        allowed = visit.can(case.operation)
        code = await refusal_of(visit.call(case.operation))
        assert allowed == (code == "ok"), "what a page shows as possible is what is allowed"
        return code

    async def command_line(self, case: Case, person: Person) -> str:
        user = await self.kernel.credentials.user(person.id)
        assert user is not None
        return await refusal_of(
            run_as(self.kernel, self.recognition, user, "alpha", case.operation, {})
        )

    async def job(self, case: Case) -> str:
        identity = await self.identity(case)
        actor = msgspec.json.encode(identity).decode() if identity else "{}"
        job = new_id()
        await self.admin.execute(
            "insert into kernel.jobs (tenant_id, id, operation, input, actor, status, attempts, request_id, run_at)"
            " values ($1, $2, $3, '{}', cast($4::text as jsonb), 'running', 1, 'doors', 'infinity')",
            self.alpha.id,
            job,
            case.operation,
            actor,
        )
        await self.worker.run_job(
            "main",
            {
                "tenant_id": str(self.alpha.id),
                "id": str(job),
                "operation": case.operation,
                "input": {},
                "actor": msgspec.json.decode(actor),
                "attempt": 1,
                "request_id": "doors",
            },
        )
        row = await self.admin.fetchrow(
            "select status, problem ->> 'code' from kernel.jobs where id = $1", job
        )
        return "ok" if row[0] == "succeeded" else row[1]


def code_of(answer: Any) -> str:
    return "ok" if answer.is_success else answer.json()["code"]


async def refusal_of(asked: Any) -> str:
    try:
        await asked
    except TrophenixError as error:
        return error.reason
    return "ok"


def demanded(case: Case, permission: str | None, scope: str, me: UUID | None) -> str:
    """What the rules say, written down once more without the platform's code."""
    if me is None:
        return "unauthenticated"
    if scope == "platform":
        # A key acts in its tenant and never for the platform.
        return "ok" if permission is None or (case.role == "operator") else "permission_denied"
    if case.role in {"stranger", "operator", "neighbour"}:
        return "tenant_not_found"
    if case.status in {"suspended", "cancelled"}:
        return "tenant_unavailable"
    if case.operation.startswith(WORKSHOP) and case.plugin != "ENABLED":
        return "plugin_not_enabled"
    if permission is None or permission not in LEAST_ROLE:
        return "permission_denied"
    rank = ROLES.index(case.role)  # pyright: ignore[reportArgumentType]
    least = LEAST_ROLE[permission]
    held = least is not None and rank <= ROLES.index(least)
    for grant in case.grants:
        if not fnmatchcase(permission, grant.permission):
            continue
        if grant.effect == "allow" and (
            grant.subject == "me" or rank <= ROLES.index(grant.subject)
        ):
            held = True
    for grant in case.grants:
        if (
            fnmatchcase(permission, grant.permission)
            and grant.effect == "deny"
            and grant.subject in {"me", case.role}
        ):
            held = False
    if (
        case.by_key
        and case.scopes
        and not any(fnmatchcase(permission, pattern) for pattern in case.scopes)
    ):
        held = False
    return "ok" if held else "permission_denied"


@pytest.fixture
async def doors(workshop: Platform) -> AsyncIterator[Doors]:
    async with workshop.sql("admin") as connection:
        await connection.execute(
            "insert into kernel.tenant_domains (tenant_id, domain, verified_at) values ($1, 'www.alpha.example', now())",
            workshop.tenant("alpha").id,
        )
        yield Doors(workshop, connection)


@given(case=CASES)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_every_door_comes_to_the_decision_that_the_rules_demand(
    doors: Doors, case: Case
) -> None:
    await doors.arrange(case)
    bound = doors.kernel.registry.named(case.operation)
    person = doors.person(case)
    expected = demanded(
        case, bound.permission, bound.operation.scope, person.id if person else None
    )

    answers = await doors.ask_all(case)

    assert {door: code for door, code in answers.items() if code != expected} == {}, expected


async def test_a_person_whose_account_is_closed_is_refused_at_every_door(doors: Doors) -> None:
    case = Case(
        role="admin",
        by_key=False,
        scopes=(),
        status="active",
        plugin="ENABLED",
        grants=(),
        operation="kernel:tenant.read",
    )
    await doors.arrange(case)
    identity = await doors.identity(case)
    await doors.admin.execute(
        "update kernel.users set status = 'disabled' where email = 'admin@alpha.test'"
    )
    doors.kernel.changes.forget_all()
    person = doors.person(case)
    assert identity is not None
    assert person is not None

    answers = {
        "session": await doors.post(
            BASE_URL,
            "/tenants/alpha",
            case.operation,
            {"Authorization": f"Bearer {person.session}"},
        ),
        "key": await doors.post(
            BASE_URL, "", case.operation, {"Authorization": f"Bearer {person.key}"}
        ),
        "panel": await doors.panel(case, person),
        "command line": await doors.command_line(case, person),
    }

    assert set(answers.values()) == {"unauthenticated"}, answers
