"""The demonstration: four tenants, their people and keys, and what each plugin shows of itself. All people are invented."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_kernel.administration.keys import INSERT_KEY
from trophenix_kernel.administration.plugins import capabilities
from trophenix_kernel.administration.tenants import NewTenant, make_tenant
from trophenix_kernel.composition import Kernel
from trophenix_kernel.identity import api_keys
from trophenix_kernel.identity.model import Identity, User
from trophenix_kernel.operations.binding import from_document
from trophenix_kernel.operations.call import Call, Caller
from trophenix_kernel.operations.pipeline import Request
from trophenix_kernel.storage.session import APP_ROLE, Transaction
from trophenix_kernel.web.recognition import Recognition
from trophenix_sdk.errors import Unauthenticated
from trophenix_sdk.ids import new_id

DEMO_OPERATION: Final = "demo.load"


class DemoTenant(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant of the demonstration."""

    slug: str
    name: str
    plan: Any
    type: Any
    owner: str
    owner_name: str
    locale: str = "fr-FR"
    time_zone: str = "Europe/Paris"
    currency: str = "EUR"
    all_plugins: bool = False


TENANTS: Final = (
    DemoTenant(
        slug="olympic-france",
        name="Olympic France",
        plan="custom",
        type="federation",
        owner="camille.durand@olympic-france.example",
        owner_name="Camille Durand",
        all_plugins=True,
    ),
    DemoTenant(
        slug="club-carthage",
        name="Club Carthage",
        plan="professional",
        type="professional",
        owner="youssef.trabelsi@club-carthage.example",
        owner_name="Youssef Trabelsi",
        time_zone="Africa/Tunis",
        currency="TND",
        locale="fr-TN",
    ),
    DemoTenant(
        slug="gym-dax",
        name="Gym Dax",
        plan="starter",
        type="professional",
        owner="lea.martin@gym-dax.example",
        owner_name="Léa Martin",
    ),
    DemoTenant(
        slug="cabinet-lumiere",
        name="Cabinet Lumière",
        plan="free",
        type="professional",
        owner="hugo.bernard@cabinet-lumiere.example",
        owner_name="Hugo Bernard",
    ),
)
ADMIN_EMAIL: Final = "admin@trophenix.example"


class Person(msgspec.Struct, frozen=True):
    """A sign-in."""

    email: str
    password: str


class TenantReady(msgspec.Struct, frozen=True):
    """A tenant and how to use it."""

    slug: str
    id: UUID
    plan: str
    api_key: str
    owner: Person


class Ready(msgspec.Struct, frozen=True):
    """What ``--json-ready`` writes."""

    base_url: str
    platform_admin: Person
    tenants: list[TenantReady]


async def load_demo(
    kernel: Kernel,
    recognition: Recognition,
    kept: Ready | None,
    base_url: str,
    report: Callable[[str], None],
) -> Ready:
    """The demonstration exists afterwards; safe to repeat.

    Args:
        kept: what an earlier start handed out; its passwords and keys stay.
        report: told a line per tenant.
    """
    known = {tenant.slug: tenant for tenant in kept.tenants} if kept else {}
    admin = await _person(
        kernel,
        ADMIN_EMAIL,
        "Platform Admin",
        kept.platform_admin if kept else None,
        platform_admin=True,
    )
    ready: list[TenantReady] = []
    for wanted in TENANTS:
        before = known.get(wanted.slug)
        owner = await _person(
            kernel, wanted.owner, wanted.owner_name, before.owner if before else None
        )
        entry = await kernel.directory.by_slug(wanted.slug)
        if entry is not None and before is not None:
            ready.append(before)
            continue
        tenant, key = await _make(kernel, wanted, entry.record.id if entry else None)
        ready.append(TenantReady(wanted.slug, tenant, wanted.plan, key, owner))
        report(f"{wanted.name} ({wanted.plan})")
        if wanted.all_plugins:
            await _enable_all(kernel, recognition, wanted)
    return Ready(base_url, admin, ready)


async def _person(
    kernel: Kernel, email: str, name: str, kept: Person | None, *, platform_admin: bool = False
) -> Person:
    user = await kernel.credentials.user_by_email(email)
    if user is not None and kept is not None:
        return kept
    password = secrets.token_urlsafe(15)
    if user is None:
        await kernel.credentials.create_user(
            email=email, name=name, password=password, locale="fr", platform_admin=platform_admin
        )
    else:
        await kernel.credentials.reset_password(user.id, password)
    return Person(email, password)


async def _make(kernel: Kernel, wanted: DemoTenant, existing: UUID | None) -> tuple[UUID, str]:
    """The tenant and a new key of its owner, in one transaction."""
    owner = await kernel.credentials.user_by_email(wanted.owner)
    assert owner is not None  # noqa: S101 - made just before
    bound = kernel.registry.named("kernel:platform.create_tenant")
    transaction = Transaction(kernel.clusters.main, APP_ROLE, existing or UUID(int=0))
    call = Call(kernel.pipeline, bound, Caller(identity=None, door="cli"), transaction, None, None)
    await transaction.begin()
    try:
        tenant = existing
        if tenant is None:
            fields = ("slug", "name", "plan", "type", "locale", "time_zone", "currency")
            new = NewTenant(
                owner_email=wanted.owner, **{name: getattr(wanted, name) for name in fields}
            )
            tenant = (await make_tenant(call, new)).id
        key = api_keys.generate("live")
        await transaction.one(
            INSERT_KEY,
            id=new_id(),
            user_id=owner.id,
            name="Demonstration",
            environment="live",
            prefix=api_keys.shown(key),
            key_hash=api_keys.digest(key),
            scopes=[],
            expires_at=None,
        )
        await transaction.finish()
    finally:
        await transaction.rollback()
    return tenant, key


async def _enable_all(kernel: Kernel, recognition: Recognition, wanted: DemoTenant) -> None:
    """Every module that is ready is switched on through its operation, and shows itself through its own ``demo.load``."""
    owner = await kernel.credentials.user_by_email(wanted.owner)
    assert owner is not None  # noqa: S101
    for record in kernel.catalogue.serving:
        if record.manifest is None or record.id is None:
            continue
        await run_as(
            kernel,
            recognition,
            owner,
            wanted.slug,
            "kernel:plugin.enable",
            {"plugin_id": record.id, "consent": list(capabilities(record.manifest))},
        )
        if kernel.registry.find(f"{record.id}:{DEMO_OPERATION}") is not None:
            await run_as(
                kernel, recognition, owner, wanted.slug, f"{record.id}:{DEMO_OPERATION}", {}
            )


async def run_as(
    kernel: Kernel,
    recognition: Recognition,
    user: User,
    slug: str,
    operation: str,
    given: dict[str, Any],
) -> Any:
    """Run an operation as a person, through the pipeline, from the command line.

    Raises:
        TrophenixError: whatever the operation refuses with.
    """
    if user.status != "active":
        raise Unauthenticated(f"The account of {user.email} is closed.")
    identity = Identity(
        kind="user",
        id=user.id,
        name=user.name,
        user_id=user.id,
        locale=user.locale,
        platform_admin=user.platform_admin,
    )
    # What was just written may not have been heard of yet: ask the database itself.
    kernel.changes.forget_all()
    entry = await kernel.directory.by_slug(slug)
    caller = await recognition.caller_in(
        identity, entry, door="cli", request_id=new_id().hex, locale=user.locale
    )
    bound = kernel.registry.named(operation)
    kind = bound.operation.input_type
    answer = await kernel.pipeline.run(
        bound, caller, Request(read_input=lambda: from_document(kind, given, strict=False))
    )
    return answer.value
