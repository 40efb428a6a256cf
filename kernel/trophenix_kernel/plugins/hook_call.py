"""One call of one hook over the implementations enabled for it: driven, timed and contained.

How the cost stays at a few microseconds (25 plugins that do nothing). An ``asyncio.timeout`` per implementation costs about 5 µs, so
no timer is started before it is needed: `HookCall.run` drives the coroutine of the whole loop by hand with ``send(None)``.
Implementations that never suspend are then finished, at the price of plain ``await``. Only when one suspends does ``send`` return, and
only then is the waiting taken over, with a timer for the implementation that waits. The clock is treated alike: once a group of
implementations has kept its budgets for a while, it is read once per call, and one by one again as soon as the sum is too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from operator import length_hint
from typing import Any, Final, NamedTuple, cast

from msgspec import Struct

from trophenix_kernel.plugins.breakers import Breaker, Breakers
from trophenix_kernel.plugins.failures import (
    FailureKind,
    HookFailed,
    HookFailure,
    HookVetoed,
    Report,
    shown,
)
from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.hooks import Hook, HookKind, OnError

TIMED_CALLS: Final = 32
"""How many calls of a group are timed one implementation at a time before it is trusted."""

GRACE_SECONDS: Final = 0.1
"""What a cancelled implementation gets to clean up before it is abandoned; or its budget, if that is longer."""


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


class Chain:
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


class Surroundings(NamedTuple):
    """What all calls of a dispatcher share."""

    breakers: Breakers
    report: Report
    clock: Callable[[], float]
    lend: Lend | None


class HookCall:
    """One call of one hook."""

    __slots__ = (
        "_abandoning",
        "_answers",
        "_arguments",
        "_around",
        "_away",
        "_baseline",
        "_breakers",
        "_chain",
        "_failures",
        "_late",
        "_stopped",
        "_struck",
        "_task",
        "_tenant",
        "_todo",
    )

    def __init__(
        self,
        surroundings: Surroundings,
        chain: Chain,
        tenant: str,
        arguments: tuple[Any, ...],
    ) -> None:
        self._around = surroundings
        self._chain = chain
        self._tenant = tenant
        self._arguments = arguments
        self._breakers: Mapping[str, Breaker] | None = None
        self._todo: Iterator[Callable[..., Any]] = iter(chain.functions)
        self._answers: list[Answer] | None = None
        self._failures: list[HookFailure] | None = None
        self._stopped = False
        self._task: asyncio.Task[Any] | None = None
        self._baseline = 0
        self._struck = -1
        self._late = -1
        self._abandoning = False
        self._away = 0.0

    async def run(self) -> Outcome:
        """What the implementations say.

        Raises:
            HookVetoed, HookFailed: a plugin failed and the hook's ``on_error`` asks for it.
            TrophenixError: a plugin refused, in a filter whose ``on_error`` is not ``skip``.
        """
        chain, around = self._chain, self._around
        if not chain.functions:
            return self._outcome()
        if around.breakers:
            self._breakers = around.breakers.of(self._tenant, chain.hook.name)
        careful = chain.timed or self._breakers or around.lend is not None
        loop = self._one_by_one if careful else self._straight
        started = around.clock()
        steps = loop()
        try:
            waiting = steps.send(None)
        except StopIteration:
            pass
        else:
            await self._suspended_at(steps, waiting, loop)
        if around.clock() - started - self._away > chain.budget:
            self._note_long_call()
        elif chain.timed:
            chain.timed -= 1
        return self._outcome()

    # --- the two loops; either can be left and entered again, since all state is here -------------------------------------------

    async def _straight(self) -> None:
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

    async def _one_by_one(self) -> None:
        """Every implementation left to do has run, each timed and behind its breaker, with the context lent to it."""
        around = self._around
        hook = self._chain.hook.name
        ctx = self._arguments[0]
        for function in self._todo:
            implementation = self._current
            plugin = implementation.plugin
            breaker = self._breakers.get(plugin) if self._breakers else None
            lent = ctx if around.lend is None else around.lend(plugin, ctx)
            if not around.breakers.lets_through(breaker):
                self._shut_out(implementation)
                continue
            failures = len(self._failures or ())
            started = around.clock() - self._away
            try:
                answer = await function(lent, *self._arguments[1:])
            except BaseException as error:
                if not self._contained(error):
                    if breaker is not None:
                        breaker.probing = False
                    if isinstance(error, TrophenixError):
                        around.breakers.succeeded(self._tenant, hook, plugin)
                    raise
                continue
            took = around.clock() - self._away - started
            if answer is not None:
                self._take(answer)
            if took > implementation.budget:
                self._fail_over_budget(implementation, took)
            if self._late >= 0:
                self._settle()
            if breaker is not None and len(self._failures or ()) == failures:
                around.breakers.succeeded(self._tenant, hook, plugin)
            if self._stopped:
                return

    # --- suspension -------------------------------------------------------------------------------------------------------------

    async def _suspended_at(
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
        clock = self._around.clock
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
                        self._away += clock() - left
                        continue
                    error = cancelled
                self._away += clock() - left
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
            kind, found = FailureKind.EXITED, shown(error)
        else:
            kind, found = FailureKind.RAISED, shown(error)
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
        if failure.plugin:
            self._around.breakers.failed(failure.tenant, failure.hook, failure.plugin)
        self._around.report(failure)

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

    def _note_long_call(self) -> None:
        """The next calls are timed one by one; a call that was not is reported without a culprit, unless there is only one."""
        chain = self._chain
        known = chain.timed or self._around.lend is not None or self._breakers
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

    def _outcome(self) -> Outcome:
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


def _wrong_type(answer: object, hook: Hook) -> str:
    """What is wrong with the answer's type; ``""`` when nothing is."""
    kind = type(answer).__qualname__
    try:
        # An object of the plugin's own making may raise anything while it is looked at.
        if not isinstance(answer, hook.returns):
            return f"a {kind}"
        if hook.items is not None:
            for item in cast("list[object]", answer):
                if not isinstance(item, hook.items):
                    return f"a {kind} with a {type(item).__qualname__}"
    except Exception as error:  # noqa: BLE001
        return f"a {kind} that raises {type(error).__name__}"
    return ""


def _close(steps: Coroutine[Any, Any, None]) -> None:
    """The coroutine runs no more, unless it refuses even that; then it is left to the garbage collector."""
    with contextlib.suppress(Exception):
        steps.close()


def _expected(hook: Hook) -> str:
    if not hook.returns:
        return "no answer, since the hook only tells"
    names = " or ".join(kind.__name__ for kind in hook.returns)
    return f"{names}{f' of {hook.items.__name__}' if hook.items is not None else ''}, or None"
