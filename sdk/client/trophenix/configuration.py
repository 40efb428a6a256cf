"""What a client needs to know before its first call, from arguments and environment variables."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from trophenix.errors import ConfigurationError, ConfigurationProblem
from trophenix.keys import PREFIXES, ApiKey, Environment, KeyMalformed

KEY_VARIABLE: Final = "TROPHENIX_API_KEY"
TENANT_VARIABLE: Final = "TROPHENIX_TENANT"
BASE_URL_VARIABLE: Final = "TROPHENIX_BASE_URL"

_TENANT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Configuration:
    """A set-up in which nothing is missing and nothing contradicts."""

    key: ApiKey
    tenant: str
    base_url: str
    environment: Environment
    timeout_seconds: float
    max_retries: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for; ``None`` means "take it from the environment variable"."""

    api_key: str | None
    tenant: str | None
    base_url: str | None
    environment: Environment | None
    timeout: float
    max_retries: int
    verify_key: bool
    insecure_http: bool


def configure(wishes: Wishes, variables: Mapping[str, str]) -> Configuration:
    """The set-up that follows from *wishes* and, where they are silent, from *variables*.

    An empty variable counts as unset.

    Raises:
        ConfigurationError: something is missing or wrong; it names every fault at once.
    """
    problems: list[ConfigurationProblem] = []
    key = _key(wishes, variables, problems)
    environment = _environment(wishes, key, problems)
    tenant = _tenant(wishes, variables, problems)
    base_url = _base_url(wishes, variables, problems)
    if not (math.isfinite(wishes.timeout) and wishes.timeout > 0):
        message = f"The timeout is {wishes.timeout!r} and must be above 0 seconds."
        problems.append(ConfigurationProblem("timeout_invalid", message))
    if wishes.max_retries < 0:
        message = f"max_retries is {wishes.max_retries} and must be 0 or more."
        problems.append(ConfigurationProblem("max_retries_invalid", message))
    if problems or key is None:
        raise ConfigurationError(tuple(problems))
    return Configuration(key, tenant, base_url, environment, wishes.timeout, wishes.max_retries)


def _key(
    wishes: Wishes, variables: Mapping[str, str], problems: list[ConfigurationProblem]
) -> ApiKey | None:
    text = wishes.api_key or variables.get(KEY_VARIABLE)
    if not text:
        message = f"No API key: give api_key or set {KEY_VARIABLE}."
        problems.append(ConfigurationProblem("key_missing", message))
        return None
    try:
        return ApiKey.checked(text) if wishes.verify_key else ApiKey.unchecked(text)
    except KeyMalformed as error:
        problems.append(ConfigurationProblem(error.code, str(error)))
        return None


def _environment(
    wishes: Wishes, key: ApiKey | None, problems: list[ConfigurationProblem]
) -> Environment:
    found = key.environment if key else None
    environment = wishes.environment or found or "production"
    if environment not in PREFIXES:
        message = f"The environment is {environment!r} and must be one of {', '.join(PREFIXES)}."
        problems.append(ConfigurationProblem("environment_unknown", message))
    elif wishes.verify_key and found is not None and found != environment:
        message = (
            f"The API key belongs to {found} and the environment is {environment}: "
            "use the other key, or leave environment out to follow the key."
        )
        problems.append(ConfigurationProblem("key_environment_mismatch", message))
    return environment


def _tenant(
    wishes: Wishes, variables: Mapping[str, str], problems: list[ConfigurationProblem]
) -> str:
    tenant = wishes.tenant or variables.get(TENANT_VARIABLE) or ""
    if not tenant:
        message = f"No tenant: give tenant or set {TENANT_VARIABLE}."
        problems.append(ConfigurationProblem("tenant_missing", message))
    elif not _TENANT.fullmatch(tenant):
        message = f"The tenant is {tenant!r} and must be a slug such as 'olympic-france'."
        problems.append(ConfigurationProblem("tenant_malformed", message))
    return tenant


def _base_url(
    wishes: Wishes, variables: Mapping[str, str], problems: list[ConfigurationProblem]
) -> str:
    base_url = (wishes.base_url or variables.get(BASE_URL_VARIABLE) or "").rstrip("/")
    if not base_url:
        message = (
            f"No base URL: give base_url or set {BASE_URL_VARIABLE} to the address of your "
            "platform, such as 'https://sport.example.org'."
        )
        problems.append(ConfigurationProblem("base_url_missing", message))
    else:
        problems.extend(_base_url_problems(base_url, insecure_http=wishes.insecure_http))
    return base_url


def _base_url_problems(base_url: str, *, insecure_http: bool) -> list[ConfigurationProblem]:
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError as error:
        return [ConfigurationProblem("base_url_invalid", f"The base URL is no URL: {error}.")]
    if parts.username is not None or parts.password is not None:
        return [
            ConfigurationProblem(
                "base_url_invalid",
                "The base URL holds a user name or password: leave them out, the key is enough.",
            )
        ]
    plain = parts.scheme in {"http", "https"} and host and not parts.query and not parts.fragment
    if not plain or re.search(r"\s", base_url):
        return [
            ConfigurationProblem(
                "base_url_invalid",
                f"The base URL is {base_url!r} and must look like 'https://sport.example.org'.",
            )
        ]
    if parts.scheme == "http" and not insecure_http and not _is_this_machine(host or ""):
        return [
            ConfigurationProblem(
                "base_url_insecure",
                f"The base URL {base_url!r} would send the API key unencrypted to another "
                "machine: use https, or pass insecure_http=True on a network you trust.",
            )
        ]
    return []


def _is_this_machine(host: str) -> bool:
    """Whether *host* is a loopback name or address.

    Source: RFC 6761 §6.3 reserves ``localhost`` and the names below it for loopback.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
