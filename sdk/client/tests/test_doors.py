"""The tenant's figures, the generic operation door, and the door for everything else."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from trophenix import (
    AuthenticationError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    TrophenixClient,
)
from trophenix.keys import assemble

if TYPE_CHECKING:
    from .conftest import Platform, Surface


def test_every_call_says_who_asks_for_whom(platform: Platform, surface: Surface) -> None:
    surface.call(lambda client: client.athletes.search())

    headers = platform.received[0].headers
    assert headers["authorization"] == f"Bearer {platform.key}"
    assert headers["x-tenant-id"] == "olympic-france"
    assert headers["accept"] == "application/json"
    assert re.fullmatch(r"trophenix-python/\d+\.\d+\.\d+ \(.+\)", headers["user-agent"])


def test_an_unknown_key_and_a_foreign_tenant_are_told_apart(surface: Surface) -> None:
    other = assemble("production", "x" * 32)

    with pytest.raises(AuthenticationError):
        surface.call(lambda client: client.athletes.search(), api_key=other)
    with pytest.raises(PermissionDenied):
        surface.call(lambda client: client.athletes.search(), tenant="another")


def test_tenant_stats_are_the_tenants_own(platform: Platform, surface: Surface) -> None:
    platform.add()

    stats = surface.call(lambda client: client.tenant.stats())

    assert stats == {"tenant": "olympic-france", "athletes": 1}


def test_an_operation_is_called_by_name(platform: Platform, surface: Surface) -> None:
    client = surface.client()

    answer = surface.settle(client.operations.call("recruitment.athletes.merge", {"keep": "a"}))
    empty = surface.settle(client.operations.call("ping"))

    assert answer == {"operation": "recruitment.athletes.merge", "input": {"keep": "a"}}
    assert empty == {"operation": "ping", "input": {}}
    assert platform.received[0].headers["idempotency-key"]


def test_any_route_can_be_called(platform: Platform, surface: Surface) -> None:
    platform.add(name="Zoé")
    client = surface.client()

    found = surface.settle(
        client.request("get", "/api/v1/athletes?limit=5", params={"q": "zoé", "sport": None})
    )
    made = surface.settle(
        client.request("POST", "/api/v1/athletes", json={"last_name": "X"}, idempotency_key="k")
    )

    assert found.status == 200
    assert platform.received[0].query == {"limit": "5", "q": "zoé"}
    assert isinstance(document := found.json(), dict)
    assert document["next_cursor"] is None
    assert made.status == 201
    assert platform.received[1].headers["idempotency-key"] == "k"


def test_any_route_has_the_same_errors(surface: Surface) -> None:
    with pytest.raises(NotFound, match="No route"):
        surface.call(lambda client: client.request("GET", "/api/v1/nothing"))


@pytest.mark.parametrize(
    "path", ["", "athletes", "https://evil.example/x", "@evil.example/x", "/a\r\nX-Evil: 1", "/\0"]
)
def test_the_key_goes_nowhere_but_to_the_base_url(
    path: str, platform: Platform, surface: Surface
) -> None:
    with pytest.raises(InvalidArgument):
        surface.call(lambda client: client.request("GET", path))

    assert platform.received == []


def test_a_path_that_looks_like_a_host_is_a_path(platform: Platform, surface: Surface) -> None:
    with pytest.raises(NotFound):
        surface.call(lambda client: client.request("GET", "//evil.example/x"))

    assert len(platform.received) == 1


def test_a_closed_client_sends_nothing(platform: Platform, surface: Surface) -> None:
    client = surface.client()
    surface.settle(client.close())

    with pytest.raises(RuntimeError, match="closed"):
        surface.settle(client.athletes.get("a"))

    assert platform.received == []


UNSAFE: dict[str, Callable[[TrophenixClient], object]] = {
    "create": lambda c: c.athletes.create(last_name="X", idempotency_key="mine"),
    "update": lambda c: c.athletes.update("athlete-1", ranking=2, idempotency_key="mine"),
    "delete": lambda c: c.athletes.delete("athlete-1", idempotency_key="mine"),
    "import list": lambda c: c.athletes.bulk_import(athletes=[], idempotency_key="mine"),
    "import file": lambda c: c.athletes.bulk_import(
        "csv", file=io.BytesIO(b"last_name\n"), wait=False, idempotency_key="mine"
    ),
    "apply": lambda c: c.athletes.imports.apply("batch-1", wait=False, idempotency_key="mine"),
    "revert": lambda c: c.athletes.imports.revert("batch-1", wait=False, idempotency_key="mine"),
    "operation": lambda c: c.operations.call("ping", idempotency_key="mine"),
    "request": lambda c: c.request("PUT", "/api/v1/athletes/athlete-1", idempotency_key="mine"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_every_unsafe_call_takes_the_callers_idempotency_key(
    name: str, platform: Platform, surface: Surface
) -> None:
    platform.add()
    client = surface.client()
    if name in {"apply", "revert"}:
        surface.settle(
            client.athletes.bulk_import("csv", file=io.BytesIO(b"last_name\n"), mode="preview")
        )

    surface.settle(UNSAFE[name](client))

    assert platform.received[-1].method != "GET"
    assert platform.received[-1].headers["idempotency-key"] == "mine"
