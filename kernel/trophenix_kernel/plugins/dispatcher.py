"""Hooks called: in a fixed order, each plugin contained, timed, and shut out for a while where it keeps failing.

What a call guarantees, whatever the plugins do:

- only the plugins enabled for the audience run, after those they require, then by priority band, then by id;
- the answers of healthy plugins are those they would have given alone;
- a plugin that raises, exits, is cancelled, takes too long or answers with a wrong type is reported, and counts as the hook's ``on_error`` says;
- a breaker opens per plugin, tenant and hook, never wider; after a delay one call probes whether it may close;
- cancelling the caller cancels the plugin at work, and with it the call.

What it cannot do: pre-empt code that blocks the event loop (that is measured and reported), or know that a plugin swallowed a cancellation
that was meant for its caller (task groups of Python 3.11 and 3.12 look the same from outside). Only ``worker`` isolation can.

How the cost stays at a few microseconds (25 enabled plugins that do nothing). An ``asyncio.timeout`` per implementation costs about
5 µs, so no timer is started before it is needed: the call drives the coroutine of the whole loop by hand with ``send(None)``. Implementations
that never suspend are then finished, at the price of plain ``await``. Only when one suspends does ``send`` return, and only then is the
waiting taken over, with a timer for the implementation that waits. The clock is treated alike: once a group of implementations has kept its
budgets for a while, it is read once per call, and one by one again as soon as the sum is too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import hashlib
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from operator import length_hint
from typing import Any, ClassVar, Final, cast

from msgspec import Struct
from trophenix_sdk.errors import TrophenixError, Unavailable
from trophenix_sdk.hooks import Hook, HookKind, OnError

from trophenix_kernel.plugins.loader import LoadedPlugins

TIMED_CALLS: Final = 32
"""How many calls of a group are timed one implementation at a time before it is trusted."""

GRACE_SECONDS: Final = 0.1
"""What a cancelled implementation gets to clean up before it is abandoned; or its budget, if that is longer."""

CACHED_AUDIENCES: Final = 4_096
"""How many different sets of enabled plugins are kept prepared."""


class Audience(Struct, frozen=True):
    """For whom a hook is called: one tenant and the plugins it has enabled.

    Attributes:
        tenant: its id as text; ``""`` for the platform.
        enabled: ids of the enabled plugins.
        fingerprint: the same for the same set, whoever the tenant is.
    """

    tenant: str
    enabled: frozenset[str]
    fingerprint: str

    @classmethod
    def of(cls, tenant: str, enabled: Iterable[str]) -> Audience:
        """The audience of *tenant*. Costs a hash over the set: make it once per change, not once per call."""
        chosen = frozenset(enabled)
        digest = hashlib.blake2b("\n".join(sorted(chosen)).encode(), digest_size=16)
        return cls(tenant, chosen, digest.hexdigest())


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

    Attributes:
        failure: which, and how.
    """

    code: ClassVar[str] = "hook_failed"
    title: ClassVar[str] = "A plugin failed"

    def __init__(self, failure: HookFailure) -> None:
        super().__init__(str(failure), next_step=failure.next_step)
        self.failure = failure


class HookVetoed(Unavailable):
    """A plugin that has a say in this could not be asked; without its answer it is not allowed.

    Attributes:
        failure: which, and how.
    """

    code: ClassVar[str] = "hook_vetoed"
    title: ClassVar[str] = "A plugin that must agree does not respond"

    def __init__(self, failure: HookFailure) -> None:
        super().__init__(str(failure), next_step=failure.next_step)
        self.failure = failure


class Answer(Struct, frozen=True):
    """What one plugin said."""

    plugin: str
    value: Any


class Outcome(Struct, frozen=True):
    """What a call brought.

    Attributes:
        answers: in the order of the plugins; those that said nothing are absent.
        failures: what went wrong.
        value: for ``first`` hooks the winning answer; for filters that hand a value on, that value after the last plugin.
    """

    answers: tuple[Answer, ...] = ()
    failures: tuple[HookFailure, ...] = ()
    value: Any = None


_NOTHING: Final = Outcome()


class Implementation(Struct, frozen=True):
    """One plugin's function for one hook.

    Attributes:
        function: takes all arguments of the hook in order.
        budget: seconds.
    """

    plugin: str
    function: Callable[..., Coroutine[Any, Any, Any]]
    budget: float


class BreakerPolicy(Struct, frozen=True):
    """When a breaker opens and when it is tried again.

    Attributes:
        threshold: consecutive failures that open it.
        probe_after: seconds until one call is let through.
    """

    threshold: int = 5
    probe_after: float = 30.0


class OpenBreaker(Struct, frozen=True):
    """A plugin that is not asked for a tenant's hook at present.

    Attributes:
        since: seconds on the dispatcher's clock.
    """

    plugin: str
    tenant: str
    hook: str
    since: float


class _Breaker:
    """Exists only while a plugin has failures that no success has followed."""

    __slots__ = ("failures", "opened", "probing")

    def __init__(self) -> None:
        self.failures = 0
        self.opened: float | None = None
        self.probing = False


class _Chain:
    """The implementations of one hook for one set of enabled plugins."""

    __slots__ = ("budget", "functions", "hook", "implementations", "threaded", "timed")

    def __init__(self, hook: Hook, implementations: tuple[Implementation, ...]) -> None:
        self.hook = hook
        self.implementations = implementations
        self.functions = tuple(one.function for one in implementations)
        self.budget = min((one.budget for one in implementations), default=0.0)
        self.threaded = hook.arguments.index(hook.threads) if hook.threads is not None else None
        self.timed = TIMED_CALLS


Lend = Callable[[str, Any], Any]
"""From a plugin's id and the call's context, the context that plugin gets."""

Report = Callable[[HookFailure], None]
"""Told of every failure, at once; must not raise."""


class Dispatcher:
    """Calls the hooks of loaded plugins. Belongs to one event loop.

    Args:
        hooks: all specified hooks.
        implementations: per hook, in the order in which they run.
        report: told of every failure.
        breaker: when breakers open.
        monotonic: seconds; for budgets of code that blocks, and for breakers.
        lend: makes each plugin's own context; without it the context is passed through untouched.
    """

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        implementations: Mapping[str, Sequence[Implementation]],
        *,
        report: Report,
        breaker: BreakerPolicy = BreakerPolicy(),  # noqa: B008 - frozen
        monotonic: Callable[[], float] = time.monotonic,
        lend: Lend | None = None,
    ) -> None:
        self._hooks = hooks
        self._implementations = {name: tuple(listed) for name, listed in implementations.items()}
        self._report = report
        self._policy = breaker
        self._clock = monotonic
        self._lend = lend
        self._chains: dict[str, dict[str, _Chain]] = {}
        self._breakers: dict[tuple[str, str], dict[str, _Breaker]] = {}

    @classmethod
    def of(
        cls,
        loaded: LoadedPlugins,
        *,
        report: Report,
        breaker: BreakerPolicy = BreakerPolicy(),  # noqa: B008 - frozen
        monotonic: Callable[[], float] = time.monotonic,
        lend: Lend | None = None,
    ) -> Dispatcher:
        """The dispatcher of the plugins that serve, in load order."""
        return cls(
            loaded.hooks,
            implementations_of(loaded),
            report=report,
            breaker=breaker,
            monotonic=monotonic,
            lend=lend,
        )

    def plugins(self, hook: str, audience: Audience) -> tuple[str, ...]:
        """Ids of the plugins that a call would ask, in order."""
        return tuple(one.plugin for one in self._chain(hook, audience).implementations)

    def forget(self, fingerprint: str) -> None:
        """Nothing prepared for this set of enabled plugins is kept."""
        self._chains.pop(fingerprint, None)

    def forget_all(self) -> None:
        """Nothing prepared for any set of enabled plugins is kept."""
        self._chains.clear()

    def open_breakers(self) -> tuple[OpenBreaker, ...]:
        """The breakers that are open or being probed."""
        return tuple(
            OpenBreaker(plugin, tenant, hook, breaker.opened)
            for (tenant, hook), listed in self._breakers.items()
            for plugin, breaker in listed.items()
            if breaker.opened is not None
        )

    def close_breakers(self, plugin: str, *, tenant: str | None = None) -> None:
        """The plugin is asked again, for one tenant or for all, and its failures so far are forgotten."""
        for key in [key for key in self._breakers if tenant is None or key[0] == tenant]:
            self._breakers[key].pop(plugin, None)
            if not self._breakers[key]:
                del self._breakers[key]

    async def call(self, hook: str, audience: Audience, ctx: Any, *arguments: Any) -> Outcome:
        """What the enabled plugins say to *hook*.

        Args:
            hook: the name of an observe, filter or first hook.
            audience: for whom.
            ctx: passed on as the first argument.
            arguments: the others, all of them, in the order of the specification.

        Raises:
            HookVetoed: a plugin failed and the hook's ``on_error`` is ``veto``.
            HookFailed: a plugin failed and the hook's ``on_error`` is ``raise``.
            TrophenixError: a plugin refused, in a filter whose ``on_error`` is not ``skip``.
            KeyError: there is no such hook.
            TypeError: the number of arguments is wrong, or it is a collect hook.
        """
        by_hook = self._chains.get(audience.fingerprint)
        chain = by_hook.get(hook) if by_hook is not None else None
        if chain is None:
            chain = self._chain(hook, audience)
        if len(arguments) + 1 != len(chain.hook.arguments):
            raise TypeError(
                f"hook {hook} was called with {len(arguments) + 1} arguments; expected {', '.join(chain.hook.arguments)}"
            )
        breakers = self._breakers.get((audience.tenant, hook)) if self._breakers else None
        run = _Run(self, chain, audience.tenant, (ctx, *arguments), breakers)
        if not chain.functions:
            return run.outcome()
        if chain.timed or breakers or self._lend is not None:
            loop = run.one_by_one
        else:
            loop = run.straight
        started = self._clock()
        steps = loop()
        try:
            waiting = steps.send(None)
        except StopIteration:
            pass
        else:
            await run.suspended_at(steps, waiting, loop)
        if self._clock() - started - run.away > chain.budget:
            run.note_long_call()
        elif chain.timed:
            chain.timed -= 1
        return run.outcome()

    def _chain(self, hook: str, audience: Audience) -> _Chain:
        by_hook = self._chains.get(audience.fingerprint)
        if by_hook is None:
            while len(self._chains) >= CACHED_AUDIENCES:
                del self._chains[next(iter(self._chains))]
            by_hook = self._chains[audience.fingerprint] = {}
        chain = by_hook.get(hook)
        if chain is None:
            spec = self._hooks[hook]
            if spec.kind is HookKind.COLLECT:
                raise TypeError(f"hook {hook} is asked once at load; it cannot be called")
            chain = by_hook[hook] = _Chain(
                spec,
                tuple(
                    one
                    for one in self._implementations.get(hook, ())
                    if one.plugin in audience.enabled
                ),
            )
        return chain

    # What a run uses; private to this module.

    def may_run(self, breaker: _Breaker | None) -> bool:
        """Whether the breaker lets a call through; if it does so for a probe, no other call is let through until that ends."""
        if breaker is None or breaker.opened is None:
            return True
        if breaker.probing or self._clock() - breaker.opened < self._policy.probe_after:
            return False
        breaker.probing = True
        return True

    def succeeded(self, tenant: str, hook: str, plugin: str) -> None:
        """Earlier failures of the plugin no longer count."""
        listed = self._breakers.get((tenant, hook))
        if listed is not None and listed.pop(plugin, None) is not None and not listed:
            del self._breakers[(tenant, hook)]

    def failed(self, failure: HookFailure) -> None:
        """The failure is reported and counts towards opening the breaker."""
        if failure.plugin:
            listed = self._breakers.setdefault((failure.tenant, failure.hook), {})
            breaker = listed.setdefault(failure.plugin, _Breaker())
            breaker.failures += 1
            if breaker.probing or breaker.failures >= self._policy.threshold:
                breaker.opened = self._clock()
                breaker.probing = False
        self._report(failure)

    @property
    def lends(self) -> bool:
        """Whether plugins get contexts of their own."""
        return self._lend is not None

    def read_clock(self) -> float:
        """Seconds."""
        return self._clock()

    def lend(self, plugin: str, ctx: Any) -> Any:
        """The context for one plugin."""
        return ctx if self._lend is None else self._lend(plugin, ctx)


class _Run:
    """One call of one hook."""

    __slots__ = (
        "_abandoning",
        "_answers",
        "_arguments",
        "_baseline",
        "_breakers",
        "_chain",
        "_dispatcher",
        "_failures",
        "_late",
        "_stopped",
        "_struck",
        "_task",
        "_tenant",
        "_todo",
        "away",
    )

    def __init__(
        self,
        dispatcher: Dispatcher,
        chain: _Chain,
        tenant: str,
        arguments: tuple[Any, ...],
        breakers: dict[str, _Breaker] | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._chain = chain
        self._tenant = tenant
        self._arguments = arguments
        self._breakers = breakers
        self._todo: Iterator[Callable[..., Any]] = iter(chain.functions)
        self._answers: list[Answer] | None = None
        self._failures: list[HookFailure] | None = None
        self._stopped = False
        self._task: asyncio.Task[Any] | None = None
        self._baseline = 0
        self._struck = -1
        self._late = -1
        self._abandoning = False
        self.away = 0.0

    # --- the two loops; either can be left and entered again, since all state is here -------------------------------------------

    async def straight(self) -> None:
        """Every implementation left to do has run; for groups that are trusted and tenants without open questions."""
        arguments = self._arguments
        for function in self._todo:
            try:
                answer = await function(*arguments)
            except BaseException as error:
                if not self._contained(error):
                    raise
                continue
            if answer is not None:
                self._take(answer)
                if self._stopped:
                    return
                arguments = self._arguments

    async def one_by_one(self) -> None:
        """Every implementation left to do has run, each timed and behind its breaker, with the context lent to it."""
        dispatcher = self._dispatcher
        hook = self._chain.hook.name
        ctx = self._arguments[0]
        for function in self._todo:
            implementation = self._current
            plugin = implementation.plugin
            breaker = self._breakers.get(plugin) if self._breakers else None
            if not dispatcher.may_run(breaker):
                self._shut_out(implementation)
                continue
            lent = dispatcher.lend(plugin, ctx)
            failures = len(self._failures or ())
            started = dispatcher.read_clock() - self.away
            try:
                answer = await function(lent, *self._arguments[1:])
            except BaseException as error:
                if not self._contained(error):
                    if breaker is not None:
                        breaker.probing = False
                    if isinstance(error, TrophenixError):
                        dispatcher.succeeded(self._tenant, hook, plugin)
                    raise
                continue
            took = dispatcher.read_clock() - self.away - started
            if answer is not None:
                self._take(answer)
            if took > implementation.budget:
                self._fail_over_budget(implementation, took)
            if self._late >= 0:
                self._settle()
            if breaker is not None and len(self._failures or ()) == failures:
                dispatcher.succeeded(self._tenant, hook, plugin)
            if self._stopped:
                return

    # --- suspension -------------------------------------------------------------------------------------------------------------

    async def suspended_at(
        self,
        steps: Coroutine[Any, Any, None],
        waiting: Any,
        loop: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """The loop *steps*, which waits for *waiting*, has come to its end, every implementation within its budget.

        It goes on in the caller's task and context, so that ``asyncio.timeout`` and task groups inside plugins work as usual.
        """
        events = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("hooks are called from inside an asyncio task")
        self._task, self._baseline = task, task.cancelling()
        clock = self._dispatcher.read_clock
        wake: asyncio.Future[None] | None = None
        timer: asyncio.TimerHandle | None = None
        position = -1
        owed = False  # a cancellation still to be delivered to the implementation at work

        def rouse(_: object = None) -> None:
            if wake is not None and not wake.done():
                wake.set_result(None)

        def expire() -> None:
            nonlocal timer, owed
            self._late = position
            grace = max(GRACE_SECONDS, self._current.budget)
            timer = events.call_later(grace, abandon)
            if waiting is None or not waiting.cancel():
                owed = True
                rouse()

        def abandon() -> None:
            self._abandoning = True
            rouse()

        try:
            while True:
                if position != (position := self._position):
                    if timer is not None:
                        timer.cancel()
                    owed = False
                    timer = events.call_later(self._current.budget, expire)
                left = clock()
                error: BaseException | None = None
                wake = events.create_future()
                if waiting is None:
                    events.call_soon(rouse)
                elif asyncio.isfuture(waiting):
                    waiting.add_done_callback(rouse)
                else:
                    error = RuntimeError(f"awaited {waiting!r}, which is not an asyncio awaitable")
                    rouse()
                try:
                    await wake
                except asyncio.CancelledError as cancelled:
                    # Somebody cancelled this task: its owner, or a time-out or task group inside the plugin. As in asyncio, what is
                    # awaited is cancelled first and its end awaited.
                    self._struck = position
                    if waiting is not None and waiting.cancel():
                        self.away += clock() - left
                        continue
                    error = cancelled
                self.away += clock() - left
                try:
                    if self._abandoning:
                        self._abandon(steps)
                        steps = loop()
                        waiting = steps.send(None)
                    elif error is not None:
                        waiting = steps.throw(error)
                    elif owed:
                        owed = False
                        waiting = steps.throw(asyncio.CancelledError())
                    elif waiting is None or waiting.done():
                        waiting = steps.send(None)
                    if self._position != position:
                        self._leave()
                except StopIteration:
                    self._leave()
                    return
                except Exception:
                    self._restore()
                    raise
        finally:
            if timer is not None:
                timer.cancel()
            _close(steps)

    def _leave(self) -> None:
        """An implementation that had suspended is over."""
        self._restore()
        self._settle()

    def _restore(self) -> None:
        """The caller's task is as it was before."""
        # A failed child of a task group leaves its parent's count one too high (Python 3.11 and 3.12), which would make time-outs of the
        # caller believe that they were cancelled.
        task = self._task
        while task is not None and task.cancelling() > self._baseline:
            task.uncancel()

    def _abandon(self, steps: Coroutine[Any, Any, None]) -> None:
        _close(steps)
        self._abandoning = False
        self._fail_late(None)

    def _cancelled_from_outside(self) -> bool:
        """Whether a cancellation reached the implementation at work, and nothing inside it had asked for that."""
        return (
            self._task is not None
            and self._struck == self._position
            and self._task.cancelling() > self._baseline
        )

    # --- answers and failures ---------------------------------------------------------------------------------------------------

    @property
    def _position(self) -> int:
        """The index of the implementation at work, learnt from the iterator so that the loops need not count."""
        return len(self._chain.functions) - length_hint(self._todo) - 1

    @property
    def _current(self) -> Implementation:
        return self._chain.implementations[self._position]

    def _take(self, answer: Any) -> None:
        """The answer counts, or its plugin has failed."""
        hook = self._chain.hook
        implementation = self._current
        if self._late == self._position:
            self._fail_late(None)
            return
        wrong = _wrong_type(answer, hook)
        if wrong:
            self._fail(
                implementation,
                FailureKind.WRONG_TYPE,
                found=wrong,
                expected=_expected(hook),
                next_step="Correct what the implementation returns.",
            )
            return
        if self._answers is None:
            self._answers = []
        self._answers.append(Answer(implementation.plugin, answer))
        if hook.kind is HookKind.FIRST:
            self._stopped = True
        place = self._chain.threaded
        if place is not None:
            self._arguments = (*self._arguments[:place], answer, *self._arguments[place + 1 :])

    def _contained(self, error: BaseException) -> bool:
        """Whether the error ends here, as a failure of the plugin at work. ``False`` means that it must go on.

        Raises:
            HookVetoed, HookFailed: the hook's ``on_error`` asks for it.
        """
        hook = self._chain.hook
        if self._abandoning or isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            return False
        if isinstance(error, asyncio.CancelledError) and self._cancelled_from_outside():
            return False
        implementation = self._current
        if self._late == self._position:
            self._fail_late(error)
            return True
        if (
            isinstance(error, TrophenixError)
            and hook.kind is HookKind.FILTER
            and hook.on_error is not OnError.SKIP
        ):
            return False  # a refusal in the platform's own words is an answer, not a defect
        if isinstance(error, asyncio.CancelledError):
            kind, found = FailureKind.CANCELLED, "a cancellation nobody asked for"
        elif isinstance(error, SystemExit):
            kind, found = FailureKind.EXITED, f"sys.exit({error.code!r})"
        else:
            kind, found = FailureKind.RAISED, f"{type(error).__name__}: {error}"
        self._fail(
            implementation,
            kind,
            found=found,
            expected="an answer or None",
            next_step="Correct the code the traceback ends in; until then the plugin can be disabled for the tenant.",
            error=error,
        )
        return True

    def _settle(self) -> None:
        """An implementation that swallowed its cancellation and answered nothing has failed; it is known once the next one is at work."""
        if self._late >= 0:
            self._fail_late(None)

    def _fail_late(self, error: BaseException | None) -> None:
        implementation = self._chain.implementations[self._late]
        self._late = -1
        self._fail(
            implementation,
            FailureKind.TIMED_OUT,
            found="no answer in time",
            expected=f"an answer within {implementation.budget * 1000:.0f} ms",
            next_step="Do the slow part in a task, and give every outside call a time-out of its own.",
            error=error,
        )

    def _fail_over_budget(self, implementation: Implementation, took: float) -> None:
        self._note(
            self._failure(
                implementation.plugin,
                FailureKind.OVER_BUDGET,
                found=f"{took * 1000:.0f} ms during which nothing else could run",
                expected=f"at most {implementation.budget * 1000:.0f} ms",
                next_step="Move blocking work to a thread (asyncio.to_thread) or into a task.",
            )
        )

    def _shut_out(self, implementation: Implementation) -> None:
        failure = self._failure(
            implementation.plugin,
            FailureKind.BREAKER_OPEN,
            found="a plugin that failed several times in a row for this tenant",
            expected="a plugin that answers",
            next_step="It is tried again by itself after a while; its earlier failures say what to mend.",
        )
        self._keep(failure)
        self._act_on(failure, None)

    def _fail(
        self,
        implementation: Implementation,
        kind: FailureKind,
        *,
        found: str,
        expected: str,
        next_step: str,
        error: BaseException | None = None,
    ) -> None:
        failure = self._failure(
            implementation.plugin,
            kind,
            found=found,
            expected=expected,
            next_step=next_step,
            trace="".join(traceback.format_exception(error)) if error is not None else "",
        )
        self._note(failure)
        self._act_on(failure, error)

    def _failure(
        self,
        plugin: str,
        kind: FailureKind,
        *,
        found: str,
        expected: str,
        next_step: str,
        trace: str = "",
    ) -> HookFailure:
        return HookFailure(
            hook=self._chain.hook.name,
            plugin=plugin,
            tenant=self._tenant,
            kind=kind,
            found=found,
            expected=expected,
            next_step=next_step,
            traceback=trace,
        )

    def _note(self, failure: HookFailure) -> None:
        self._settle()
        self._keep(failure)
        self._dispatcher.failed(failure)

    def _keep(self, failure: HookFailure) -> None:
        if self._failures is None:
            self._failures = []
        self._failures.append(failure)

    def _act_on(self, failure: HookFailure, error: BaseException | None) -> None:
        on_error = self._chain.hook.on_error
        if on_error is OnError.VETO:
            raise HookVetoed(failure) from error
        if on_error is OnError.RAISE:
            raise HookFailed(failure) from error

    # --- the end ----------------------------------------------------------------------------------------------------------------

    def note_long_call(self) -> None:
        """The next calls are timed one by one; a call that was not is reported without a culprit, unless there is only one."""
        chain = self._chain
        known = chain.timed or self._dispatcher.lends or self._breakers
        chain.timed = TIMED_CALLS
        if known:
            return
        names = [one.plugin for one in chain.implementations]
        self._note(
            self._failure(
                names[0] if len(names) == 1 else "",
                FailureKind.OVER_BUDGET,
                found=f"a call in which {', '.join(names)} blocked everything else for longer than one budget",
                expected=f"at most {chain.budget * 1000:.0f} ms each",
                next_step="The next calls are timed one by one and name the plugin.",
            )
        )

    def outcome(self) -> Outcome:
        """What the call brought."""
        chain = self._chain
        if chain.threaded is not None:
            value = self._arguments[chain.threaded]
        elif self._answers is None:
            if self._failures is None:
                return _NOTHING
            value = None
        else:
            value = self._answers[0].value if chain.hook.kind is HookKind.FIRST else None
        return Outcome(tuple(self._answers or ()), tuple(self._failures or ()), value)


def implementations_of(loaded: LoadedPlugins) -> dict[str, tuple[Implementation, ...]]:
    """Per hook, the implementations of the plugins that serve, in load order."""
    rank = {record.key: place for place, record in enumerate(loaded.catalogue.serving)}
    found: dict[str, tuple[Implementation, ...]] = {}
    for name, hook in loaded.hooks.items():
        if hook.kind is HookKind.COLLECT:
            continue
        caller = getattr(loaded.manager.hook, name)
        own = sorted(
            (one for one in caller.get_hookimpls() if one.plugin_name in rank),
            key=lambda one: rank[one.plugin_name],
        )
        found[name] = tuple(
            Implementation(
                one.plugin_name,
                _taking_all(one.function, hook.arguments, one.argnames),
                _budget(hook, loaded, one.plugin_name),
            )
            for one in own
        )
    return found


def _budget(hook: Hook, loaded: LoadedPlugins, plugin: str) -> float:
    manifest = loaded.catalogue.require(plugin).manifest
    wished = manifest.runtime.hook_ms.get(hook.name) if manifest is not None else None
    return min(hook.timeout_ms, wished or hook.timeout_ms) / 1000


def _taking_all(
    function: Callable[..., Any], given: tuple[str, ...], wanted: tuple[str, ...]
) -> Callable[..., Any]:
    if tuple(wanted) == given:
        return function
    places = tuple(given.index(name) for name in wanted)

    def with_fewer(*arguments: Any) -> Any:
        return function(*[arguments[place] for place in places])

    return with_fewer


def _wrong_type(answer: object, hook: Hook) -> str:
    """What is wrong with the answer's type; ``""`` when nothing is."""
    if not isinstance(answer, hook.returns):
        return f"a {type(answer).__qualname__}"
    if hook.items is None:
        return ""
    try:
        # A list of the plugin's own making may raise anything while it is walked.
        return next(
            (
                f"a {type(answer).__qualname__} with a {type(item).__qualname__}"
                for item in cast("list[object]", answer)
                if not isinstance(item, hook.items)
            ),
            "",
        )
    except Exception as error:  # noqa: BLE001
        return f"a {type(answer).__qualname__} that raises {type(error).__name__}"


def _close(steps: Coroutine[Any, Any, None]) -> None:
    """The coroutine runs no more, unless it refuses even that; then it is left to the garbage collector."""
    with contextlib.suppress(Exception):
        steps.close()


def _expected(hook: Hook) -> str:
    if not hook.returns:
        return "no answer, since the hook only tells"
    names = " or ".join(kind.__name__ for kind in hook.returns)
    return f"{names}{f' of {hook.items.__name__}' if hook.items is not None else ''}, or None"
