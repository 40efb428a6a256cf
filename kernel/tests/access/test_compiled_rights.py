"""The compiled sets answer what Casbin would, for every permission, grant and role."""

from __future__ import annotations

import itertools
from typing import Any, Final, Literal
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_kernel.access.authority import Authority, enforcer
from trophenix_kernel.access.model import Grant, within_scopes
from trophenix_sdk.permissions import ROLES

NAMES: Final = (
    "kernel:tenant.read",
    "kernel:tenant.update",
    "kernel:member.read",
    "acme.shop:thing.read",
    "acme.shop:thing.write",
    "acme.shop:thing",
    "acme.shopping:thing.read",
)
DECLARED: Final = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from([*ROLES, None]), max_size=7
)
PATTERNS: Final = st.sampled_from(
    [
        *NAMES,
        "*",
        "kernel:*",
        "kernel:tenant.*",
        "acme.shop:*",
        "acme.shop*",
        "acme.shop:thing*",
        "a*:thing.read",
        "no.such:*",
        "no.such:one",
    ]
)
ME: Final = "me"


def grant_to(subject: str, permission: str, effect: Literal["allow", "deny"]) -> Grant:
    """A grant to a role or to a person."""
    kind = "user" if subject in {ME, "another"} else "role"
    return Grant(uuid4(), kind, subject, permission, effect)


GRANTS: Final = st.lists(
    st.builds(
        grant_to,
        st.sampled_from([*ROLES, ME, "another"]),
        PATTERNS,
        st.sampled_from(["allow", "deny"]),
    ),
    max_size=5,
)


@given(declared=DECLARED, grants=GRANTS, role=st.sampled_from(ROLES))
@settings(max_examples=150, deadline=None)
def test_the_compiled_set_is_what_enforce_allows(
    declared: dict[str, Any], grants: list[Grant], role: str
) -> None:
    authority = Authority(declared)
    casbin = enforcer("here", declared, grants, {ME: role})

    compiled = authority.permissions("here", ME, role, grants)

    assert compiled == {name for name in declared if casbin.enforce(f"user:{ME}", "here", name)}
    assert not any(casbin.enforce(f"user:{ME}", "elsewhere", name) for name in declared)


@given(declared=DECLARED)
@settings(max_examples=40, deadline=None)
def test_without_grants_each_role_holds_all_that_the_roles_below_hold(
    declared: dict[str, Any],
) -> None:
    authority = Authority(declared)
    sets = [authority.permissions("here", ME, role, ()) for role in ROLES]

    for higher, lower in itertools.pairwise(sets):
        assert lower <= higher
    for role, held in zip(ROLES, sets, strict=True):
        assert held == {
            name
            for name, least in declared.items()
            if least and ROLES.index(role) <= ROLES.index(least)
        }


@given(declared=DECLARED, grants=GRANTS, role=st.sampled_from(ROLES))
@settings(max_examples=60, deadline=None)
def test_what_is_denied_to_others_is_not_denied_to_me(
    declared: dict[str, Any], grants: list[Grant], role: str
) -> None:
    """A denial reaches the role it names and nobody above or below it."""
    authority = Authority(declared)
    others = [grant for grant in grants if grant.effect == "allow" or grant.subject in {ME, role}]

    assert authority.permissions("here", ME, role, grants) == authority.permissions(
        "here", ME, role, others
    )


@given(
    held=st.frozensets(st.sampled_from(NAMES)),
    scopes=st.lists(st.sampled_from([*NAMES, "kernel:*", "*", "no.such:*"]), max_size=3),
)
def test_scopes_only_ever_narrow(held: frozenset[str], scopes: list[str]) -> None:
    narrowed = within_scopes(held, scopes)

    assert narrowed <= held
    assert (narrowed == held) or scopes
    for name in narrowed:
        assert not scopes or any(
            name == scope or (scope.endswith("*") and name.startswith(scope[:-1]))
            for scope in scopes
        )
