"""The ordinary account that PostgreSQL runs as when it is started by root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trophenix_kernel.runtime.errors import AccountMissing

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ACCOUNT: Final = "trophenix-postgres"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int


def service_account(cluster: Path) -> Account | None:
    """Return whom PostgreSQL must run as to serve *cluster*: nobody else unless this is root.

    For root it is, in this order: the account in ``TROPHENIX_PG_USER``; the owner of a cluster
    that exists; the account ``trophenix-postgres``, which is created when missing, as a system
    account without a password, a home or a shell.

    Raises:
        AccountMissing: there is no such account and it could not be created.
    """
    if os.geteuid() != 0:
        return None
    wanted = os.environ.get("TROPHENIX_PG_USER")
    if wanted is None and cluster.exists():
        owner = cluster.stat()
        if owner.st_uid != 0:
            return Account(_name_of(owner.st_uid), owner.st_uid, owner.st_gid)
    name = wanted or DEFAULT_ACCOUNT
    account = _look_up(name)
    if account is None and wanted is None:
        found = _create(name)
        account = _look_up(name)
    else:
        found = "it does not exist"
    if account is None:
        raise AccountMissing(name, found)
    if account.uid == 0:
        raise AccountMissing(name, "that account is root itself")
    return account


def _look_up(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _create(name: str) -> str:
    """Try to create a system account and return what happened, for a message."""
    for command in (
        ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
         "--shell", "/usr/sbin/nologin", name],
        ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name],  # BusyBox
    ):  # fmt: skip
        program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
        if program is not None:
            # Another start may create it at the same time: only whether it exists then counts.
            result = subprocess.run(
                [program, *command[1:]], capture_output=True, text=True, check=False
            )
            return f"{command[0]} said {result.stderr.strip() or 'nothing'!r}"
    return "it does not exist and neither useradd nor adduser is installed"
