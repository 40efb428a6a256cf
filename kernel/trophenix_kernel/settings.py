"""What an operator sets, read once from the environment; every unit is in the name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self

import msgspec


class SettingsInvalid(Exception):
    """The environment does not make a configuration; the message lists every fault."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One process's configuration.

    Attributes:
        database_url: PostgreSQL 15 to 18. An administrator's login sets the database up; at run time the platform logs in as
            ``trophenix_app``, whose password it derives from the installation's secret.
        nats_url: a NATS server with JetStream.
        clusters: further database clusters, name → URL; ``main`` is *database_url*.
        secret_key: the installation's secret; without one, a secret is made at the first migration and kept in the database, where only
            the administrator's login can read it.
        base_url: how browsers reach the platform; sub-domains of its host are tenants' addresses.
        pool_size: database connections per process and cluster.
        max_upload_bytes: the largest file read.
        trusted_proxies: how many reverse proxies in front set ``X-Forwarded-For`` and ``X-Forwarded-Proto``.
        metrics_token: what a scraper of ``/metrics`` sends as its bearer; without one, only direct callers on this machine or a private
            network are answered.
        strict: a plugin that is not ready stops the start.
        safe: start without any plugin.
    """

    database_url: str
    nats_url: str = "nats://127.0.0.1:4222"
    clusters: dict[str, str] = {}
    secret_key: str = ""
    base_url: str = "http://127.0.0.1:8000"
    pool_size: int = 8
    max_upload_bytes: int = 200 * 1024 * 1024
    trusted_proxies: int = 0
    metrics_token: str = ""
    strict: bool = False
    safe: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings in ``TROPHENIX_*`` variables.

        Raises:
            SettingsInvalid: a variable is missing or cannot be read as its type.
        """
        given = os.environ if environment is None else environment
        values: dict[str, object] = {}
        faults: list[str] = []
        for field in msgspec.structs.fields(cls):
            name = "TROPHENIX_" + field.name.upper()
            if name not in given:
                continue
            text = given[name]
            try:
                values[field.name] = (
                    msgspec.json.decode(text, type=field.type)
                    if field.type is not str and field.type is not bool
                    else msgspec.convert(text, field.type, strict=False)
                )
            except msgspec.MsgspecError as error:
                faults.append(f"{name}={text!r}: {error}")
        if "database_url" not in values:
            faults.append(
                "TROPHENIX_DATABASE_URL is not set: expected a URL such as"
                " postgresql://user:password@host/database; or run `trophenix up`, which brings its own database"
            )
        if faults:
            raise SettingsInvalid("\n".join(faults))
        return msgspec.convert(values, cls)
