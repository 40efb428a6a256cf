"""The statement that sets the tenant and reads gives what the reading part alone would give inside the tenant, and nothing outside."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_kernel.storage.session import APP_ROLE, Reader, Transaction, one_trip
from trophenix_sdk.database import Query
from trophenix_sdk.errors import NotFound
from trophenix_sdk.ids import new_id
from trophenix_testing.platform import Platform

CARPOOL = "plugin_acme_carpool"

ADD: Query[Any] = Query(
    "insert into plugin_acme_carpool.rides (id, name, seats, leaves_at, details) select id, name, seats, leaves_at, '{}' from staged"
)
ONE: Query[str] = Query("select name from plugin_acme_carpool.rides where id = :id", str)
NAMES: Query[str] = Query("select name from plugin_acme_carpool.rides order by name", str)

_COLUMNS = ("name", "seats", "leaves_at", "id")

_ORDER = st.lists(
    st.tuples(
        st.sampled_from(_COLUMNS),
        st.sampled_from(["", " desc"]),
        st.sampled_from(["", " nulls first", " nulls last"]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda part: part[0],
)


async def fill(platform: Platform, tenant: str, count: int) -> list[UUID]:
    """That many rides, with repeated seats and missing instants."""
    ids = [new_id() for _ in range(count)]
    now = platform.clock.now()
    transaction = Transaction(platform.kernel.clusters.main, CARPOOL, platform.tenant(tenant).id)
    await transaction.begin()
    await transaction.stage(
        "staged",
        {"id": "uuid", "name": "text", "seats": "integer", "leaves_at": "timestamptz"},
        [
            (
                ride,
                f"{tenant} {number * 7919 % count:03}",
                number % 5 + 1,
                None if number % 4 == 0 else now,
            )
            for number, ride in enumerate(ids)
        ],
    )
    await transaction.execute(ADD)
    await transaction.finish()
    return ids


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=_ORDER,
    limit=st.none() | st.integers(0, 40),
    offset=st.none() | st.integers(0, 40),
    seats=st.none() | st.integers(0, 6),
    form=st.sampled_from(["plain", "with", "union", "grouped", "for share", "comment"]),
)
async def test_order_and_limits_are_kept(
    carpool: Platform,
    order: list[tuple[str, str, str]],
    limit: int | None,
    offset: int | None,
    seats: int | None,
    form: str,
) -> None:
    pool = carpool.kernel.clusters.main
    tenant = carpool.tenant("alpha").id
    if not await Reader(pool, CARPOOL, tenant).all(NAMES):
        await fill(carpool, "alpha", 60)
        await fill(carpool, "beta", 60)
    # The key makes the order total: without it two runs may differ and both be right.
    by = ", ".join(f"{column}{way}{nulls}" for column, way, nulls in order)
    by = by if any(column == "id" for column, *_ in order) else f"{by}, id"
    columns = "name, seats, leaves_at, id"
    source = "plugin_acme_carpool.rides"
    where = "where (cast(:seats as int) is null or seats = :seats)"
    body = {
        "plain": f"select {columns} from {source} {where} order by {by}",
        "for share": f"select {columns} from {source} {where} order by {by}",
        "comment": f"select {columns} from {source} {where} order by {by}",
        "with": f"with picked as (select * from {source} {where}) select {columns} from picked order by {by}",
        "union": f"select {columns} from {source} {where} union all select {columns} from {source} where false order by {by}",
        "grouped": f"select {columns} from {source} {where} group by {columns} order by {by}",
    }[form]
    text = body + " limit :limit offset :offset"
    text += {"for share": " for share", "comment": " -- the end"}.get(form, "")
    query: Query[tuple[Any, ...]] = Query(text, tuple)
    given_values = {"limit": limit, "offset": offset, "seats": seats}

    in_one_trip = await Reader(pool, CARPOOL, tenant).all(query, **given_values)

    transaction = Transaction(pool, CARPOOL, tenant)
    await transaction.begin()
    expected = await transaction.all(query, **given_values)
    await transaction.rollback()
    assert in_one_trip == expected
    assert all(row[0].startswith("alpha") for row in in_one_trip)
    nobodys = Reader(pool, CARPOOL, UUID(int=0))
    assert await nobodys.all(query, **given_values) == []


async def test_another_tenants_row_is_not_there(carpool: Platform) -> None:
    pool = carpool.kernel.clusters.main
    theirs = await fill(carpool, "beta", 3)

    mine = Reader(pool, CARPOOL, carpool.tenant("alpha").id)

    assert await mine.first(ONE, id=theirs[0]) is None
    with pytest.raises(NotFound):
        await mine.one(ONE, id=theirs[0])
    assert await Reader(pool, CARPOOL, carpool.tenant("beta").id).one(ONE, id=theirs[0])


async def test_the_statement_is_closed_without_a_tenant(carpool: Platform) -> None:
    await fill(carpool, "alpha", 3)

    async with carpool.sql(CARPOOL.removeprefix("plugin_").replace("_", ".", 1)) as connection:
        for nobody in (None, ""):
            assert await connection.fetch(one_trip(NAMES), nobody) == []
        assert await connection.fetch(one_trip(NAMES), str(carpool.tenant("alpha").id)) != []
        assert await connection.fetch(NAMES.sql) == [], "the setting outlived its statement"


@pytest.mark.parametrize(
    "text",
    [
        "insert into plugin_acme_carpool.rides (id, name, seats) values (gen_random_uuid(), 'x', 1) returning id",
        "delete from plugin_acme_carpool.rides returning id",
        "with gone as (delete from plugin_acme_carpool.rides returning id) select id from gone",
        "update plugin_acme_carpool.rides set seats = 1 returning id",
    ],
)
async def test_a_reading_call_changes_nothing_whatever_its_statement_says(
    carpool: Platform, text: str
) -> None:
    await fill(carpool, "alpha", 3)
    reader = Reader(carpool.kernel.clusters.main, CARPOOL, carpool.tenant("alpha").id)

    with pytest.raises(Exception, match=r"syntax error|top level"):
        await reader.all(Query(text, UUID))

    assert len(await reader.all(NAMES)) == 3
    with pytest.raises(TypeError, match="effect='write'"):
        await reader.execute(Query(text, UUID))
    with pytest.raises(TypeError, match="effect='write'"):
        await reader.stage("x", {"a": "int"}, [])


async def test_the_same_text_is_prepared_once(carpool: Platform) -> None:
    pool = carpool.kernel.clusters.main
    reader = Reader(pool, APP_ROLE, carpool.tenant("alpha").id)
    query: Query[int] = Query("select count(*) from kernel.memberships", int)

    assert await reader.one(query) == await reader.one(query) == 5
    assert one_trip(query) is one_trip(query)
