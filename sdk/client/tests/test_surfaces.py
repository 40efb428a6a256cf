"""Both clients offer the same: names, parameters, defaults and, but for waiting, results."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from trophenix import (
    AsyncImportResult,
    AsyncPage,
    AsyncTrophenixClient,
    ImportResult,
    Page,
    TrophenixClient,
)
from trophenix.athletes import AsyncAthletes, Athletes
from trophenix.imports import AsyncImports, Imports
from trophenix.operations import AsyncOperations, Operations
from trophenix.tenant import AsyncTenant, Tenant

PAIRS = [
    (TrophenixClient, AsyncTrophenixClient),
    (Athletes, AsyncAthletes),
    (Imports, AsyncImports),
    (ImportResult, AsyncImportResult),
    (Operations, AsyncOperations),
    (Tenant, AsyncTenant),
    (Page, AsyncPage),
]
# What carries the difference itself.
CARRIERS = {"connection", "transport", "sleep", "follow", "imports"}


def public(kind: type[Any]) -> dict[str, Any]:
    members = inspect.getmembers_static(kind)
    return {name: member for name, member in members if not name.startswith("_")}


def told(function: Any) -> list[tuple[object, ...]]:
    return [
        (p.name, p.kind, *((p.default, p.annotation) if p.name not in CARRIERS else ()))
        for p in inspect.signature(function).parameters.values()
    ]


def unawaited(annotation: object) -> object:
    return annotation.replace("Async", "") if isinstance(annotation, str) else annotation


@pytest.mark.parametrize(("plain", "waiting"), PAIRS)
def test_both_have_the_same_members(plain: type[Any], waiting: type[Any]) -> None:
    assert public(plain).keys() == public(waiting).keys()
    assert public(plain)


@pytest.mark.parametrize(("plain", "waiting"), PAIRS)
def test_both_take_the_same_parameters_and_give_the_same_results(
    plain: type[Any], waiting: type[Any]
) -> None:
    for name, member in {"__init__": plain.__init__, **public(plain)}.items():
        other = inspect.getattr_static(waiting, name)
        if isinstance(member, property):
            assert member.fget is not None
            member, other = member.fget, other.fget
        assert told(member) == told(other), name
        given = inspect.signature(member).return_annotation
        awaited = inspect.signature(other).return_annotation
        assert given == unawaited(awaited), name


@pytest.mark.parametrize(("plain", "waiting"), PAIRS)
def test_whatever_sends_is_a_coroutine_and_documented(plain: type[Any], waiting: type[Any]) -> None:
    for name, member in public(plain).items():
        assert inspect.getdoc(member), name
        if inspect.isfunction(member) and member.__module__.startswith("trophenix."):
            other = inspect.getattr_static(waiting, name)
            assert inspect.getdoc(other), name
            assert inspect.iscoroutinefunction(other) or inspect.isasyncgenfunction(other), name


def test_the_resources_hang_at_the_same_places() -> None:
    settings: dict[str, Any] = {
        "api_key": "key",
        "tenant": "club",
        "base_url": "https://sport.example",
        "verify_key": False,
    }
    plain, waiting = TrophenixClient(**settings), AsyncTrophenixClient(**settings)

    assert vars(plain).keys() == vars(waiting).keys()
    assert (type(plain.athletes), type(waiting.athletes)) in PAIRS
    assert (type(plain.athletes.imports), type(waiting.athletes.imports)) in PAIRS
    assert (type(plain.tenant), type(waiting.tenant)) in PAIRS
    assert (type(plain.operations), type(waiting.operations)) in PAIRS
