"""Passwords: hashed with Argon2id, checked in constant time whether or not the person exists."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from trophenix_sdk.errors import FieldProblem, Invalid

MINIMUM_LENGTH: Final = 12
MAXIMUM_LENGTH: Final = 1024

_hasher: Final = PasswordHasher()
# Each check costs 64 MiB: two at a time bound what a flood of sign-ins can take.
_workers: Final = ThreadPoolExecutor(2, thread_name_prefix="argon2")


def check_strength(password: str, *, email: str = "") -> None:
    """Accept a password that is long enough and does not hold the person's own address.

    Raises:
        Invalid: it is too short, too long or guessable.

    Source: NIST SP 800-63B §5.1.1.2 (length over composition).
    """
    fault = ""
    if len(password) < MINIMUM_LENGTH:
        fault = f"has {len(password)} characters; at least {MINIMUM_LENGTH} are needed"
    elif len(password) > MAXIMUM_LENGTH:
        fault = f"has {len(password)} characters; at most {MAXIMUM_LENGTH} are read"
    elif (
        email
        and email.partition("@")[0].lower() in password.lower()
        and len(email.partition("@")[0]) > 3
    ):
        fault = "holds the e-mail address"
    elif len(set(password)) < 5:
        fault = "repeats the same few characters"
    if fault:
        raise Invalid(
            f"The password {fault}.",
            next_step="Use a longer phrase.",
            problems=(FieldProblem("/password", "weak_password", f"the password {fault}"),),
        )


async def hash_password(password: str) -> str:
    """The Argon2id hash, parameters included."""
    return await asyncio.get_running_loop().run_in_executor(_workers, _hasher.hash, password)


async def verify(password: str, hashed: str | None) -> bool:
    """Whether the password is right; takes as long when there is no hash to compare with."""
    shortened = password[:MAXIMUM_LENGTH]
    return await asyncio.get_running_loop().run_in_executor(_workers, _verify, shortened, hashed)


def needs_rehash(hashed: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(hashed)


def _verify(password: str, hashed: str | None) -> bool:
    try:
        _hasher.verify(hashed or _decoy(), password)
    except (VerificationError, InvalidHashError):
        return False
    return hashed is not None


@functools.cache
def _decoy() -> str:
    return _hasher.hash("nobody has this password")
