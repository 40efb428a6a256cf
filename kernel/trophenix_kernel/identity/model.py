"""Who somebody is."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

SESSION_DAYS: Final = 14
INVITATION_DAYS: Final = 7
FAILURES_BEFORE_LOCK: Final = 5
LOCK_SECONDS: Final = 60
LOCK_SECONDS_MAX: Final = 3600


class User(msgspec.Struct, frozen=True):
    """A person, once for the whole platform."""

    id: UUID
    email: str
    name: str
    password_hash: str | None
    locale: str
    platform_admin: bool
    status: str
    failed_attempts: int
    locked_until: datetime | None


class Identity(msgspec.Struct, frozen=True):
    """What a credential proves.

    Attributes:
        kind: ``user`` for a session, ``api_key`` for a key.
        id: the person's id, or the key's.
        user_id: the person who acts, or for whom the key acts.
        tenant_id: the only tenant a key is good for; ``None`` for a session.
        scopes: what a key is restricted to; empty means all that the person may.
        environment: ``live`` or ``test``.
        session_id: the session, for signing out.
    """

    kind: Literal["user", "api_key"]
    id: UUID
    name: str
    user_id: UUID
    locale: str
    platform_admin: bool = False
    tenant_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    environment: str = "live"
    expires_at: datetime | None = None
    session_id: UUID | None = None


class Membership(msgspec.Struct, frozen=True):
    """A person's place in a tenant."""

    tenant_id: UUID
    role: str
    status: str
    expires_at: datetime | None


class KeyRow(msgspec.Struct, frozen=True):
    """What the database knows of a presented key."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    name: str
    environment: str
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None


class SessionRow(msgspec.Struct, frozen=True):
    """One signed-in browser."""

    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    ip: str
    user_agent: str


def lock_seconds(failures: int) -> int:
    """How long sign-in stays closed after *failures* wrong passwords in a row; doubles each time, at most an hour."""
    if failures < FAILURES_BEFORE_LOCK:
        return 0
    return min(LOCK_SECONDS * 2 ** (failures - FAILURES_BEFORE_LOCK), LOCK_SECONDS_MAX)
