"""Who belongs to the tenant, in which role, and the grants beyond the roles."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from trophenix_kernel.access import store as grants
from trophenix_kernel.administration.services import services
from trophenix_kernel.identity.credentials import new_invitation
from trophenix_kernel.identity.model import INVITATION_DAYS
from trophenix_kernel.operations.call import Call
from trophenix_sdk.database import Query
from trophenix_sdk.errors import Conflict, FieldProblem, Invalid, PermissionDenied
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import DELETE, GET, PATCH, POST, PUT, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor
from trophenix_sdk.permissions import ROLES

AssignableRole = Literal["admin", "manager", "member", "viewer", "guest"]
_RANK: Final = {role: rank for rank, role in enumerate(ROLES)}


class Member(msgspec.Struct, frozen=True):
    """A person in the tenant; ``invited`` until they accept."""

    id: UUID
    user_id: UUID
    name: str
    email: str
    role: str
    status: str
    expires_at: datetime | None
    created_at: datetime


class MembersQuery(msgspec.Struct, frozen=True):
    """Which members."""

    q: str | None = None
    role: Literal["owner", "admin", "manager", "member", "viewer", "guest"] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None
    count: bool = False


class NewMember(msgspec.Struct, frozen=True, kw_only=True):
    """A person to add; one who has no account yet gets one without a password."""

    email: Annotated[str, msgspec.Meta(max_length=320, pattern="^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$")]
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    role: AssignableRole = "member"
    expires_at: datetime | None = None


class AddedMember(msgspec.Struct, frozen=True):
    """A new member; ``invitation`` is the address where the person joins, once, within a week."""

    member: Member
    invitation: str


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changes of a membership."""

    id: UUID
    role: AssignableRole | None = None
    status: Literal["active", "suspended"] | None = None
    expires_at: datetime | None = None


class OneMember(msgspec.Struct, frozen=True):
    """A membership by its id."""

    id: UUID


class GrantView(msgspec.Struct, frozen=True):
    """An addition to, or exception from, the default roles."""

    id: UUID
    subject_kind: str
    subject: str
    permission: str
    effect: str


class Grants(msgspec.Struct, frozen=True):
    """The tenant's grants."""

    data: list[GrantView]


class NewGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant to be; ``permission`` may end in ``*``."""

    subject_kind: Literal["role", "user"]
    subject: str
    permission: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_.-]+:[a-z0-9_.*-]+$")]
    effect: Literal["allow", "deny"] = "allow"


class OneGrant(msgspec.Struct, frozen=True):
    """A grant by its id."""

    id: UUID


class PermissionView(msgspec.Struct, frozen=True):
    """A permission there is, and whether the caller has it."""

    name: str
    default_role: str | None
    held: bool


class PermissionList(msgspec.Struct, frozen=True):
    """Every permission of the modules that are switched on."""

    role: str
    data: list[PermissionView]


_FROM: Final = "kernel.memberships m join kernel.users u on u.id = m.user_id"
_COLUMNS: Final = "m.id, m.user_id, u.name, u.email, m.role, m.status, m.expires_at, m.created_at"
_WHERE: Final = (
    "m.status <> 'removed' and (cast(:role as text) is null or m.role = :role)"
    " and (cast(:q as text) is null or position(lower(cast(:q as text)) in lower(u.name || ' ' || u.email)) > 0)"
)
_PAGE: Final = Query(
    f"select {_COLUMNS} from {_FROM} where {_WHERE} and (cast(:after as uuid) is null or m.id > :after) order by m.id limit :limit",
    Member,
)
_COUNT: Final = Query(f"select count(*) from {_FROM} where {_WHERE}", int)
_ONE: Final = Query(
    f"select {_COLUMNS} from {_FROM} where m.id = :id and m.status <> 'removed'", Member
)
_ADD: Final = Query(
    "insert into kernel.memberships (id, user_id, role, status, expires_at, invited_by)"
    " values (:id, :user_id, :role, 'invited', :expires_at, :invited_by)"
    " on conflict on constraint membership_once do update set role = excluded.role, status = 'invited',"
    " expires_at = excluded.expires_at where memberships.status = 'removed' returning id",
    UUID,
)
_CHANGE: Final = Query(
    "update kernel.memberships set role = coalesce(:role, role), status = coalesce(:status, status),"
    " expires_at = coalesce(:expires_at, expires_at) where id = :id and status <> 'removed' returning id",
    UUID,
)
_REMOVE: Final = Query(
    "update kernel.memberships set status = 'removed' where id = :id and role <> 'owner' returning id",
    UUID,
)


_FORGET_INVITATIONS: Final[Query[UUID]] = Query(
    "delete from kernel.invitations where user_id = :user and used_at is null"
)
_INVITE: Final[Query[UUID]] = Query(
    "insert into kernel.invitations (token_hash, user_id, expires_at) values (:token_hash, :user, :expires_at)"
)


@operation(name="member.list", title="Members", http=GET("/members"), permission="member.read")
async def list_members(ctx: Call, query: MembersQuery) -> Page[Member]:
    """The tenant's people, in the order they came."""
    after = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    rows = await ctx.db.all(_PAGE, q=query.q, role=query.role, after=after, limit=query.limit + 1)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    total = await ctx.db.one(_COUNT, q=query.q, role=query.role) if query.count else None
    return Page(rows, encode_cursor(rows[-1].id) if more else None, total)


@operation(
    name="member.add",
    title="Add a member",
    http=POST("/members"),
    permission="member.manage",
    status=201,
    confidential=True,
)
async def add_member(ctx: Call, given: NewMember) -> AddedMember:
    """Give a person a role in the tenant. Hand the invitation to that person: the membership begins when it is accepted."""
    _check_rank(ctx, given.role)
    _check_expiry(given.role, given.expires_at, ctx.now)
    credentials = services(ctx).credentials
    user = await credentials.user_by_email(given.email)
    if user is None:
        user = await credentials.create_user(
            email=given.email,
            name=given.name or given.email.partition("@")[0],
            password=None,
            locale=ctx.locale,
        )
    made = await ctx.db.first(
        _ADD,
        id=new_id(),
        user_id=user.id,
        role=given.role,
        expires_at=given.expires_at,
        invited_by=ctx.actor.user_id,
    )
    if made is None:
        raise Conflict(f"{given.email} is a member already.", code="already_a_member")
    ctx.audit("Member added", target=str(user.id), details={"role": given.role})
    member = await ctx.db.one(_BY_USER, user=user.id)
    return AddedMember(member, await _invitation(ctx, user.id))


@operation(
    name="member.invite",
    title="Invite again",
    http=POST("/members/{id}/invitation"),
    permission="member.manage",
    confidential=True,
)
async def invite_again(ctx: Call, given: OneMember) -> AddedMember:
    """A new invitation for a member who has not joined yet; the earlier one stops working."""
    member = await ctx.db.one(_ONE, id=given.id)
    if member.status != "invited":
        raise Conflict(f"{member.email} has joined already.", code="already_joined")
    _check_rank(ctx, member.role)
    ctx.audit("Invitation renewed", target=str(member.user_id))
    return AddedMember(member, await _invitation(ctx, member.user_id))


@operation(
    name="member.read", title="A member", http=GET("/members/{id}"), permission="member.read"
)
async def read_member(ctx: Call, given: OneMember) -> Member:
    """One person of the tenant."""
    return await ctx.db.one(_ONE, id=given.id)


@operation(
    name="member.update",
    title="Change a member",
    http=PATCH("/members/{id}"),
    permission="member.manage",
)
async def update_member(ctx: Call, given: MemberChange) -> Member:
    """Change a member's role, suspend or resume them. The owner's role moves only with the ownership."""
    before = await ctx.db.one(_ONE, id=given.id)
    if before.role == "owner":
        raise Conflict("The owner's membership cannot be changed.", code="owner_is_fixed")
    _check_rank(ctx, before.role)
    if given.role is not None:
        _check_rank(ctx, given.role)
        _check_expiry(given.role, given.expires_at or before.expires_at, ctx.now)
    await ctx.db.one(
        _CHANGE, id=given.id, role=given.role, status=given.status, expires_at=given.expires_at
    )
    ctx.audit(
        "Member changed",
        target=str(before.user_id),
        details={"before": before.role, "role": given.role, "status": given.status},
    )
    return await ctx.db.one(_ONE, id=given.id)


@operation(
    name="member.remove",
    title="Remove a member",
    http=DELETE("/members/{id}"),
    permission="member.manage",
)
async def remove_member(ctx: Call, given: OneMember) -> None:
    """End a membership; the person's keys for this tenant stop at once."""
    before = await ctx.db.one(_ONE, id=given.id)
    _check_rank(ctx, before.role)
    if await ctx.db.first(_REMOVE, id=given.id) is None:
        raise Conflict("The owner cannot be removed.", code="owner_is_fixed")
    ctx.audit("Member removed", target=str(before.user_id))


@operation(name="grant.list", title="Grants", http=GET("/grants"), permission="grant.manage")
async def list_grants(ctx: Call) -> Grants:
    """What this tenant gives or denies beyond the default roles."""
    rows = await ctx.db.all(grants.GRANTS)
    return Grants(
        [
            GrantView(row.id, row.subject_kind, row.subject, row.permission, row.effect)
            for row in rows
        ]
    )


@operation(
    name="grant.put",
    title="Give or deny a permission",
    http=PUT("/grants"),
    permission="grant.manage",
)
async def put_grant(ctx: Call, given: NewGrant) -> GrantView:
    """Allow or deny a permission to a role or a person; nobody gives what they do not have."""
    declared = services(ctx).authority.declared
    pattern = given.permission
    covered = [
        name
        for name in declared
        if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
    ]
    if not covered:
        fault = f"no permission is called {pattern!r}"
        raise Invalid(fault, problems=(FieldProblem("/permission", "unknown_permission", fault),))
    if given.subject_kind == "role" and given.subject not in ROLES:
        fault = f"{given.subject!r} is no role; expected one of {', '.join(ROLES)}"
        raise Invalid(fault, problems=(FieldProblem("/subject", "unknown_role", fault),))
    if given.effect == "allow" and not set(covered) <= ctx.caller.rights.permissions:
        raise PermissionDenied("You can give only what you have yourself.")
    if given.effect == "deny":
        role = await _role_of(ctx, given.subject) if given.subject_kind == "user" else given.subject
        if role == "owner":
            raise Conflict("Nothing can be denied to the owner.", code="owner_is_fixed")
        _check_rank(ctx, role)
    row = await ctx.db.one(
        grants.INSERT_GRANT,
        id=new_id(),
        created_by=ctx.actor.user_id,
        **msgspec.structs.asdict(given),
    )
    ctx.audit(
        "Grant set",
        target=f"{row.subject_kind}:{row.subject}",
        details={"permission": row.permission, "effect": row.effect},
    )
    return GrantView(row.id, row.subject_kind, row.subject, row.permission, row.effect)


@operation(
    name="grant.remove",
    title="Remove a grant",
    http=DELETE("/grants/{id}"),
    permission="grant.manage",
)
async def remove_grant(ctx: Call, given: OneGrant) -> None:
    """Go back to what the roles give."""
    await ctx.db.one(grants.DELETE_GRANT, id=given.id)
    ctx.audit("Grant removed", target=str(given.id))


@operation(
    name="permission.list", title="Permissions", http=GET("/permissions"), permission="tenant.read"
)
async def list_permissions(ctx: Call) -> PermissionList:
    """Every permission of the modules switched on here, and which of them the caller has."""
    activated = ctx.caller.activated
    held = ctx.caller.rights.permissions
    rows = [
        PermissionView(name, role, name in held)
        for name, role in sorted(services(ctx).authority.declared.items())
        if name.startswith("kernel:")
        or (
            (activation := activated.get(name.partition(":")[0])) is not None and activation.enabled
        )
    ]
    return PermissionList(ctx.caller.rights.role, rows)


_BY_USER: Final = Query(
    f"select {_COLUMNS} from {_FROM} where m.user_id = :user and m.status <> 'removed'", Member
)


async def _role_of(ctx: Call, subject: str) -> str:
    """The highest role a person holds here, by membership or from above in the tree.

    Raises:
        Invalid: the subject is nobody of this tenant.
    """
    entry = ctx.caller.entry
    here = {entry.record.id, *entry.record.ancestors} if entry else set[UUID]()
    try:
        memberships = await services(ctx).credentials.memberships(UUID(subject))
    except ValueError:
        memberships = []
    roles = [one.role for one in memberships if one.tenant_id in here and one.status != "removed"]
    if not roles:
        fault = f"{subject!r} is not the id of a person of this tenant"
        raise Invalid(fault, problems=(FieldProblem("/subject", "unknown_user", fault),))
    return min(roles, key=_RANK.__getitem__)


async def _invitation(ctx: Call, user: UUID) -> str:
    """The address of a new invitation; earlier ones of this tenant for this person are gone."""
    token, digest = new_invitation()
    await ctx.db.execute(_FORGET_INVITATIONS, user=user)
    expires = ctx.now + timedelta(days=INVITATION_DAYS)
    await ctx.db.execute(_INVITE, token_hash=digest, user=user, expires_at=expires)
    return f"{ctx.pipeline.base_url}/welcome/{token}"


def _check_rank(ctx: Call, role: str) -> None:
    """Nobody gives, changes or takes a role above their own."""
    mine = ctx.caller.rights.role
    if _RANK[role] < _RANK.get(mine, len(ROLES)):
        raise PermissionDenied(
            f"A {mine or 'stranger'} cannot decide over {role}s.", next_step="Ask the owner."
        )


def _check_expiry(role: str, expires_at: datetime | None, now: datetime) -> None:
    if role == "guest" and expires_at is None:
        fault = "a guest's membership needs an end"
    elif expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
        fault = "expected an instant in the future, with its time zone"
    else:
        return
    raise Invalid(fault, problems=(FieldProblem("/expires_at", "bad_expiry", fault),))


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_members,
    add_member,
    invite_again,
    read_member,
    update_member,
    remove_member,
    list_grants,
    put_grant,
    remove_grant,
    list_permissions,
)
