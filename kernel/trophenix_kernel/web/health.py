"""Whether this process lives, whether it should be sent work, and what it counts.

`/health/live` says that the process answers: restart it when it does not. `/health/ready` says whether to send it requests; it looks at
the databases and at what else was given at most once a second, and asks the modules how they are every few seconds at most, however often
it is asked itself. `/metrics` is the Prometheus text format.

**Several workers behind one port.** A scrape reaches one worker and shows that worker alone: every sample has a ``worker`` label (the
process id), so that counters of different workers never mix. Over a range that holds several scrapes of each worker,
``sum without (worker) (rate(trophenix_calls_total[10m]))`` is right; an instant sum is not. Where that is too coarse, let each worker be
scraped at a port of its own.

Source: Kubernetes probes for the split between live and ready; Prometheus exposition format 0.0.4; docs/operations/monitoring.md.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from prometheus_client import GC_COLLECTOR, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trophenix_kernel.composition import VERSION, Kernel
from trophenix_kernel.plugins.model import PluginState
from trophenix_kernel.storage.placement import MAIN
from trophenix_kernel.storage.session import APP_ROLE
from trophenix_sdk.hookspecs import Health

PROBE_SECONDS: Final = 2.0
"""A part that needs longer than this counts as not answering."""
REUSE_SECONDS: Final = 1.0
HEALTH_SECONDS: Final = 5.0
"""How long what the modules said of themselves is taken for true."""
HEALTH_WAIT_SECONDS: Final = 0.3
"""How long an answer waits for the modules; what they say later counts for the next one."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_log: Final = logging.getLogger("trophenix.health")

Probe = Callable[[], Awaitable[object]]
Word = Literal["ready", "degraded", "unready"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One part: whether it answers, and how long that took. Says nothing of addresses, names or errors."""

    name: str
    ok: bool
    milliseconds: float = 0.0


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What `/health/ready` answers.

    Attributes:
        status: ``unready`` when the main database does not answer; ``degraded`` when something else is wrong, but most calls are answered.
        checks: databases by cluster, and what else was given.
        listening: whether changes are heard; while not, nothing is kept in memory and every call is slower, but right.
        plugins: every installed module and its state.
        health: what each module that can say it says of itself: ``ok``, ``degraded``, ``down``, or ``unknown`` before its first answer.
    """

    status: Word
    version: str
    checks: tuple[Check, ...]
    listening: bool
    plugins: Mapping[str, str]
    health: Mapping[str, str]


class ReadinessProbe:
    """Looks at the parts of a kernel.

    Only the main database makes the process unready: without it nobody can be recognised. A second cluster or the broker being away
    concerns some calls; were every process taken out of service for it, all calls would fail. Nor may a module take the process out of
    service, be it unwell or slow to say so.

    Args:
        kernel: whose parts.
        others: further parts by name, such as ``nats``; a probe returns, or raises.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        kernel: Kernel,
        others: Mapping[str, Probe] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kernel = kernel
        self._probes: dict[str, Probe] = {
            **{f"database {name}": self._database(name) for name in kernel.clusters.names()},
            **(others or {}),
        }
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._known: tuple[float, tuple[Check, ...]] | None = None
        self._health = dict.fromkeys(kernel.hooks.examined, "unknown")
        self._asked_at: float | None = None
        self._asking: asyncio.Task[None] | None = None

    async def look(self) -> Readiness:
        """How it stands, at most `REUSE_SECONDS` old."""
        async with self._lock:
            now = self._monotonic()
            if self._known is None or now - self._known[0] >= REUSE_SECONDS:
                checks = await asyncio.gather(
                    *(self._check(name, probe) for name, probe in self._probes.items())
                )
                self._known = (self._monotonic(), tuple(checks))
            checks = self._known[1]
            await self._examine(now)
            health = dict(self._health)
        kernel = self._kernel
        plugins = {record.key: record.state.value for record in kernel.catalogue}
        required = next(check for check in checks if check.name == f"database {MAIN}")
        whole = (
            all(check.ok for check in checks)
            and kernel.changes.listening
            and all_ready(plugins.values())
            and all_well(health.values())
        )
        status: Word = "unready" if not required.ok else ("ready" if whole else "degraded")
        return Readiness(
            status=status,
            version=VERSION,
            checks=tuple(checks),
            listening=kernel.changes.listening,
            plugins=plugins,
            health=health,
        )

    async def _examine(self, now: float) -> None:
        """Ask the modules how they are, unless that was done a moment ago or is still being done."""
        if not self._health:
            return
        if self._asking is None and (
            self._asked_at is None or now - self._asked_at >= HEALTH_SECONDS
        ):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask_modules(), name="health of modules")
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=HEALTH_WAIT_SECONDS)
            if self._asking.done():
                self._asking = None

    async def _ask_modules(self) -> None:
        found = await self._kernel.hooks.health()
        for plugin, before in self._health.items():
            # A module that has nothing to say is well.
            said = found.get(plugin, Health("ok"))
            if said.status != before and not (said.status == "ok" and before == "unknown"):
                _log.warning(
                    "%s is %s, was %s: %s",
                    plugin,
                    said.status,
                    before,
                    said.detail or "it does not say why",
                )
            self._health[plugin] = said.status

    def _database(self, cluster: str) -> Probe:
        async def ask() -> None:
            pool = self._kernel.clusters.of(cluster)
            lease = await pool.acquire(APP_ROLE)
            try:
                await lease.fetch("select 1", [])
            except BaseException:
                # Cancelled in mid-statement, its state is unknown: never lend it again.
                lease.connection.terminate()
                raise
            finally:
                pool.release(lease)

        return ask

    async def _check(self, name: str, probe: Probe) -> Check:
        started = self._monotonic()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await probe()
        except Exception as error:  # noqa: BLE001 - whatever it raises, the part does not answer
            _log.warning("%s does not answer: %s", name, type(error).__name__)
            return Check(name=name, ok=False, milliseconds=self._since(started))
        return Check(name=name, ok=True, milliseconds=self._since(started))

    def _since(self, started: float) -> float:
        return round((self._monotonic() - started) * 1000, 1)


def all_ready(states: Iterable[str]) -> bool:
    """Whether every installed module serves without a fault."""
    return all(state == PluginState.READY.value for state in states)


def all_well(answers: Iterable[str]) -> bool:
    """Whether every module that can say how it is says that it is well."""
    return all(answer == "ok" for answer in answers)


class KernelCollector(Collector):
    """Everything a kernel counts, as Prometheus samples of this worker.

    Args:
        kernel: whose counts.
        worker: what tells this process from the others behind the same port.
    """

    def __init__(self, kernel: Kernel, worker: str) -> None:
        self._kernel = kernel
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        """The present values."""
        kernel, worker = self._kernel, self._worker
        info = InfoMetricFamily("trophenix", "The version that runs.", labels=["worker"])
        info.add_metric([worker], {"version": VERSION})
        yield info

        calls = CounterMetricFamily(
            "trophenix_calls",
            "Calls of members, by operation and HTTP status.",
            labels=["worker", "operation", "status"],
        )
        for (operation, status), count in sorted(kernel.meter.totals.items()):
            calls.add_metric([worker, operation, str(status)], count)
        yield calls

        size = self._gauge(
            "trophenix_pool_connections_max",
            "Database connections this worker may open.",
            "cluster",
        )
        opened = self._gauge(
            "trophenix_pool_connections", "Database connections that are open.", "cluster"
        )
        idle = self._gauge(
            "trophenix_pool_connections_idle", "Open connections that nobody works with.", "cluster"
        )
        waiting = self._gauge(
            "trophenix_pool_waiting", "Calls that wait for a connection.", "cluster"
        )
        trips = CounterMetricFamily(
            "trophenix_pool_round_trips",
            "Round trips to the database.",
            labels=["worker", "cluster"],
        )
        for cluster in kernel.clusters.names():
            pool = kernel.clusters.of(cluster)
            size.add_metric([worker, cluster], pool.size)
            opened.add_metric([worker, cluster], pool.opened)
            idle.add_metric([worker, cluster], pool.idle)
            waiting.add_metric([worker, cluster], pool.waiting)
            trips.add_metric([worker, cluster], pool.trips)
        yield from (size, opened, idle, waiting, trips)

        kept = self._gauge("trophenix_cache_entries", "Values kept in memory.", "cache")
        for name, count in kernel.changes.kept().items():
            kept.add_metric([worker, name], count)
        yield kept

        listening = self._gauge(
            "trophenix_listening", "1 while changes are heard and values may be kept."
        )
        listening.add_metric([worker], float(kernel.changes.listening))
        heard = CounterMetricFamily(
            "trophenix_changes_heard", "Changes heard from the database.", labels=["worker"]
        )
        heard.add_metric([worker], kernel.changes.heard)
        yield from (listening, heard)

        states = self._gauge(
            "trophenix_plugin_state",
            "1 for the state each installed module is in.",
            "plugin",
            "state",
            "version",
        )
        for record in kernel.catalogue:
            states.add_metric([worker, record.key, record.state.value, record.version], 1)
        breakers = self._gauge(
            "trophenix_plugin_breakers_open",
            "Hooks of a module that are switched off after failures.",
            "plugin",
        )
        counts: dict[str, int] = dict.fromkeys((record.key for record in kernel.catalogue), 0)
        for breaker in kernel.dispatcher.open_breakers():
            counts[breaker.plugin] = counts.get(breaker.plugin, 0) + 1
        for plugin, count in sorted(counts.items()):
            breakers.add_metric([worker, plugin], count)
        yield from (states, breakers)

    @staticmethod
    def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(name, text, labels=["worker", *labels])


class _Labelled(Collector):
    """Another collector's samples, with this worker's label."""

    def __init__(self, inner: Collector, worker: str) -> None:
        self._inner = inner
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        for family in self._inner.collect():
            family.samples = [
                sample._replace(labels={"worker": self._worker, **sample.labels})
                for sample in family.samples
            ]
            yield family


def metrics_registry(kernel: Kernel, worker: str) -> CollectorRegistry:
    """A registry of the kernel's counts and of the process's memory, processor time and open files."""
    registry = CollectorRegistry()
    registry.register(KernelCollector(kernel, worker))
    # Its own registry is None: it would register itself, without the label.
    registry.register(_Labelled(ProcessCollector(registry=None), worker))
    registry.register(_Labelled(GC_COLLECTOR, worker))
    return registry


def may_scrape(request: Request[Any, Any, Any], token: str) -> bool:
    """Whether the numbers may be shown.

    With a token, to whoever sends it. Without one, to callers on this machine or on a private network that came directly: a forwarded
    request comes from anywhere.
    """
    if token:
        scheme, _, word = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            word.strip().encode(), token.encode()
        )
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def health_handlers(
    kernel: Kernel,
    *,
    others: Mapping[str, Probe] | None = None,
    metrics_token: str = "",
    worker: str = "",
) -> list[HTTPRouteHandler]:
    """The handlers of ``/health/live``, ``/health/ready`` and ``/metrics``.

    Args:
        kernel: what is looked at.
        others: further parts to look at, by name, such as ``nats``.
        metrics_token: what a scraper has to show; see `may_scrape`.
        worker: tells this process from the others behind the same port; its process id by default.
    """
    probe = ReadinessProbe(kernel, others)
    registry = metrics_registry(kernel, worker or str(os.getpid()))
    headers = {"Cache-Control": "no-store"}

    @get("/health/live", include_in_schema=False)
    async def live() -> Response[bytes]:
        return Response(b'{"status":"live"}', media_type="application/json", headers=headers)

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[bytes]:
        found = await probe.look()
        return Response(
            msgspec.json.encode(found),
            media_type="application/json",
            status_code=503 if found.status == "unready" else 200,
            headers=headers,
        )

    @get("/metrics", include_in_schema=False)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not may_scrape(request, metrics_token):
            return Response(b"", status_code=404, headers=headers)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE, headers=headers)

    return [live, ready, metrics]
