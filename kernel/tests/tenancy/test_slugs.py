"""A slug is a host name's label, is nobody's reserved word, and cannot be taken for an id; rule and table agree."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trophenix_kernel.tenancy.model import RESERVED_SLUGS, check_slug
from trophenix_sdk.errors import Conflict, Invalid
from trophenix_testing.platform import Platform, PlatformFactory

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
NEARLY: Final = st.text(alphabet="abz019-", max_size=66)
ANYTHING: Final = st.one_of(
    NEARLY,
    st.text(max_size=66),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    st.sampled_from(sorted(RESERVED_SLUGS)),
    st.uuids().map(str),
)


def is_label(text: str) -> bool:
    """RFC 1123 §2.1, in lower case, and no two hyphens in a row (that is how internationalised names begin)."""
    return (
        1 <= len(text) <= 63
        and set(text) <= set(f"{LETTERS}0123456789-")
        and not text.startswith("-")
        and not text.endswith("-")
        and "--" not in text
    )


def is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def accepted(slug: str) -> bool:
    try:
        check_slug(slug)
    except Invalid:
        return False
    return True


@given(ANYTHING)
@example("a\n")
@example("é")
@example("٣")
@example("A")
@example("a" * 64)
@example("xn--bcher-kva")
def test_exactly_the_labels_that_mean_nothing_else_are_accepted(slug: str) -> None:
    assert accepted(slug) == (is_label(slug) and slug not in RESERVED_SLUGS and not is_id(slug))


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(Invalid) as refused:
        check_slug("Not a slug")

    assert refused.value.status == 422
    assert [problem.pointer for problem in refused.value.problems] == ["/slug"]


def test_what_is_reserved_would_otherwise_be_a_slug() -> None:
    assert all(is_label(slug) for slug in RESERVED_SLUGS)


@pytest.fixture
async def platform(platform_factory: PlatformFactory) -> Platform:
    return await platform_factory(plugins=[])


@given(slug=NEARLY)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_table_holds_what_the_rule_accepts_and_no_other_label(
    platform: Platform, slug: str
) -> None:
    """The constraint of the table is the same label, so that nothing gets in past the rule."""
    async with platform.sql("admin") as connection:
        rule: str = await connection.fetchval(
            "select pg_get_constraintdef(oid) from pg_constraint where conname = 'tenant_slug'"
        )
        holds: bool = await connection.fetchval(
            f"select {rule.removeprefix('CHECK')} from (select $1::text as slug) as one", slug
        )

    assert holds == is_label(slug)


async def test_a_slug_belongs_to_one_tenant(platform: Platform) -> None:
    given_ = {"slug": "alpha", "name": "Again", "owner_email": "owner@beta.test"}

    with pytest.raises(Conflict):
        await platform.call(None, "kernel:platform.create_tenant", given_, role="operator")
