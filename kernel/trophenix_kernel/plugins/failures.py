"""How a plugin's implementation of a hook can fail, and what that is to the caller of the hook."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct

from trophenix_sdk.errors import TrophenixError, Unavailable


class FailureKind(enum.StrEnum):
    """How an implementation failed."""

    RAISED = "raised"
    EXITED = "exited"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"
    WRONG_TYPE = "wrong_type"
    BREAKER_OPEN = "breaker_open"


class HookFailure(Struct, frozen=True, kw_only=True):
    """One implementation failed in one call.

    Attributes:
        plugin: ``""`` when a call took too long and it is not known yet which of several plugins it was.
        found, expected, next_step: what a person needs to repair it.
    """

    hook: str
    plugin: str
    tenant: str
    kind: FailureKind
    found: str
    expected: str
    next_step: str
    traceback: str = ""

    @property
    def code(self) -> str:
        """Stable, such as ``hook.timed_out``."""
        return f"hook.{self.kind}"

    def __str__(self) -> str:
        who = self.plugin or "a plugin"
        return f"[{self.code}] {who}, hook {self.hook}: found {self.found}; expected {self.expected}. {self.next_step}"


class HookFailed(TrophenixError):
    """A plugin failed in a hook whose caller cannot go on without it.

    What happened inside the plugin is for the report; a caller learns only which plugin it was.

    Attributes:
        failure: which, and how.
    """

    code: ClassVar[str] = "hook_failed"
    title: ClassVar[str] = "A plugin failed"

    def __init__(self, failure: HookFailure) -> None:
        super().__init__(
            f"{failure.plugin or 'A plugin'} failed in {failure.hook}; nothing was changed.",
            next_step="Try again in a moment; operators find the cause in the log.",
        )
        self.failure = failure


class HookVetoed(Unavailable):
    """A plugin that has a say in this could not be asked; without its answer it is not allowed.

    What happened inside the plugin is for the report; a caller learns only which plugin it was.

    Attributes:
        failure: which, and how.
    """

    code: ClassVar[str] = "hook_vetoed"
    title: ClassVar[str] = "A plugin that must agree does not respond"

    def __init__(self, failure: HookFailure) -> None:
        super().__init__(
            f"{failure.plugin or 'A plugin'} has a say in this and could not be asked.",
            next_step="Try again in a moment; operators find the cause in the log.",
        )
        self.failure = failure


Report = Callable[[HookFailure], None]
"""Told of every failure, at once; must not raise."""


def shown(error: BaseException) -> str:
    """The error in one line, whatever its own ``__str__`` does."""
    try:
        if isinstance(error, SystemExit):
            return f"sys.exit({error.code!r})"
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a plugin's class; it may not even be printable
        return f"{type(error).__name__} (its text cannot be shown)"
