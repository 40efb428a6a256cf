"""What a handler is lent for one call: who, where, and the capabilities of its plugin.

These are protocols: the kernel lends real ones, the test kit lends the same real ones on a throwaway database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

import msgspec

from trophenix_sdk.clock import Clock
from trophenix_sdk.database import Query
from trophenix_sdk.errors import Problem

T = TypeVar("T")

ActorKind = Literal["user", "api_key", "system"]


class Tenant(msgspec.Struct, frozen=True):
    """The tenant a call acts for.

    Attributes:
        plan: ``free``, ``starter``, ``professional``, ``enterprise`` or ``custom``.
        locale: BCP 47, such as ``fr-FR``.
        time_zone: IANA name.
        currency: ISO 4217.
    """

    id: UUID
    slug: str
    name: str
    plan: str
    locale: str
    time_zone: str
    currency: str


class Actor(msgspec.Struct, frozen=True):
    """Who acts. An API key acts for the person who made it and never exceeds that person."""

    kind: ActorKind
    id: UUID
    name: str
    user_id: UUID | None = None


class JobState(msgspec.Struct, frozen=True):
    """How far a piece of background work is.

    Attributes:
        status: ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``.
        done, total: what `Context.progress` said last; ``total`` is 0 while it is not known.
        problem: why it failed, or why the last attempt did.
    """

    status: str
    done: int
    total: int
    problem: Problem | None = None


class Database(Protocol):
    """This plugin's tables, this tenant's rows.

    In a reading operation each call is one statement and one round trip. In a writing operation all calls share the
    operation's transaction, which the pipeline commits.
    """

    async def all(self, query: Query[T], /, **params: Any) -> list[T]:
        """Every row."""
        ...

    async def first(self, query: Query[T], /, **params: Any) -> T | None:
        """The first row, or ``None``."""
        ...

    async def one(self, query: Query[T], /, **params: Any) -> T:
        """The first row.

        Raises:
            NotFound: there is none.
        """
        ...

    async def execute(self, query: Query[Any], /, **params: Any) -> int:
        """Run a change and return how many rows it touched.

        Raises:
            Conflict: a constraint refuses it; the constraint's name is the code.
        """
        ...

    async def stage(
        self, name: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """Copy *rows* into a temporary table that lives until the transaction ends.

        The fast way in for bulk data: follow it with ``INSERT … SELECT``.

        Args:
            name: the temporary table's name.
            columns: column name → PostgreSQL type.
            rows: as many values per row as there are columns.
        """
        ...


class Events(Protocol):
    """The outbox of the running transaction."""

    def emit(self, name: str, payload: msgspec.Struct, *, aggregate: UUID | str) -> None:
        """Announce a declared event; it leaves only if the transaction commits.

        Args:
            name: one of the plugin's event types.
            payload: an instance of that type's struct.
            aggregate: what the fact is about; order is kept per aggregate.
        """
        ...


class Context(Protocol):
    """One call of one operation."""

    @property
    def tenant(self) -> Tenant:
        """For whom."""
        ...

    @property
    def actor(self) -> Actor:
        """By whom."""
        ...

    @property
    def db(self) -> Database:
        """The plugin's tables."""
        ...

    @property
    def events(self) -> Events:
        """The outbox."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def locale(self) -> str:
        """The language of the answer, ``fr`` or ``en``."""
        ...

    @property
    def request_id(self) -> str:
        """The call's id, the same in logs, audit and problem documents."""
        ...

    @property
    def expected_version(self) -> int | None:
        """The version the caller read before (``If-Match``); a change must refuse any other."""
        ...

    def settings(self, kind: type[T]) -> T:
        """The plugin's settings for this tenant, as the declared struct with its defaults."""
        ...

    def may(self, permission: str) -> bool:
        """Whether the actor holds *permission* of this plugin here."""
        ...

    async def call(self, operation: str, input: msgspec.Struct | None = None) -> Any:  # noqa: A002
        """Use a published operation, of this plugin or another, as the same actor.

        Raises:
            TrophenixError: whatever the operation refuses with.
        """
        ...

    async def use_limit(self, name: str, amount: int) -> int:
        """Count *amount* against a plan limit of this plugin; negative gives back. Returns how much is used now.

        Raises:
            LimitReached: the plan does not allow that many.
        """
        ...

    async def submit(self, operation: str, input: msgspec.Struct) -> UUID:  # noqa: A002
        """Run an operation of this plugin in the background once this transaction commits; returns the job's id."""
        ...

    async def job(self, job_id: UUID) -> JobState | None:
        """How far a job of this plugin is, as others see it; ``None`` when there is no such job."""
        ...

    async def progress(self, done: int, total: int) -> None:
        """Say how far a long call has come; seen at once by whoever watches the job."""
        ...

    def audit(
        self, summary: str, *, target: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Add what changed to the call's audit entry (never secrets)."""
        ...

    @property
    def now(self) -> datetime:
        """The instant the call began, in UTC."""
        ...
