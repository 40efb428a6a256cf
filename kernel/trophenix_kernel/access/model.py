"""Grants, and the set of things a person may do in a tenant."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal
from uuid import UUID

import msgspec


class Grant(msgspec.Struct, frozen=True):
    """An addition to, or an exception from, the default roles.

    Attributes:
        subject_kind: a ``role`` of the tenant, or one ``user``.
        subject: the role's name or the user's id.
        permission: ``plugin:object.action``, ``plugin:object.*`` or ``plugin:*``.
        effect: ``deny`` wins over every ``allow``.
    """

    id: UUID
    subject_kind: Literal["role", "user"]
    subject: str
    permission: str
    effect: Literal["allow", "deny"]


class Rights(msgspec.Struct, frozen=True):
    """What a person may do in one tenant.

    Attributes:
        role: the highest role the person holds there, by membership or from above in the tree; empty for a stranger.
        permissions: every permission, by its platform-wide name.
    """

    role: str
    permissions: frozenset[str]


NO_RIGHTS = Rights("", frozenset())


def within_scopes(permissions: frozenset[str], scopes: Iterable[str]) -> frozenset[str]:
    """The permissions a key restricted to *scopes* keeps; scopes are permissions or patterns ending in ``*``."""
    patterns = tuple(scopes)
    if not patterns:
        return permissions
    return frozenset(
        name for name in permissions if any(fnmatchcase(name, pattern) for pattern in patterns)
    )
