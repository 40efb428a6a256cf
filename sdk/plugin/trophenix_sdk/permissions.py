"""What a plugin lets people do, and which roles get it by default."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Role = Literal["owner", "admin", "manager", "member", "viewer", "guest"]
ROLES: Final[tuple[Role, ...]] = ("owner", "admin", "manager", "member", "viewer", "guest")
"""From most to least; each role holds all that the roles after it hold."""


class Permission(msgspec.Struct, frozen=True):
    """One thing that may be granted, named ``object.action`` inside its plugin.

    Attributes:
        name: ``athlete.read``; the platform-wide name is ``<plugin id>:athlete.read``.
        title: what a person reads when granting it.
        role: the least role that has it from the start; ``None`` when only an explicit grant gives it.
    """

    name: str
    title: str
    role: Role | None = None
