"""A person's own account: signing in and out, sessions, password, where they belong."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from trophenix_kernel.administration.services import services
from trophenix_kernel.operations.call import Call
from trophenix_kernel.tenancy import store as tenants
from trophenix_sdk.errors import NotFound, Unauthenticated
from trophenix_sdk.operations import DELETE, GET, PATCH, POST, Operation, operation
from trophenix_sdk.permissions import ROLES

_RANK: Final = {role: rank for rank, role in enumerate(ROLES)}


class SignIn(msgspec.Struct, frozen=True):
    """An e-mail address and its password."""

    email: Annotated[str, msgspec.Meta(max_length=320)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]


class Acceptance(msgspec.Struct, frozen=True):
    """The last word of an invitation's address, and the account's password, or the one to be."""

    invitation: Annotated[str, msgspec.Meta(max_length=100)]
    password: Annotated[str, msgspec.Meta(max_length=1024)]


class SignedIn(msgspec.Struct, frozen=True):
    """A new session: send the token as ``Authorization: Bearer``."""

    token: str
    name: str
    expires_at: datetime | None


class Place(msgspec.Struct, frozen=True):
    """A tenant the person belongs to, by membership there or above in the tree."""

    id: UUID
    slug: str
    name: str
    plan: str
    role: str
    parent_id: UUID | None


class Me(msgspec.Struct, frozen=True):
    """Who is calling."""

    id: UUID
    kind: str
    name: str
    email: str
    locale: str
    platform_admin: bool
    tenants: list[Place]


class MyChange(msgspec.Struct, frozen=True):
    """What a person changes of themselves."""

    locale: Literal["en", "fr"]


class PasswordChange(msgspec.Struct, frozen=True):
    """The present password and the next one."""

    current: str
    new: str


class SessionView(msgspec.Struct, frozen=True):
    """One signed-in browser or program."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str
    current: bool


class Sessions(msgspec.Struct, frozen=True):
    """Where a person is signed in."""

    data: list[SessionView]


class OneSession(msgspec.Struct, frozen=True):
    """A session by its id."""

    id: UUID


@operation(
    name="account.sign_in",
    title="Sign in",
    http=POST("/auth/sign-in"),
    effect="read",
    scope="public",
)
async def sign_in(ctx: Call, given: SignIn) -> SignedIn:
    """Open a session. Closed for a while after five wrong passwords in a row."""
    token, identity = await services(ctx).credentials.sign_in(
        given.email, given.password, ip=ctx.caller.ip
    )
    return SignedIn(token, identity.name, identity.expires_at)


@operation(
    name="account.accept",
    title="Accept an invitation",
    http=POST("/auth/accept"),
    effect="read",
    scope="public",
    confidential=True,
)
async def accept_invitation(ctx: Call, given: Acceptance) -> SignedIn:
    """Join the tenant that invites, and sign in; somebody without a password sets it here. An invitation works once."""
    token, identity = await services(ctx).credentials.accept(
        given.invitation, given.password, ip=ctx.caller.ip
    )
    return SignedIn(token, identity.name, identity.expires_at)


@operation(
    name="account.sign_out",
    title="Sign out",
    http=POST("/auth/sign-out"),
    effect="read",
    scope="platform",
)
async def sign_out(ctx: Call) -> None:
    """End the calling session, at once and everywhere."""
    identity = ctx.caller.identity
    if identity is not None:
        await services(ctx).credentials.sign_out(identity)


@operation(name="account.me", title="Who am I", http=GET("/me"), scope="platform")
async def me(ctx: Call) -> Me:
    """The calling person or key, and the tenants it can act in."""
    identity = ctx.caller.identity
    if identity is None:
        raise Unauthenticated
    user = await services(ctx).credentials.user(identity.user_id)
    return Me(
        identity.id,
        identity.kind,
        identity.name,
        user.email if user else "",
        identity.locale,
        identity.platform_admin,
        await places_of(ctx),
    )


async def places_of(ctx: Call) -> list[Place]:
    """The tenants the caller belongs to, and all below them, by name."""
    identity = ctx.caller.identity
    if identity is None:
        return []
    held = services(ctx)
    now = ctx.now
    roles = {
        membership.tenant_id: membership.role
        for membership in await held.credentials.memberships(identity.user_id)
        if membership.status == "active"
        and (membership.expires_at is None or membership.expires_at > now)
    }
    if identity.tenant_id is not None:
        roles = {tenant: role for tenant, role in roles.items() if tenant == identity.tenant_id}
    found = await held.platform.all(tenants.WITHIN, ids=list(roles))
    places: list[Place] = []
    for record in found:
        here = [roles[tenant] for tenant in (record.id, *record.ancestors) if tenant in roles]
        role = min(here, key=_RANK.__getitem__)
        places.append(
            Place(record.id, record.slug, record.name, record.plan, role, record.parent_id)
        )
    return places


@operation(
    name="account.update",
    title="Change my account",
    http=PATCH("/me"),
    effect="read",
    scope="platform",
)
async def update_me(ctx: Call, given: MyChange) -> Me:
    """Set the language pages and messages are in."""
    identity = ctx.caller.identity
    if identity is not None:
        await services(ctx).credentials.set_locale(identity.user_id, given.locale)
    return msgspec.structs.replace(await me.handler(ctx), locale=given.locale)


@operation(
    name="account.password",
    title="Change my password",
    http=POST("/me/password"),
    effect="read",
    scope="platform",
)
async def change_password(ctx: Call, given: PasswordChange) -> None:
    """Set a new password; all other sessions end."""
    identity = ctx.caller.identity
    if identity is None or identity.kind != "user":
        raise Unauthenticated("Only a signed-in person changes a password.")
    await services(ctx).credentials.change_password(identity, given.current, given.new)


@operation(name="account.sessions", title="My sessions", http=GET("/me/sessions"), scope="platform")
async def my_sessions(ctx: Call) -> Sessions:
    """Where I am signed in, newest first."""
    identity = ctx.caller.identity
    if identity is None:
        raise Unauthenticated
    rows = await services(ctx).credentials.sessions(identity.user_id)
    return Sessions(
        [
            SessionView(
                row.id,
                row.created_at,
                row.expires_at,
                row.ip,
                row.user_agent,
                row.id == identity.session_id,
            )
            for row in rows
        ]
    )


@operation(
    name="account.end_session",
    title="End a session",
    http=DELETE("/me/sessions/{id}"),
    effect="read",
    scope="platform",
)
async def end_session(ctx: Call, given: OneSession) -> None:
    """End one of my sessions, at once and everywhere."""
    identity = ctx.caller.identity
    if identity is None or not await services(ctx).credentials.revoke_session(
        identity.user_id, given.id
    ):
        raise NotFound("You have no such session.")


OPERATIONS: Final[tuple[Operation, ...]] = (
    sign_in,
    accept_invitation,
    sign_out,
    me,
    update_me,
    change_password,
    my_sessions,
    end_session,
)
