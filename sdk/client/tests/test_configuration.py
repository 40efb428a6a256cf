"""What a client is set up with: arguments before variables, and every fault named at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trophenix import AsyncTrophenixClient, ConfigurationError, TrophenixClient
from trophenix.configuration import Wishes, configure
from trophenix.keys import assemble

LIVE = assemble("production", "L" * 32)
TEST = assemble("sandbox", "T" * 32)
SILENT = Wishes(
    api_key=None,
    tenant=None,
    base_url=None,
    environment=None,
    timeout=30,
    max_retries=3,
    verify_key=True,
    insecure_http=False,
)
GIVEN = replace(SILENT, api_key=LIVE, tenant="olympic-france", base_url="https://sport.example")


def codes(wishes: Wishes, variables: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        configure(wishes, variables or {})
    assert refused.value.code == refused.value.problems[0].code
    return [problem.code for problem in refused.value.problems]


def test_variables_fill_in_what_was_not_given() -> None:
    variables = {
        "TROPHENIX_API_KEY": TEST,
        "TROPHENIX_TENANT": "club-a",
        "TROPHENIX_BASE_URL": "https://sport.example/base/",
    }

    settings = configure(SILENT, variables)

    assert settings.key.reveal() == TEST
    assert settings.tenant == "club-a"
    assert settings.base_url == "https://sport.example/base"
    assert settings.environment == "sandbox"


def test_arguments_win_over_variables() -> None:
    variables = {"TROPHENIX_API_KEY": TEST, "TROPHENIX_TENANT": "x", "TROPHENIX_BASE_URL": "y"}

    settings = configure(GIVEN, variables)

    assert (settings.key.reveal(), settings.tenant) == (LIVE, "olympic-france")
    assert settings.base_url == "https://sport.example"


def test_every_fault_is_named_at_once() -> None:
    wishes = replace(SILENT, timeout=0, max_retries=-1)

    assert codes(wishes, {"TROPHENIX_TENANT": ""}) == [
        "key_missing",
        "tenant_missing",
        "base_url_missing",
        "timeout_invalid",
        "max_retries_invalid",
    ]


@pytest.mark.parametrize("kind", [TrophenixClient, AsyncTrophenixClient])
def test_clients_read_the_environment(
    kind: type[TrophenixClient | AsyncTrophenixClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROPHENIX_API_KEY", LIVE)
    monkeypatch.setenv("TROPHENIX_TENANT", "olympic-france")
    monkeypatch.setenv("TROPHENIX_BASE_URL", "https://sport.example")

    client = kind()

    assert client.tenant.slug == "olympic-france"
    assert client.base_url == "https://sport.example"
    assert client.environment == "production"


def test_a_key_of_the_other_environment_is_refused() -> None:
    assert codes(replace(GIVEN, environment="sandbox")) == ["key_environment_mismatch"]
    assert codes(replace(GIVEN, api_key=TEST, environment="production")) == [
        "key_environment_mismatch"
    ]


def test_a_malformed_key_is_refused_unless_told_otherwise() -> None:
    wrong = replace(GIVEN, api_key="troph_sk_live_abc123")

    assert codes(wrong) == ["key_malformed"]
    assert configure(replace(wrong, verify_key=False), {}).key.reveal() == "troph_sk_live_abc123"


@pytest.mark.parametrize("tenant", ["a b", "x/y", "../up", "a\r\nX-Evil: 1", "-a", "é"])
def test_a_tenant_that_is_no_slug_is_refused(tenant: str) -> None:
    assert codes(replace(GIVEN, tenant=tenant)) == ["tenant_malformed"]


@pytest.mark.parametrize(
    "base_url",
    [
        "sport.example",
        "ftp://sport.example",
        "https://",
        "https://sport.example?x=1",
        "https://sport.example#part",
        "https://sport.example:port",
        "https://sport .example",
        "https://user:secret-word@sport.example",
        "https://[::1",
    ],
)
def test_what_is_no_base_url_is_refused(base_url: str) -> None:
    wishes = replace(GIVEN, base_url=base_url)

    assert codes(wishes) == ["base_url_invalid"]
    with pytest.raises(ConfigurationError) as refused:
        configure(wishes, {})
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    "base_url",
    ["http://localhost:8000", "http://demo.localhost", "http://127.0.0.9", "http://[::1]:9"],
)
def test_plain_http_is_for_this_machine(base_url: str) -> None:
    assert configure(replace(GIVEN, base_url=base_url), {}).base_url == base_url


@pytest.mark.parametrize(
    "base_url", ["http://sport.example", "http://10.0.0.1", "http://localhost.io"]
)
def test_plain_http_to_another_machine_needs_consent(base_url: str) -> None:
    wishes = replace(GIVEN, base_url=base_url)

    assert codes(wishes) == ["base_url_insecure"]
    assert configure(replace(wishes, insecure_http=True), {}).base_url == base_url
