"""What a tenant is, and what it may become."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from trophenix_sdk.errors import Conflict, FieldProblem, Invalid, TrophenixError

RESTORE_DAYS: Final = 30
"""How long a deleted tenant can be brought back before it is purged."""

TenantType = Literal["public", "professional", "enterprise", "government", "federation"]
Status = Literal["trial", "active", "suspended", "cancelled"]
Plan = Literal["free", "starter", "professional", "enterprise", "custom"]
PLANS: Final[tuple[Plan, ...]] = ("free", "starter", "professional", "enterprise", "custom")

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RESERVED_SLUGS: Final = frozenset(
    {
        "account",
        "api",
        "app",
        "admin",
        "assets",
        "docs",
        "health",
        "kernel",
        "metrics",
        "platform",
        "sign-in",
        "theme",
        "ui",
        "www",
    }
)

_MOVES: Final[dict[str, frozenset[str]]] = {
    "trial": frozenset({"active", "suspended", "cancelled"}),
    "active": frozenset({"suspended", "cancelled"}),
    "suspended": frozenset({"active", "cancelled"}),
    "cancelled": frozenset({"active"}),
}


class TenantRecord(msgspec.Struct, frozen=True):
    """A tenant as the directory keeps it.

    Attributes:
        ancestors: from the root of the tree down to the parent.
        cluster: where its rows live.
    """

    id: UUID
    slug: str
    name: str
    type: str
    status: str
    plan: str
    parent_id: UUID | None
    ancestors: list[UUID]
    locale: str
    time_zone: str
    currency: str
    region: str
    cluster: str
    metadata: msgspec.Raw
    version: int
    created_at: datetime
    deleted_at: datetime | None


class TenantUnavailable(TrophenixError):
    """The tenant is suspended or cancelled; its members may read why, nothing else."""

    code = "tenant_unavailable"
    title = "This account is not active"
    status = 403


def check_slug(slug: str) -> None:
    """Accept a slug that can be a host name label and is not reserved.

    Raises:
        Invalid: it is not; the message says which rule.

    Source: RFC 1123 §2.1 for the label.
    """
    if slug in RESERVED_SLUGS:
        fault = f"{slug!r} is reserved"
    elif not _SLUG.fullmatch(slug) or "--" in slug:
        fault = f"{slug!r} is not 1 to 63 lower-case letters, digits and single hyphens, beginning and ending with a letter or digit"
    elif _ID.fullmatch(slug):
        # Where a tenant is named by slug or by id, this one could never be named by its slug.
        fault = f"{slug!r} reads like an id"
    else:
        return
    raise Invalid(
        fault,
        next_step="Choose another slug.",
        problems=(FieldProblem("/slug", "bad_slug", fault),),
    )


def check_move(before: str, after: str) -> None:
    """Accept a change of status that the life cycle knows.

    Raises:
        Conflict: it does not.
    """
    if after not in _MOVES[before]:
        allowed = ", ".join(sorted(_MOVES[before]))
        raise Conflict(
            f"A tenant that is {before} cannot become {after}; it can become {allowed}.",
            code="tenant_status",
        )
