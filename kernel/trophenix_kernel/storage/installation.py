"""Setting a database up, and finding the way in afterwards: the installation's secret and the application's login."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from trophenix_migrations import roles
from trophenix_migrations.runner import KERNEL, LOCK_KEY, History, Step, upgrade
from trophenix_sdk.errors import TrophenixError

SET_UP_KEY: Final = LOCK_KEY + 1
"""The advisory lock that lets one at a time set a database up; each history inside takes the migrators' own."""

_READ: Final = "select value from kernel.installation where name = 'secret'"


class NotSetUp(TrophenixError):
    """The database was never migrated, or only partly."""

    code = "database_not_set_up"
    title = "The database is not set up"


class NoWayIn(TrophenixError):
    """The login given can neither be used as the application's nor find out its password."""

    code = "database_login"
    title = "The database login cannot be used"


async def set_up(
    dsn: str,
    histories: Iterable[History],
    *,
    secret: bytes | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> tuple[bytes, list[Step]]:
    """Roles, schemas and tables exist and are current afterwards; safe to repeat.

    Args:
        dsn: an administrator's login of one cluster.
        histories: the plugins' histories in dependency order; the kernel's is always first.
        secret: the installation's secret; read back, or made, when not given.
        report: told a line per step.

    Returns:
        The installation's secret and what each history went through.

    Raises:
        NotSetUp: the kernel's own history could not be brought up.
    """
    connection = await asyncpg.connect(dsn)
    try:
        # Whoever comes at the same time finds the secret that the first one made.
        await connection.execute("select pg_advisory_lock($1)", SET_UP_KEY)
        kept = await _kept_secret(connection)
        chosen = secret or kept or secrets.token_bytes(32)
        await roles.create_roles(connection, roles.app_password(chosen))
        report("roles are in place")
        steps = await upgrade(dsn, [KERNEL])
        if steps[0].error:
            raise NotSetUp(
                f"The kernel's tables could not be made: {steps[0].error}",
                next_step="Mend the cause and migrate again.",
            )
        _say(report, steps[0])
        await connection.execute(
            "insert into kernel.installation (name, value) values ('secret', $1)"
            " on conflict (name) do update set value = excluded.value",
            chosen,
        )
        steps += await upgrade(dsn, histories, report=lambda step: _say(report, step))
    finally:
        await connection.close()
    return chosen, steps


async def application_dsn(dsn: str, secret: bytes | None = None) -> str:
    """The URL by which the platform logs in at run time.

    Args:
        dsn: an administrator's URL, or already the application's.
        secret: the installation's secret, when the environment gives it.

    Raises:
        NotSetUp: the database has no installation.
        NoWayIn: the login may not read the secret.
    """
    parts = urlsplit(dsn)
    if parts.username == roles.APP:
        return dsn
    if secret is None:
        try:
            connection = await asyncpg.connect(dsn)
        except asyncpg.InvalidCatalogNameError as error:
            raise NotSetUp(
                str(error), next_step="Create the database, then run `trophenix migrate`."
            ) from error
        try:
            secret = await _kept_secret(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            raise NoWayIn(
                f"{parts.username} may not read the installation's secret.",
                next_step=f"Use the login {roles.APP}, or set TROPHENIX_SECRET_KEY, or use the administrator's login.",
            ) from error
        finally:
            await connection.close()
    if secret is None:
        raise NotSetUp(
            "The database holds no installation.", next_step="Run `trophenix migrate` first."
        )
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{roles.APP}:{quote(roles.app_password(secret))}@{host}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, parts.fragment))


async def _kept_secret(connection: Any) -> bytes | None:
    if not await connection.fetchval("select to_regclass('kernel.installation') is not null"):
        return None
    return await connection.fetchval(_READ)


def _say(report: Callable[[str], None], step: Step) -> None:
    if step.error:
        report(f"{step.owner}: FAILED, left at {step.before or 'nothing'}: {step.error}")
    elif step.before == step.after:
        report(f"{step.owner}: current ({step.after or 'no tables'})")
    else:
        report(f"{step.owner}: {step.before or 'nothing'} → {step.after or 'nothing'}")
