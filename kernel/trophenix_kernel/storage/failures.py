"""What the database refuses, in the platform's words."""

from __future__ import annotations

import json

import asyncpg

from trophenix_sdk.errors import (
    Conflict,
    FieldProblem,
    Invalid,
    LimitReached,
    PermissionDenied,
    TrophenixError,
    Unavailable,
)


class AnsweredBefore(Exception):
    """The idempotency key belongs to a call that was already answered."""


def translate(error: BaseException) -> BaseException:
    """The platform's error for a database failure; anything unknown comes back as it was."""
    if isinstance(error, asyncpg.PostgresError):
        return _translate_refusal(error)
    # An InterfaceError may also say that the driver is used wrongly, for example by two statements at once; that must stay visible as a
    # fault. An InternalClientError is its confusion when the server closes a connection the moment it is used.
    lost = isinstance(error, asyncpg.InternalClientError) or (
        isinstance(error, asyncpg.InterfaceError) and "closed" in str(error)
    )
    if lost or isinstance(error, (OSError, TimeoutError)):
        return Unavailable(
            "The database does not answer.",
            next_step="Try again in a moment; operators find the cause with `trophenix doctor`.",
            headers=(("Retry-After", "2"),),
        )
    return error


def _translate_refusal(error: asyncpg.PostgresError) -> BaseException:
    state = error.sqlstate or ""
    constraint = getattr(error, "constraint_name", None) or ""
    match state:
        case "23505":
            return Conflict("Something with the same key exists already.", code=constraint or None)
        case "23503":
            return Conflict(
                "It refers to something that does not exist, or is still referred to.",
                code=constraint or None,
            )
        case "23514" | "23P01":
            return Conflict("A rule of the data refuses this.", code=constraint or None)
        # 22000 is the driver's: a value that its column's type cannot hold never leaves this process.
        case (
            "23502"
            | "22000"
            | "22001"
            | "22003"
            | "22007"
            | "22008"
            | "22P02"
            | "22021"
            | "22P05"
            | "54000"
        ):
            field = getattr(error, "column_name", None) or ""
            problem = FieldProblem(f"/{field}" if field else "", "not_storable", error.args[0])
            return Invalid("A value cannot be stored.", problems=(problem,))
        case "42501":
            return PermissionDenied(
                "The database refuses this to the module that asked.", code="database_refused"
            )
        case "40001" | "40P01" | "55P03":
            return Conflict(
                "Somebody else is changing the same thing.", next_step="Try again.", code="busy"
            )
        case "TX001":
            return AnsweredBefore()
        case "TX002":
            return Invalid(
                "This Idempotency-Key was used for another call.",
                next_step="Use a new key for a new call.",
                code="idempotency_key_reused",
            )
        case "TX003":
            return _limit_reached(error)
        case "TX004":
            return Conflict("A tenant keeps its place in the tree.", code="tenant_keeps_its_place")
        case "TX005":
            return Conflict(
                "The job was cancelled, or another worker took it over.", code="job_ended"
            )
        case "57014":
            return Unavailable(
                "This took too long and was stopped.", next_step="Ask for less at once."
            )
        case (
            "57P01"
            | "57P02"
            | "57P03"
            | "53100"
            | "53200"
            | "53300"
            | "08000"
            | "08001"
            | "08003"
            | "08006"
        ):
            return Unavailable(
                "The database does not answer.",
                next_step="Try again in a moment.",
                headers=(("Retry-After", "2"),),
            )
        case _:
            return error


def _limit_reached(error: asyncpg.PostgresError) -> TrophenixError:
    facts = json.loads(getattr(error, "detail", None) or "{}")
    return LimitReached(
        f"Your plan allows {facts.get('maximum')} {facts.get('limit')}; {facts.get('used')} are used"
        f" and {facts.get('amount')} more were asked for.",
        next_step="Remove some, or move to a larger plan.",
    )
