"""Who calls, and for which tenant: from headers, cookie, path and host to a `Caller`.

The tenant is named, in this order, by the path (``/api/v1/tenants/{slug}/…``), by ``X-Tenant-ID`` (slug or id), by the API key itself, by
the host (a sub-domain of the platform's host, or a verified domain of the tenant's own).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, Self
from uuid import UUID

from trophenix_kernel.access.decisions import Decisions
from trophenix_kernel.access.model import NO_RIGHTS
from trophenix_kernel.identity.credentials import Credentials
from trophenix_kernel.identity.model import Identity
from trophenix_kernel.operations.call import Caller
from trophenix_kernel.plugins.activations import NOTHING_ACTIVATED, Activated, Activations
from trophenix_kernel.tenancy.directory import Directory, Entry
from trophenix_kernel.usage.quota import Quota, Standing
from trophenix_sdk.clock import Clock

SESSION_COOKIE: Final = "trophenix_session"
LOCALES: Final = ("en", "fr")


class Seen:
    """What a request shows of its sender, before anything is looked up."""

    __slots__ = (
        "bearer",
        "cookie",
        "forwarded",
        "from_cookie",
        "host",
        "ip",
        "language",
        "tenant_word",
    )

    def __init__(
        self, *, bearer: str, cookie: str, tenant_word: str, host: str, language: str, ip: str
    ) -> None:
        self.bearer = bearer
        self.cookie = cookie
        self.from_cookie = not bearer and bool(cookie)
        self.tenant_word = tenant_word
        self.host = host
        self.language = language
        self.ip = ip
        self.forwarded = b""

    @classmethod
    def of(
        cls, scope: MutableMapping[str, Any], headers: Mapping[bytes, bytes], tenant_word: str = ""
    ) -> Self:
        """What an ASGI request shows."""
        scheme, _, word = _text(headers, b"authorization").partition(" ")
        client = scope.get("client")
        seen = cls(
            bearer=word.strip() if scheme.lower() == "bearer" else _text(headers, b"x-api-key"),
            cookie=session_cookie(headers),
            tenant_word=tenant_word or _text(headers, b"x-tenant-id"),
            host=_text(headers, b"host").partition(":")[0].lower(),
            language=_text(headers, b"accept-language"),
            ip=client[0] if client else "",
        )
        seen.forwarded = headers.get(b"x-forwarded-for", b"")
        return seen


class Recognition:
    """Looks up what `Seen` shows.

    Args:
        base_host: the platform's own host name; its sub-domains are tenants' slugs.
        trusted_proxies: how many reverse proxies of ours stand in front and add to ``X-Forwarded-For``.
    """

    def __init__(
        self,
        credentials: Credentials,
        directory: Directory,
        decisions: Decisions,
        activations: Activations,
        quota: Quota,
        clock: Clock,
        *,
        base_host: str,
        trusted_proxies: int = 0,
    ) -> None:
        self.credentials = credentials
        self.directory = directory
        self.decisions = decisions
        self.activations = activations
        self._quota = quota
        self._clock = clock
        self._base_host = base_host
        self._trusted_proxies = trusted_proxies

    async def caller(self, seen: Seen, *, door: str, request_id: str) -> Caller:
        """The caller; a stranger when nothing was shown.

        Raises:
            Unauthenticated: a credential was shown and is not valid.
        """
        identity: Identity | None = None
        if seen.bearer.startswith("troph_"):
            identity = await self.credentials.of_key(seen.bearer)
        elif seen.bearer:
            identity = await self.credentials.of_session(seen.bearer)
        elif seen.cookie:
            identity = await self.credentials.of_session(seen.cookie)
        entry = await self._tenant(seen, identity)
        return await self.caller_in(
            identity,
            entry,
            door=door,
            request_id=request_id,
            locale=_locale(
                seen.language,
                identity.locale if identity is not None else "",
                entry.record.locale if entry is not None else "",
            ),
            ip=address_of(seen, self._trusted_proxies),
        )

    async def caller_in(
        self,
        identity: Identity | None,
        entry: Entry | None,
        *,
        door: str,
        request_id: str,
        locale: str = "en",
        ip: str = "",
    ) -> Caller:
        """The caller that an identity is in a tenant; what the tenant has switched on is known of strangers' tenants too."""
        rights = NO_RIGHTS
        activated: Activated = NOTHING_ACTIVATED
        if entry is not None:
            if identity is not None:
                rights = await self.decisions.of(identity, entry.record)
            activated = await self.activations.of(entry.record.id)
        return Caller(
            identity=identity,
            entry=entry,
            rights=rights,
            activated=activated,
            door=door,
            request_id=request_id,
            locale=locale,
            ip=ip,
        )

    async def count(self, caller: Caller, rate_class: str) -> Standing | None:
        """Count the call against the caller's and the tenant's limits; strangers are counted where they sign in.

        Raises:
            RateLimited: a limit is used up.
        """
        if caller.identity is None or caller.entry is None or not caller.rights.role:
            return None
        record = caller.entry.record
        if record.plan == "custom":
            return None
        return await self._quota.count_call(
            record.id, record.plan, caller.identity.id, rate_class, self._clock.now()
        )

    async def _tenant(self, seen: Seen, identity: Identity | None) -> Entry | None:
        word = seen.tenant_word
        if word:
            if len(word) == 36 and word.count("-") == 4:
                try:
                    return await self.directory.by_id(UUID(word))
                except ValueError:
                    pass
            return await self.directory.by_slug(word)
        if identity is not None and identity.tenant_id is not None:
            return await self.directory.by_id(identity.tenant_id)
        if seen.host and seen.host != self._base_host:
            label, _, parent = seen.host.partition(".")
            if parent and parent == self._base_host:
                return await self.directory.by_slug(label)
            return await self.directory.by_domain(seen.host)
        return None


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    raw = headers.get(name)
    return raw.decode("latin-1") if raw else ""


def session_cookie(headers: Mapping[bytes, bytes]) -> str:
    """The session's token, if the request carries one."""
    raw = headers.get(b"cookie")
    if not raw:
        return ""
    try:
        morsel = SimpleCookie(raw.decode("latin-1")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def address_of(seen: Seen, trusted_proxies: int) -> str:
    """Where the request comes from: what the outermost proxy of ours saw. What a stranger writes into the header is never believed."""
    if not trusted_proxies or not seen.forwarded:
        return seen.ip
    hops = [hop.strip() for hop in seen.forwarded.decode("latin-1").split(",")]
    return hops[-trusted_proxies] if len(hops) >= trusted_proxies else hops[0]


@functools.lru_cache(maxsize=1_024)
def _locale(asked: str, persons: str, tenants: str) -> str:
    """The language: what the request asks for, else the person's, else the tenant's, else English."""
    for part in asked.split(","):
        word = part.partition(";")[0].strip()[:2].lower()
        if word in LOCALES:
            return word
    for known in (persons, tenants):
        if known[:2] in LOCALES:
            return known[:2]
    return "en"
