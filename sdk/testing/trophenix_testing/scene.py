"""The people and tenants that every test finds, made through the platform's own operations."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_kernel.administration.keys import INSERT_KEY
from trophenix_kernel.administration.plugins import capabilities
from trophenix_kernel.composition import Kernel
from trophenix_kernel.identity import api_keys, passwords
from trophenix_kernel.identity.model import SESSION_DAYS, Identity
from trophenix_kernel.operations.binding import from_document
from trophenix_kernel.operations.call import Caller
from trophenix_kernel.operations.pipeline import Answer, Request
from trophenix_kernel.storage.session import APP_ROLE, Transaction
from trophenix_kernel.web.recognition import Recognition
from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.ids import new_id
from trophenix_testing.connections import connect

ROLES: Final = ("owner", "admin", "manager", "member", "viewer")
TENANTS: Final = ("alpha", "beta")
PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of people who live as long as a test
"""Everybody's password."""


class Person(msgspec.Struct, frozen=True):
    """Somebody with an account.

    Attributes:
        role: in their tenant; ``operator`` administrates the platform, ``stranger`` belongs to no tenant.
        session: a signed-in session's token.
        key: an API key of theirs; empty for those without a tenant.
        member_id: their membership.
    """

    id: UUID
    email: str
    role: str
    session: str
    key: str = ""
    member_id: UUID | None = None


class TenantScene(msgspec.Struct, frozen=True):
    """A tenant and its people by role."""

    id: UUID
    slug: str
    people: dict[str, Person]


class Scene(msgspec.Struct, frozen=True):
    """Who is in every test's database.

    Attributes:
        unavailable: plugin id → why it could not be switched on.
    """

    tenants: dict[str, TenantScene]
    operator: Person
    stranger: Person
    unavailable: dict[str, str] = {}


async def populate(kernel: Kernel, admin_dsn: str) -> Scene:
    """Two tenants on the plan ``custom``, each with a person in every role, who has a session and a key.

    Args:
        admin_dsn: the kernel's database, as an administrator. Passwords and sessions are written past the operations: one hash serves
            everybody, and hashing is slow on purpose.
    """
    operator = await _make_person(kernel, "operator@platform.test", "operator")
    stranger = await _make_person(kernel, "stranger@nowhere.test", "stranger")
    people = {
        slug: {role: await _make_person(kernel, f"{role}@{slug}.test", role) for role in ROLES}
        for slug in TENANTS
    }
    everybody = [operator, stranger, *(person for of in people.values() for person in of.values())]
    hashed = await passwords.hash_password(PASSWORD)
    expires_at = kernel.clock.now() + timedelta(days=SESSION_DAYS)
    connection = await connect(admin_dsn)
    try:
        await connection.execute("update kernel.users set password_hash = $1", hashed)
        await connection.executemany(
            "insert into kernel.sessions (id, token_hash, user_id, expires_at) values ($1, $2, $3, $4)",
            [
                (new_id(), hashlib.sha256(person.session.encode()).digest(), person.id, expires_at)
                for person in everybody
            ],
        )
    finally:
        await connection.close()
    tenants = {slug: await _make_tenant(kernel, slug, operator, people[slug]) for slug in TENANTS}
    connection = await connect(admin_dsn)
    try:
        # Everybody has come: what an invitation does is told by the tests of invitations.
        await connection.execute("update kernel.memberships set status = 'active'")
    finally:
        await connection.close()
    return Scene(tenants, operator, stranger)


async def switch_on(kernel: Kernel, scene: Scene) -> dict[str, str]:
    """Every serving plugin is on in both tenants, with all it asks for agreed to; tells which could not be, and why."""
    unavailable: dict[str, str] = {}
    for record in kernel.catalogue.serving:
        if record.manifest is None:
            continue
        given = {"plugin_id": record.manifest.id, "consent": list(capabilities(record.manifest))}
        for tenant in scene.tenants.values():
            caller = await caller_of(kernel, tenant.people["owner"], tenant.id)
            try:
                await ask(kernel, caller, "kernel:plugin.enable", given)
            except TrophenixError as error:
                unavailable[record.manifest.id] = f"{error.detail} {error.next_step}"
    return unavailable


async def caller_of(
    kernel: Kernel, person: Person | None, tenant: UUID | None, *, door: str = "cli"
) -> Caller:
    """The person in the tenant, as a door would introduce them."""
    entry = await kernel.directory.by_id(tenant) if tenant is not None else None
    identity = (
        Identity(
            kind="user",
            id=person.id,
            name=person.email.partition("@")[0].title(),
            user_id=person.id,
            locale="en",
            platform_admin=person.role == "operator",
        )
        if person is not None
        else None
    )
    recognition = Recognition(
        kernel.credentials,
        kernel.directory,
        kernel.decisions,
        kernel.activations,
        kernel.quota,
        kernel.clock,
        base_host=kernel.base_host,
    )
    return await recognition.caller_in(identity, entry, door=door, request_id=new_id().hex)


async def ask(
    kernel: Kernel,
    caller: Caller,
    operation: str,
    given: Mapping[str, Any] | msgspec.Struct,
    *,
    idempotency_key: str = "",
    expected_version: int | None = None,
) -> Answer:
    """What an operation answers, through the pipeline.

    Raises:
        TrophenixError: whatever it refuses with.
    """
    bound = kernel.registry.named(operation)

    def read_input() -> Any:
        if isinstance(given, msgspec.Struct):
            return given
        return from_document(bound.operation.input_type, given, strict=True)

    def fingerprint() -> bytes:
        return msgspec.json.encode([operation, given])

    return await kernel.pipeline.run(
        bound,
        caller,
        Request(
            read_input=read_input,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            expected_version=expected_version,
        ),
    )


async def _make_person(kernel: Kernel, email: str, role: str) -> Person:
    user = await kernel.credentials.create_user(
        email=email,
        name=email.partition("@")[0].title(),
        password=None,
        platform_admin=role == "operator",
    )
    return Person(user.id, email, role, secrets.token_urlsafe(32))


async def _make_tenant(
    kernel: Kernel, slug: str, operator: Person, people: dict[str, Person]
) -> TenantScene:
    owner = people["owner"]
    made = await ask(
        kernel,
        await caller_of(kernel, operator, None),
        "kernel:platform.create_tenant",
        {"slug": slug, "name": slug.title(), "owner_email": owner.email, "plan": "custom"},
    )
    tenant: UUID = made.value.id
    for role in ROLES[1:]:
        caller = await caller_of(kernel, owner, tenant)
        await ask(kernel, caller, "kernel:member.add", {"email": people[role].email, "role": role})
    listed = await ask(kernel, await caller_of(kernel, owner, tenant), "kernel:member.list", {})
    members: dict[str, UUID] = {member.email: member.id for member in listed.value.data}
    return TenantScene(
        tenant,
        slug,
        {
            role: msgspec.structs.replace(
                person,
                key=await _make_key(kernel, tenant, person),
                member_id=members[person.email],
            )
            for role, person in people.items()
        },
    )


async def _make_key(kernel: Kernel, tenant: UUID, person: Person) -> str:
    # Written past the operation, which lets administrators only make keys.
    key = api_keys.generate("test")
    transaction = Transaction(kernel.clusters.main, APP_ROLE, tenant)
    await transaction.begin()
    try:
        await transaction.one(
            INSERT_KEY,
            id=new_id(),
            user_id=person.id,
            name=f"{person.role}'s key",
            environment="test",
            prefix=api_keys.shown(key),
            key_hash=api_keys.digest(key),
            scopes=[],
            expires_at=None,
        )
        await transaction.finish()
    finally:
        await transaction.rollback()
    return key
