"""From what a caller shows to who they are; nothing is asked of the database for a credential seen before."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from trophenix_kernel.identity import api_keys, passwords, store
from trophenix_kernel.identity.attempts import Attempts
from trophenix_kernel.identity.model import (
    SESSION_DAYS,
    Identity,
    Membership,
    SessionRow,
    User,
    lock_seconds,
)
from trophenix_kernel.storage.changes import Changes
from trophenix_kernel.storage.platform import Platform
from trophenix_sdk.clock import Clock
from trophenix_sdk.errors import NotFound, TrophenixError, Unauthenticated
from trophenix_sdk.ids import new_id

_REFUSED: Final = "The credential is not valid."
_NOBODY: Final = UUID(int=0)


class Credentials:
    """Signs people in and recognises what they show afterwards.

    Args:
        platform: the main cluster.
        changes: what announces that a person, a session or a key changed.
        clock: for expiry.
    """

    def __init__(self, platform: Platform, changes: Changes, clock: Clock) -> None:
        self._platform = platform
        self._changes = changes
        self._clock = clock
        self._attempts = Attempts()
        self._keys = changes.cache(self._load_key)
        self._sessions = changes.cache(self._load_session)
        self._memberships = changes.cache(self._load_memberships)
        self._used: set[UUID] = set()
        changes.on("api_keys", self._forget_key)
        changes.on("sessions", self._forget_session)
        changes.on("users", self._forget_user)
        changes.on("memberships", lambda user: self._memberships.drop(UUID(user)))

    async def of_key(self, key: str) -> Identity:
        """Who an API key acts for.

        Raises:
            Unauthenticated: malformed, unknown, revoked or expired, without saying which.
        """
        found = self._keys.peek(key)
        if found is None:
            if not api_keys.well_formed(key):
                raise Unauthenticated(_REFUSED, next_step="Check that the key was copied whole.")
            found = await self._keys.get(key)
        identity = self._still_good(found)
        self._used.add(identity.id)
        return identity

    async def write_last_use(self) -> None:
        """Keys that were shown since the last time carry the present minute as their last use; one statement for all of them."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            await self._platform.first(store.TOUCH_KEYS, keys=list(used), at=self._clock.now())
        except TrophenixError:
            self._used |= used

    async def of_session(self, token: str) -> Identity:
        """Who a session cookie belongs to.

        Raises:
            Unauthenticated: unknown, revoked or expired.
        """
        found = self._sessions.peek(token)
        if found is None:
            found = await self._sessions.get(token)
        return self._still_good(found)

    async def memberships(self, user: UUID) -> list[Membership]:
        """Where a person belongs, in any state; the caller looks at the status and the expiry."""
        return await self._memberships.get(user)

    async def sign_in(
        self, email: str, password: str, *, ip: str = "", user_agent: str = ""
    ) -> tuple[str, Identity]:
        """A new session's token, and who it belongs to.

        The answer takes as long and reads the same whether the person exists, the password is wrong or sign-in is closed for a while.

        Raises:
            Unauthenticated: no session was made.
            RateLimited: too many attempts came from *ip*.
        """
        now = self._clock.now()
        self._attempts.count(ip, now)
        user = await self._platform.first(store.USER_BY_EMAIL, email=email.strip().lower())
        right = await passwords.verify(password, user.password_hash if user else None)
        locked = user is not None and user.locked_until is not None and user.locked_until > now
        if user is None or not right or locked or user.status != "active":
            # A stranger's failure is counted on nobody: both refusals ask the database the same.
            counts = user is not None and not right and not locked
            await self._count_failure(user.id if user is not None and counts else _NOBODY, now)
            raise Unauthenticated(
                "The e-mail address or the password is not right, or sign-in is closed for a while.",
                next_step="Try again; after several failures wait a few minutes.",
                code="sign_in_refused",
            )
        if user.failed_attempts:
            await self._platform.first(store.CLEAR_FAILURES, id=user.id)
        if user.password_hash and passwords.needs_rehash(user.password_hash):
            await self._platform.first(
                store.SET_PASSWORD,
                id=user.id,
                password_hash=await passwords.hash_password(password),
            )
        token = secrets.token_urlsafe(32)
        session = await self._platform.first(
            store.INSERT_SESSION,
            id=new_id(),
            token_hash=digest_of(token),
            user_id=user.id,
            expires_at=now + timedelta(days=SESSION_DAYS),
            ip=ip[:64],
            user_agent=user_agent[:300],
        )
        if session is None:
            raise Unauthenticated(_REFUSED)
        return token, _identity_of(session, user)

    async def sign_out(self, identity: Identity) -> None:
        """End the session at once, in every process."""
        if identity.session_id is not None:
            await self.revoke_session(identity.user_id, identity.session_id)

    async def sessions(self, user: UUID) -> list[SessionRow]:
        """Where a person is signed in."""
        return await self._platform.all(store.SESSIONS_OF, user=user, now=self._clock.now())

    async def revoke_session(self, user: UUID, session: UUID) -> bool:
        """End one of the person's sessions; says whether there was one."""
        now = self._clock.now()
        revoked = await self._platform.first(store.REVOKE_SESSION, id=session, user=user, now=now)
        await self._changes.caught_up()
        return revoked is not None

    async def change_password(self, identity: Identity, old: str, new: str) -> None:
        """Set a new password and end all other sessions.

        Raises:
            Unauthenticated: the old password is wrong.
            Invalid: the new one is too weak.
        """
        user = await self._platform.first(store.USER_BY_ID, id=identity.user_id)
        if user is None or not await passwords.verify(old, user.password_hash):
            raise Unauthenticated("The present password is not right.", code="sign_in_refused")
        passwords.check_strength(new, email=user.email)
        await self._platform.first(
            store.SET_PASSWORD, id=user.id, password_hash=await passwords.hash_password(new)
        )
        keep = identity.session_id or new_id()
        await self._platform.all(
            store.REVOKE_OTHERS, user=user.id, keep=keep, now=self._clock.now()
        )
        await self._changes.caught_up()

    async def user(self, user: UUID) -> User | None:
        """A person by id."""
        return await self._platform.first(store.USER_BY_ID, id=user)

    async def user_by_email(self, email: str) -> User | None:
        """A person by address."""
        return await self._platform.first(store.USER_BY_EMAIL, email=email.strip().lower())

    async def create_user(
        self,
        *,
        email: str,
        name: str,
        password: str | None,
        locale: str = "en",
        platform_admin: bool = False,
    ) -> User:
        """A new person.

        Raises:
            Conflict: the address is taken (code ``users_email_key``).
            Invalid: the password is too weak.
        """
        hashed: str | None = None
        if password is not None:
            passwords.check_strength(password, email=email)
            hashed = await passwords.hash_password(password)
        made = await self._platform.first(
            store.INSERT_USER,
            id=new_id(),
            email=email.strip().lower(),
            name=name,
            password_hash=hashed,
            locale=locale,
            platform_admin=platform_admin,
        )
        assert made is not None  # noqa: S101 - INSERT … RETURNING gives a row or raises
        return made

    async def reset_password(self, user: UUID, password: str) -> None:
        """Set a password without the old one, and end every session; for administrators.

        Raises:
            Invalid: it is too weak.
        """
        passwords.check_strength(password)
        await self._platform.first(
            store.SET_PASSWORD, id=user, password_hash=await passwords.hash_password(password)
        )
        await self._platform.all(
            store.REVOKE_OTHERS, user=user, keep=new_id(), now=self._clock.now()
        )
        await self._changes.caught_up()

    async def invited(self, token: str) -> User | None:
        """Whom an open invitation is for."""
        user = await self._platform.first(
            store.OPEN_INVITATION, digest=digest_of(token), now=self._clock.now()
        )
        return await self.user(user) if user else None

    async def accept(
        self, token: str, password: str, *, ip: str = "", user_agent: str = ""
    ) -> tuple[str, Identity]:
        """Begin the membership an invitation was made for, and sign in.

        Somebody without a password sets it here. Somebody who has one must show it: an invitation proves that a tenant wants the
        person, never who the person is.

        Raises:
            NotFound: there is no such open invitation.
            Invalid: the password to be is too weak; the invitation stays open.
            Unauthenticated: the account's password is another one; the invitation stays open.
        """
        user = await self.invited(token)
        if user is None:
            raise _invitation_unknown()
        signed_in: tuple[str, Identity] | None = None
        hashed = ""
        if user.password_hash is not None:
            signed_in = await self.sign_in(user.email, password, ip=ip, user_agent=user_agent)
        else:
            passwords.check_strength(password, email=user.email)
            hashed = await passwords.hash_password(password)
        now = self._clock.now()
        if (
            await self._platform.first(store.USE_INVITATION, digest=digest_of(token), now=now)
            is None
        ):
            raise _invitation_unknown()
        self._memberships.drop(user.id)
        if signed_in is not None:
            return signed_in
        await self._platform.first(store.SET_PASSWORD, id=user.id, password_hash=hashed)
        return await self.sign_in(user.email, password, ip=ip, user_agent=user_agent)

    async def set_locale(self, user: UUID, locale: str) -> None:
        """Remember the person's language."""
        await self._platform.first(store.SET_LOCALE, id=user, locale=locale)
        self._forget_user(str(user))

    def _still_good(self, identity: Identity | None) -> Identity:
        if identity is None or (
            identity.expires_at is not None and identity.expires_at <= self._clock.now()
        ):
            raise Unauthenticated(_REFUSED, next_step="Sign in again, or use a valid key.")
        return identity

    async def _count_failure(self, user: UUID, now: datetime) -> None:
        failures = await self._platform.first(store.COUNT_FAILURE, id=user) or 0
        seconds = lock_seconds(failures)
        if seconds:
            await self._platform.first(store.LOCK, id=user, until=now + timedelta(seconds=seconds))

    async def _load_key(self, key: str) -> Identity | None:
        row = await self._platform.first(store.KEY_BY_DIGEST, digest=api_keys.digest(key))
        if row is None or row.revoked_at is not None:
            return None
        user = await self._platform.first(store.USER_BY_ID, id=row.user_id)
        if user is None or user.status != "active":
            return None
        return Identity(
            kind="api_key",
            id=row.id,
            name=row.name,
            user_id=row.user_id,
            locale=user.locale,
            tenant_id=row.tenant_id,
            scopes=frozenset(row.scopes),
            environment=row.environment,
            expires_at=row.expires_at,
        )

    async def _load_session(self, token: str) -> Identity | None:
        row = await self._platform.first(store.SESSION_BY_DIGEST, digest=digest_of(token))
        if row is None or row.revoked_at is not None:
            return None
        user = await self._platform.first(store.USER_BY_ID, id=row.user_id)
        if user is None or user.status != "active":
            return None
        return _identity_of(row, user)

    async def _load_memberships(self, user: UUID) -> list[Membership]:
        return await self._platform.all(store.MEMBERSHIPS_OF, user=user)

    def _forget_key(self, key: str) -> None:
        self._keys.drop_where(
            lambda _key, identity: identity is not None and str(identity.id) == key
        )

    def _forget_session(self, key: str) -> None:
        self._sessions.drop_where(
            lambda _token, identity: identity is not None and str(identity.session_id) == key
        )

    def _forget_user(self, key: str) -> None:
        user = UUID(key)
        for cache in (self._keys, self._sessions):
            cache.drop_where(
                lambda _key, identity: identity is not None and identity.user_id == user
            )


def csrf_token(token: str) -> str:
    """The word a form of this session must carry; useless without the session itself."""
    return hashlib.sha256(b"trophenix csrf " + token.encode()).hexdigest()


def new_invitation() -> tuple[str, bytes]:
    """The word for an invitation's address, and the digest to keep."""
    token = secrets.token_urlsafe(32)
    return token, digest_of(token)


def _invitation_unknown() -> NotFound:
    return NotFound(
        "This invitation was used, replaced or has run out.",
        next_step="Ask for a new one.",
        code="invitation_unknown",
    )


def digest_of(token: str) -> bytes:
    """What is stored of a secret word."""
    return hashlib.sha256(token.encode()).digest()


def _identity_of(session: SessionRow, user: User) -> Identity:
    return Identity(
        kind="user",
        id=user.id,
        name=user.name,
        user_id=user.id,
        locale=user.locale,
        platform_admin=user.platform_admin,
        expires_at=session.expires_at,
        session_id=session.id,
    )
