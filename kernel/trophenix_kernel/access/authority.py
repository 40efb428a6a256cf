"""Casbin as the authority: role-based access with the tenant as domain, denials first.

`enforce` walks every policy line in Python, so it is never asked on a request. What it would answer is compiled into one set per role when
the plugins are loaded, and per person only in tenants that have grants of their own; a property test holds the sets against `enforce`.

Source: docs/performance.md for the costs of each form.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import casbin
from casbin import util
from casbin.model import Model

from trophenix_kernel.access.model import Grant
from trophenix_sdk.permissions import ROLES

# Casbin logs a warning for every refusal; a refusal is an ordinary answer here.
logging.getLogger("casbin").setLevel(logging.ERROR)

_matches: Final = cast("Callable[[str, str], bool]", cast("Any", util).key_match)
_MODEL: Final = """
[request_definition]
r = sub, dom, act

[policy_definition]
p = sub, dom, act, eft

[role_definition]
g = _, _, _
g2 = _, _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.dom == p.dom && keyMatch(r.act, p.act) && \
(p.eft == "allow" && g(r.sub, p.sub, r.dom) || p.eft == "deny" && g2(r.sub, p.sub, r.dom))
"""
# g passes permissions up from role to role; g2 knows only a person's own role. What is denied to viewers would otherwise be denied to the
# owner as well, who holds all that viewers hold.


def enforcer(
    domain: str,
    declared: Mapping[str, str | None],
    grants: Iterable[Grant],
    members: Mapping[str, str],
) -> Any:
    """A Casbin enforcer for one tenant.

    Args:
        domain: the tenant's id.
        declared: permission → the least role that has it by default.
        grants: the tenant's own grants.
        members: user id → role.
    """
    model: Any = Model()
    model.load_model_from_text(_MODEL)
    made: Any = casbin.Enforcer(model, enable_log=False)
    made.enable_auto_save(False)
    for upper, lower in itertools.pairwise(ROLES):
        made.add_grouping_policy(f"role:{upper}", f"role:{lower}", domain)
    for user, role in members.items():
        made.add_grouping_policy(f"user:{user}", f"role:{role}", domain)
        made.add_named_grouping_policy("g2", f"user:{user}", f"role:{role}", domain)
    for permission, role in declared.items():
        if role is not None:
            made.add_policy(f"role:{role}", domain, permission, "allow")
    for grant in grants:
        made.add_policy(
            f"{grant.subject_kind}:{grant.subject}", domain, grant.permission, grant.effect
        )
    return made


class Authority:
    """The compiled answers.

    Args:
        declared: permission → the least role that has it by default, over all plugins that are ready.
    """

    def __init__(self, declared: Mapping[str, str | None]) -> None:
        self.declared = dict(declared)
        self._defaults: dict[str, frozenset[str]] = {
            role: _compile(enforcer("*", declared, (), {}), f"role:{role}", "*", self.declared)
            for role in ROLES
        }

    def permissions(
        self, domain: str, user: str, role: str, grants: Iterable[Grant]
    ) -> frozenset[str]:
        """All that *user*, who holds *role* in the tenant, may do there."""
        own = tuple(grants)
        if not own:
            return self._defaults[role]
        return _compile(
            enforcer(domain, self.declared, own, {user: role}),
            f"user:{user}",
            domain,
            self.declared,
        )


def _compile(
    made: Any, subject: str, domain: str, declared: Mapping[str, str | None]
) -> frozenset[str]:
    lines = cast("list[list[str]]", made.get_implicit_permissions_for_user(subject, domain))
    direct = {subject, *cast("list[str]", made.get_roles_for_user_in_domain(subject, domain))}
    allowed: set[str] = set()
    denied: set[str] = set()
    for line in lines:
        pattern, effect = line[2], line[3]
        if effect == "deny" and line[0] not in direct:
            continue
        into = denied if effect == "deny" else allowed
        if "*" in pattern:
            into.update(name for name in declared if _matches(name, pattern))
        elif pattern in declared:
            into.add(pattern)
    return frozenset(allowed - denied)
