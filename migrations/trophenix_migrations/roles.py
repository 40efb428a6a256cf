"""The database roles, and what each may do.

=================  =====  =============================================================================================
trophenix_owner    —      owns every table; migrations run as it
trophenix_app      login  the kernel at run time: kernel tables under row security; may become a plugin's role
trophenix_system   —      owns the few functions that look across tenants
plugin_<id>        —      one per plugin: the tables of its own schema under row security, nothing else
=================  =====  =============================================================================================

None is a superuser and none may bypass row security.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

import asyncpg

_ATTEMPTS: Final = 20

OWNER: Final = "trophenix_owner"
APP: Final = "trophenix_app"
SYSTEM: Final = "trophenix_system"


def app_password(secret: bytes) -> str:
    """The password of `APP`, derived so that every process that knows the installation's secret knows it."""
    return hmac.new(secret, b"trophenix_app database login", hashlib.sha256).hexdigest()


async def create_roles(connection: Any, password: str) -> None:
    """Make the roles and the kernel's schema exist, with this password; safe to repeat.

    Args:
        connection: an asyncpg connection that may create roles.
        password: hexadecimal, from `app_password`.
    """
    if not all(letter in "0123456789abcdef" for letter in password):
        message = "the derived password must be hexadecimal"
        raise ValueError(message)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await _create_roles(connection, password)
        except asyncpg.InternalServerError as error:
            # Roles belong to the whole server: another of its databases may be set up in this instant, and PostgreSQL lets nobody wait.
            if "concurrently updated" not in str(error) or attempt == _ATTEMPTS:
                raise
        else:
            return


async def _create_roles(connection: Any, password: str) -> None:
    for role in (OWNER, SYSTEM):
        await _ensure_role(connection, role, "nologin")
    await _ensure_role(connection, APP, "login")
    # Only a superuser may say these two words, even to deny them; for everybody else's roles they hold from the start.
    superuser = await connection.fetchval(
        "select rolsuper from pg_roles where rolname = current_user"
    )
    denied = " nosuperuser nobypassrls" if superuser else ""
    await connection.execute(
        f"alter role {APP} with login noinherit nocreatedb nocreaterole{denied} password '{password}'"
    )
    await connection.execute(f"grant {OWNER}, {SYSTEM} to current_user")
    await connection.execute(f"grant {SYSTEM} to {OWNER}")
    await connection.execute(f"create schema if not exists kernel authorization {OWNER}")
    await connection.execute(f"grant usage on schema kernel to {APP}, {SYSTEM}")
    database = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(f"grant create, temporary on database {database} to {OWNER}")
    await connection.execute("revoke create on schema public from public")


async def create_plugin_role(connection: Any, schema: str) -> None:
    """Make a plugin's role and schema exist; the schema belongs to the owner, the role may only use it."""
    await _ensure_role(connection, schema, "nologin")
    await connection.execute(f"grant {schema} to {APP}")
    await connection.execute(f"create schema if not exists {schema} authorization {OWNER}")
    await connection.execute(f"grant usage on schema {schema} to {schema}")


async def drop_plugin_role(connection: Any, schema: str) -> None:
    """Remove a plugin's schema with all its data, and its role; safe to repeat."""
    await connection.execute(f"drop schema if exists {schema} cascade")
    if await connection.fetchval("select 1 from pg_roles where rolname = $1", schema):
        await connection.execute(f"drop owned by {schema}")
        await connection.execute(f"drop role {schema}")


async def _ensure_role(connection: Any, role: str, login: str) -> None:
    # Roles belong to the whole server: two databases may be set up at once.
    await connection.execute(
        f"do $$ begin if not exists (select from pg_roles where rolname = '{role}') then"
        f" create role {role} {login}; end if;"
        " exception when duplicate_object or unique_violation then null; end $$"
    )
