"""A hook call gives the healthy plugins' answers in a fixed order, whatever the other plugins do."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trophenix_kernel.plugins.dispatcher import (
    CACHED_AUDIENCES,
    TIMED_CALLS,
    Answer,
    Audience,
    BreakerPolicy,
    Dispatcher,
    FailureKind,
    HookFailed,
    HookFailure,
    HookVetoed,
    Implementation,
    Outcome,
)
from trophenix_sdk.errors import Conflict
from trophenix_sdk.hooks import Hook, HookKind, HookScope, OnError

Body = Callable[..., Awaitable[Any]]

BUDGET: Final = 1.0


def hook(
    kind: HookKind = HookKind.FILTER,
    on_error: OnError = OnError.SKIP,
    *,
    name: str = "ask",
    threads: str | None = None,
    returns: tuple[type, ...] = (str,),
    items: type | None = None,
) -> Hook:
    """A hook with one argument besides the context."""
    return Hook(
        name=name,
        arguments=("ctx", "value"),
        kind=kind,
        since=1,
        timeout_ms=int(BUDGET * 1000),
        on_error=on_error,
        scope=HookScope.TENANT,
        returns=() if kind is HookKind.OBSERVE else returns,
        items=items,
        threads=threads,
    )


class Bench:
    """A dispatcher over given functions, on the running loop's time."""

    def __init__(self, spec: Hook, plugins: dict[str, Body], **options: Any) -> None:
        self.failures: list[HookFailure] = []
        self.audience = Audience.of("acme", plugins)
        self.spec = spec
        self.loop = asyncio.get_running_loop()
        self.dispatcher = Dispatcher(
            {spec.name: spec},
            {
                spec.name: [
                    Implementation(plugin, body, BUDGET)  # pyright: ignore[reportArgumentType]
                    for plugin, body in plugins.items()
                ]
            },
            report=self.failures.append,
            monotonic=self.loop.time,
            **options,
        )

    async def call(self, value: Any = "v", audience: Audience | None = None) -> Outcome:
        """One call, for the tenant ``acme`` with all plugins unless said otherwise."""
        return await self.dispatcher.call(self.spec.name, audience or self.audience, "ctx", value)

    def trust(self, audience: Audience) -> None:
        """The implementations of *audience* are timed together from now on, as after many calls without fault."""
        self.dispatcher._chain(self.spec.name, audience).timed = 0  # pyright: ignore[reportPrivateUsage]

    @property
    def kinds(self) -> list[tuple[str, FailureKind]]:
        """Who failed and how, in the order reported."""
        return [(failure.plugin, failure.kind) for failure in self.failures]


class LeapingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, time leaps there."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits and no timer is set: the loop would never go on")
        self.now += max(timeout, 0.0)
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop with its own time, which only passes while everything waits."""

    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


def leap(work: Coroutine[Any, Any, None]) -> None:
    """Run *work* on a loop on which waiting takes no time."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(work)


# --- behaviours -----------------------------------------------------------------------------------------------------------------


async def says_nothing(ctx: Any, value: Any) -> None:
    """Healthy."""


async def answers(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Healthy."""
    return "yes"


async def answers_later(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Healthy; suspends several times, in sum within the budget."""
    await asyncio.sleep(0)
    await asyncio.sleep(BUDGET / 2)
    return "later"


async def waits_with_its_own_timeout(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Healthy; a time-out of its own ends its waiting."""
    try:
        async with asyncio.timeout(BUDGET / 4):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return "gave up in time"
    return "never"


async def works_in_a_group(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Healthy; one of its tasks fails and it copes."""

    async def fail() -> None:
        raise LookupError("expected")

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            group.create_task(fail())
    except* LookupError:
        pass
    return "group"


async def raises(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken."""
    raise LookupError("broken")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise LookupError


async def raises_the_unprintable(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; even reporting it is not safe."""
    raise Unprintable


async def raises_later(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken."""
    await asyncio.sleep(0)
    raise LookupError("broken")


async def exits(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken."""
    raise SystemExit(2)


async def hangs(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken."""
    await asyncio.get_running_loop().create_future()
    return "never"


async def hangs_stubbornly(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; no cancellation stops it."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()


async def hangs_on_a_stubborn_task(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; it obeys, what it waits for does not (until the loop is closed)."""

    async def stubborn() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        await asyncio.get_running_loop().create_future()
        return "never"

    return await asyncio.create_task(stubborn())


async def answers_after_cancellation(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; too late, and it hides that."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()
    return "too late"


async def is_silent_after_cancellation(ctx: Any, value: Any) -> None:  # noqa: ARG001
    """Broken; too late, and it hides that."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.get_running_loop().create_future()


async def breaks_on_cancellation(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken twice."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        raise LookupError("while cleaning up")


async def answers_wrongly(ctx: Any, value: Any) -> int:  # noqa: ARG001
    """Broken."""
    return 7


async def is_cancelled(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; nobody cancelled it."""
    raise asyncio.CancelledError


async def awaits_the_cancelled(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; a task of its own was cancelled."""
    task = asyncio.create_task(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task
    return "never"


async def awaits_something_foreign(ctx: Any, value: Any) -> str:  # noqa: ARG001
    """Broken; what it awaits belongs to no event loop."""

    class Foreign:
        def __await__(self) -> Any:
            yield "not a future"

    await Foreign()
    return "never"


HEALTHY: Final[dict[str, tuple[Body, str | None]]] = {
    "nothing": (says_nothing, None),
    "answer": (answers, "yes"),
    "later": (answers_later, "later"),
    "own timeout": (waits_with_its_own_timeout, "gave up in time"),
    "group": (works_in_a_group, "group"),
}
BROKEN: Final[dict[str, tuple[Body, FailureKind]]] = {
    "raise": (raises, FailureKind.RAISED),
    "raise unprintable": (raises_the_unprintable, FailureKind.RAISED),
    "raise later": (raises_later, FailureKind.RAISED),
    "exit": (exits, FailureKind.EXITED),
    "hang": (hangs, FailureKind.TIMED_OUT),
    "stubborn": (hangs_stubbornly, FailureKind.TIMED_OUT),
    "stubborn task": (hangs_on_a_stubborn_task, FailureKind.TIMED_OUT),
    "late answer": (answers_after_cancellation, FailureKind.TIMED_OUT),
    "late silence": (is_silent_after_cancellation, FailureKind.TIMED_OUT),
    "bad cleanup": (breaks_on_cancellation, FailureKind.TIMED_OUT),
    "wrong type": (answers_wrongly, FailureKind.WRONG_TYPE),
    "cancelled": (is_cancelled, FailureKind.CANCELLED),
    "awaits cancelled": (awaits_the_cancelled, FailureKind.CANCELLED),
    "foreign": (awaits_something_foreign, FailureKind.RAISED),
}
BEHAVIOURS = st.sampled_from([*HEALTHY, *BROKEN])


def body(behaviour: str) -> Body:
    """The function behind a behaviour's name."""
    return HEALTHY[behaviour][0] if behaviour in HEALTHY else BROKEN[behaviour][0]


class TestContainment:
    """Whatever plugins do."""

    @settings(deadline=None)
    @given(
        mix=st.lists(BEHAVIOURS, min_size=1, max_size=6),
        disabled=st.sets(st.integers(0, 5)),
        trusted=st.booleans(),
    )
    @example(mix=["late silence", "raise"], disabled=set[int](), trusted=True)
    @example(mix=["own timeout"] * 6, disabled=set[int](), trusted=True)
    def test_healthy_answers_are_unchanged_and_the_guilty_are_named(
        self, mix: list[str], disabled: set[int], *, trusted: bool
    ) -> None:
        """Any mix of implementations, any part of them enabled, timed singly or together."""
        from_plugins = {f"acme.p{place}": behaviour for place, behaviour in enumerate(mix)}
        enabled = [plugin for place, plugin in enumerate(from_plugins) if place not in disabled]

        async def scene() -> None:
            bench = Bench(hook(), {plugin: body(kind) for plugin, kind in from_plugins.items()})

            audience = Audience.of("acme", enabled)
            if trusted:
                bench.trust(audience)

            outcome = await bench.call(audience=audience)

            assert list(outcome.answers) == [
                Answer(plugin, answer)
                for plugin in enabled
                if from_plugins[plugin] in HEALTHY
                and (answer := HEALTHY[from_plugins[plugin]][1]) is not None
            ]
            assert bench.kinds == [
                (plugin, BROKEN[from_plugins[plugin]][1])
                for plugin in enabled
                if from_plugins[plugin] in BROKEN
            ]
            assert list(outcome.failures) == bench.failures
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0

        leap(scene())

    @settings(deadline=None)
    @given(mix=st.lists(BEHAVIOURS, min_size=1, max_size=5), later=BEHAVIOURS)
    def test_the_first_answer_wins_and_ends_the_call(self, mix: list[str], later: str) -> None:
        """Broken plugins before it are passed over, plugins after it are not asked."""
        kinds = [*mix, "answer", later]
        expected = next(
            answer for kind in kinds if kind in HEALTHY and (answer := HEALTHY[kind][1]) is not None
        )

        async def scene() -> None:
            bench = Bench(
                hook(HookKind.FIRST), {f"acme.p{n}": body(kind) for n, kind in enumerate(kinds)}
            )

            outcome = await bench.call()

            assert outcome.value == expected
            assert [answer.value for answer in outcome.answers] == [expected]

        leap(scene())

    @settings(deadline=None)
    @given(mix=st.lists(st.one_of(st.none(), BEHAVIOURS), min_size=1, max_size=6))
    def test_a_value_is_handed_on_past_broken_plugins(self, mix: list[str | None]) -> None:
        """Each healthy plugin (here ``None`` in the mix) gets the value of the one before."""

        def appends(mark: str) -> Body:
            async def change(ctx: Any, value: Any) -> str:  # noqa: ARG001
                return value + mark

            return change

        async def scene() -> None:
            plugins = {
                f"acme.p{n}": appends(str(n)) if kind is None else body(kind)
                for n, kind in enumerate(mix)
                if kind not in HEALTHY
            }
            marks = "".join(str(n) for n, kind in enumerate(mix) if kind is None)
            bench = Bench(hook(threads="value"), plugins)

            outcome = await bench.call(">")

            assert outcome.value == ">" + marks

        leap(scene())

    @settings(deadline=None)
    @given(mix=st.lists(BEHAVIOURS, min_size=1, max_size=6))
    def test_observers_never_disturb_the_caller(self, mix: list[str]) -> None:
        """Whatever they do, the call returns; an answer nobody asked for is a failure."""

        async def scene() -> None:
            bench = Bench(
                hook(HookKind.OBSERVE), {f"acme.p{n}": body(kind) for n, kind in enumerate(mix)}
            )

            outcome = await bench.call()

            assert outcome.answers == ()
            assert {failure.plugin for failure in outcome.failures} == {
                f"acme.p{n}" for n, kind in enumerate(mix) if kind != "nothing"
            }

        leap(scene())

    def test_an_interruption_from_the_keyboard_is_not_contained(self) -> None:
        """It is meant for the process."""

        async def interrupted(ctx: Any, value: Any) -> str:  # noqa: ARG001
            raise KeyboardInterrupt

        async def scene() -> None:
            await Bench(hook(), {"acme.p": interrupted}).call()

        with pytest.raises(KeyboardInterrupt):
            leap(scene())

    def test_a_list_that_breaks_when_it_is_read_is_a_wrong_answer(self) -> None:
        """Not even checking an answer lets a plugin's error through."""

        class Trap(list[str]):
            def __iter__(self) -> Any:
                raise LookupError("trap")

        async def traps(ctx: Any, value: Any) -> Trap:  # noqa: ARG001
            return Trap(["x"])

        async def scene() -> None:
            bench = Bench(
                hook(returns=(list,), items=str), {"acme.a": traps, "acme.b": says_nothing}
            )

            await bench.call()

            assert bench.kinds == [("acme.a", FailureKind.WRONG_TYPE)]
            assert "raises LookupError" in bench.failures[0].found

        leap(scene())

    def test_a_failure_says_what_to_do_and_where(self) -> None:
        """Reports can be acted on."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.p": raises})

            await bench.call()

            failure = bench.failures[0]
            assert failure.code == "hook.raised"
            assert "acme.p, hook ask: found LookupError: broken; expected" in str(failure)
            assert "in raises" in failure.traceback

        leap(scene())


class TestTheCallersCancellation:
    """Who is cancelled from outside stops, and nobody is blamed."""

    @pytest.mark.parametrize("kind", ["hang", "later", "group that waits"])
    def test_cancelling_the_caller_stops_the_call(self, kind: str) -> None:
        """Plugins after the one at work are not asked."""
        asked: list[str] = []

        async def after(ctx: Any, value: Any) -> None:  # noqa: ARG001
            asked.append("after")

        async def waits_in_a_group(ctx: Any, value: Any) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(hangs(ctx, value))  # pyright: ignore[reportArgumentType]

        async def scene() -> None:
            at_work = waits_in_a_group if kind == "group that waits" else body(kind)
            bench = Bench(hook(), {"acme.a": at_work, "acme.b": after})
            call = asyncio.create_task(bench.call())
            await asyncio.sleep(BUDGET / 8)

            call.cancel()

            with pytest.raises(asyncio.CancelledError):
                await call
            assert bench.failures == []
            assert asked == []

        leap(scene())

    @pytest.mark.parametrize("kind", ["late answer", "late silence", "bad cleanup"])
    def test_a_swallowed_cancellation_leaves_the_task_usable(self, kind: str) -> None:
        """The call ends like any other, and time-outs of the caller still work."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": body(kind), "acme.b": answers})

            async def caller() -> Outcome:
                outcome = await bench.call()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        await asyncio.get_running_loop().create_future()
                return outcome

            call = asyncio.create_task(caller())
            await asyncio.sleep(BUDGET / 8)

            call.cancel()

            assert (await call).answers[-1] == Answer("acme.b", "yes")
            assert FailureKind.TIMED_OUT not in [failure.kind for failure in bench.failures]

        leap(scene())

    def test_what_the_plugin_waits_for_is_cancelled_with_it(self) -> None:
        """No task is left behind, as with a plain ``await``."""
        ended: list[str] = []

        async def inner() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("inner")

        async def waits(ctx: Any, value: Any) -> None:  # noqa: ARG001
            await asyncio.create_task(inner())

        async def scene() -> None:
            call = asyncio.create_task(Bench(hook(), {"acme.a": waits}).call())
            await asyncio.sleep(BUDGET / 8)

            call.cancel()

            with pytest.raises(asyncio.CancelledError):
                await call
            assert ended == ["inner"]

        leap(scene())

    def test_a_timeout_of_the_caller_is_the_callers(self) -> None:
        """It is raised where it was set, and no plugin is reported."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": hangs})

            with pytest.raises(TimeoutError):
                async with asyncio.timeout(BUDGET / 2):
                    await bench.call()

            assert bench.failures == []

        leap(scene())

    def test_a_cancelled_probe_leaves_the_breaker_ready_for_the_next(self) -> None:
        """A half-open breaker is not lost."""

        async def scene() -> None:
            state = {"hang": False}

            async def moody(ctx: Any, value: Any) -> str:  # noqa: ARG001
                if state["hang"]:
                    await asyncio.get_running_loop().create_future()
                raise LookupError

            bench = Bench(hook(), {"acme.a": moody}, breaker=BreakerPolicy(1, 10))
            await bench.call()
            state["hang"] = True
            await asyncio.sleep(11)
            probe = asyncio.create_task(bench.call())
            await asyncio.sleep(0.1)
            probe.cancel()
            with pytest.raises(asyncio.CancelledError):
                await probe
            state["hang"] = False

            await bench.call()

            assert bench.kinds == [("acme.a", FailureKind.RAISED)] * 2

        leap(scene())


class TestOrder:
    """Who runs when."""

    @given(st.lists(st.integers(0, 9), unique=True, min_size=1), st.sets(st.integers(0, 9)))
    def test_enabled_plugins_run_in_the_order_registered(
        self, order: list[int], enabled: set[int]
    ) -> None:
        """The set of enabled plugins has no influence on the order."""
        ran: list[str] = []

        def runs(plugin: str) -> Body:
            async def run(ctx: Any, value: Any) -> None:  # noqa: ARG001
                ran.append(plugin)

            return run

        async def scene() -> None:
            bench = Bench(hook(), {f"acme.p{n}": runs(f"acme.p{n}") for n in order})
            audience = Audience.of("acme", {f"acme.p{n}" for n in enabled})

            await bench.call(audience=audience)

            expected = [f"acme.p{n}" for n in order if n in enabled]
            assert ran == expected
            assert list(bench.dispatcher.plugins("ask", audience)) == expected

        leap(scene())


class TestFailurePolicy:
    """What a failure means to the caller."""

    @pytest.mark.parametrize("kind", BROKEN)
    def test_a_decision_is_refused_when_a_plugin_that_has_a_say_fails(self, kind: str) -> None:
        """Fail closed, whatever the failure."""

        async def scene() -> None:
            bench = Bench(hook(on_error=OnError.VETO), {"acme.a": body(kind), "acme.b": answers})

            with pytest.raises(HookVetoed) as vetoed:
                await bench.call()

            assert vetoed.value.failure.kind is BROKEN[kind][1]
            assert vetoed.value.status == 503

        leap(scene())

    @pytest.mark.parametrize("kind", BROKEN)
    def test_a_call_that_needs_every_plugin_fails_with_the_first(self, kind: str) -> None:
        """The caller learns which."""

        async def scene() -> None:
            bench = Bench(hook(HookKind.FIRST, OnError.RAISE), {"acme.a": body(kind)})

            with pytest.raises(HookFailed) as failed:
                await bench.call()

            assert failed.value.failure.plugin == "acme.a"

        leap(scene())

    def test_an_open_breaker_refuses_what_a_failure_would_refuse(self) -> None:
        """Otherwise failing often enough would switch a veto off."""

        async def scene() -> None:
            bench = Bench(
                hook(on_error=OnError.VETO), {"acme.a": raises}, breaker=BreakerPolicy(2, 60)
            )
            for _ in range(2):
                with pytest.raises(HookVetoed):
                    await bench.call()

            with pytest.raises(HookVetoed) as vetoed:
                await bench.call()

            assert vetoed.value.failure.kind is FailureKind.BREAKER_OPEN
            assert len(bench.failures) == 2

        leap(scene())

    def test_a_refusal_in_the_platforms_words_reaches_the_caller(self) -> None:
        """And counts neither as a failure nor towards a breaker."""

        async def refuses(ctx: Any, value: Any) -> str:  # noqa: ARG001
            raise Conflict("sold out", next_step="Choose another day.")

        async def scene() -> None:
            bench = Bench(
                hook(on_error=OnError.VETO), {"acme.a": refuses}, breaker=BreakerPolicy(1, 60)
            )

            for _ in range(3):
                with pytest.raises(Conflict, match="sold out"):
                    await bench.call()

            assert bench.failures == []

        leap(scene())

    def test_an_observer_cannot_refuse(self) -> None:
        """There is nothing to refuse any more."""

        async def refuses(ctx: Any, value: Any) -> None:  # noqa: ARG001
            raise Conflict("too late")

        async def scene() -> None:
            bench = Bench(hook(HookKind.OBSERVE), {"acme.a": refuses})

            await bench.call()

            assert bench.kinds == [("acme.a", FailureKind.RAISED)]

        leap(scene())


class TestBreaker:
    """Plugins that keep failing are left alone for a while, and only they."""

    @settings(deadline=None)
    @given(
        mix=st.lists(BEHAVIOURS, min_size=1, max_size=4),
        calls=st.lists(st.sampled_from(["acme", "zeta"]), max_size=9),
        threshold=st.integers(1, 4),
    )
    def test_it_opens_only_for_the_guilty_plugin_tenant_and_hook(
        self, mix: list[str], calls: list[str], threshold: int
    ) -> None:
        """After exactly as many failures in a row as were allowed."""
        asked: Counter[tuple[str, str]] = Counter()
        now = {"tenant": ""}

        def counted(plugin: str, kind: str) -> Body:
            async def run(ctx: Any, value: Any) -> Any:
                asked[plugin, now["tenant"]] += 1
                return await body(kind)(ctx, value)

            return run

        async def scene() -> None:
            plugins = {f"acme.p{n}": kind for n, kind in enumerate(mix)}
            bench = Bench(
                hook(),
                {plugin: counted(plugin, kind) for plugin, kind in plugins.items()},
                breaker=BreakerPolicy(threshold, 10_000),
            )
            for tenant in calls:
                now["tenant"] = tenant
                await bench.call(audience=Audience.of(tenant, plugins))

            made = Counter(calls)
            assert {
                (one.plugin, one.tenant, one.hook) for one in bench.dispatcher.open_breakers()
            } == {
                (plugin, tenant, "ask")
                for plugin, kind in plugins.items()
                for tenant in made
                if kind in BROKEN and made[tenant] >= threshold
            }
            assert asked == Counter(
                {
                    (plugin, tenant): made[tenant]
                    if kind in HEALTHY
                    else min(made[tenant], threshold)
                    for plugin, kind in plugins.items()
                    for tenant in made
                }
            )

        leap(scene())

    def test_one_success_forgets_the_failures_before_it(self) -> None:
        """Only failures in a row count."""
        say = iter([False, False, True, False, False, True])

        async def moody(ctx: Any, value: Any) -> None:  # noqa: ARG001
            if not next(say):
                raise LookupError

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": moody}, breaker=BreakerPolicy(3, 60))
            for _ in range(6):
                await bench.call()

            assert bench.dispatcher.open_breakers() == ()
            assert len(bench.failures) == 4

        leap(scene())

    def test_after_the_delay_one_call_probes_and_a_success_closes_it(self) -> None:
        """Calls at the same time as the probe still leave the plugin out."""
        state: dict[str, Any] = {"broken": True, "calls": 0}

        async def mends(ctx: Any, value: Any) -> str:  # noqa: ARG001
            state["calls"] += 1
            if state["broken"]:
                raise LookupError
            await asyncio.sleep(0.1)
            return "well again"

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": mends}, breaker=BreakerPolicy(1, 30))
            await bench.call()
            state.update(broken=False, calls=0)
            assert (await bench.call()).failures[0].kind is FailureKind.BREAKER_OPEN
            await asyncio.sleep(30)

            outcomes = await asyncio.gather(*(bench.call() for _ in range(3)))

            assert state["calls"] == 1
            assert [len(outcome.answers) for outcome in outcomes] == [1, 0, 0]
            assert bench.dispatcher.open_breakers() == ()
            assert (await bench.call()).answers == (Answer("acme.a", "well again"),)

        leap(scene())

    def test_a_failed_probe_opens_it_for_another_delay(self) -> None:
        """The plugin is tried once per delay."""
        calls = {"count": 0}

        async def fails(ctx: Any, value: Any) -> None:  # noqa: ARG001
            calls["count"] += 1
            raise LookupError

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": fails}, breaker=BreakerPolicy(2, 30))
            for _ in range(5):
                await bench.call()
            assert calls["count"] == 2

            await asyncio.sleep(30)
            for _ in range(5):
                await bench.call()

            assert calls["count"] == 3
            await asyncio.sleep(30)
            for _ in range(5):
                await bench.call()

            assert calls["count"] == 4
            assert len(bench.dispatcher.open_breakers()) == 1

        leap(scene())

    def test_it_can_be_closed_by_hand_for_one_tenant(self) -> None:
        """After a repair nobody has to wait."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": raises}, breaker=BreakerPolicy(1, 10_000))
            for tenant in ("acme", "zeta"):
                await bench.call(audience=Audience.of(tenant, ["acme.a"]))

            bench.dispatcher.close_breakers("acme.a", tenant="acme")

            assert [one.tenant for one in bench.dispatcher.open_breakers()] == ["zeta"]
            bench.dispatcher.close_breakers("acme.a")
            assert bench.dispatcher.open_breakers() == ()

        leap(scene())


class TestBlockingCode:
    """Code that holds the event loop cannot be stopped, but it is named."""

    @staticmethod
    def blocks(bench: list[Bench]) -> Body:
        """Takes three times its budget without ever suspending."""

        async def run(ctx: Any, value: Any) -> str:  # noqa: ARG001
            loop = bench[0].loop
            assert isinstance(loop, LeapingLoop)
            loop.leaping.now += 3 * BUDGET
            return "done"

        return run

    def test_it_is_reported_and_its_answer_kept(self) -> None:
        """The neighbours are not blamed."""

        async def scene() -> None:
            benches: list[Bench] = []
            bench = Bench(
                hook(), {"acme.a": answers, "acme.b": self.blocks(benches), "acme.c": answers_later}
            )
            benches.append(bench)

            outcome = await bench.call()

            assert [answer.value for answer in outcome.answers] == ["yes", "done", "later"]
            assert bench.kinds == [("acme.b", FailureKind.OVER_BUDGET)]

        leap(scene())

    def test_it_is_found_again_once_a_group_was_trusted(self) -> None:
        """The first long call names nobody, the second the culprit."""

        async def scene() -> None:
            benches: list[Bench] = []
            slow = {"now": False}

            async def sometimes(ctx: Any, value: Any) -> str | None:
                return await self.blocks(benches)(ctx, value) if slow["now"] else None

            bench = Bench(hook(), {"acme.a": answers, "acme.b": sometimes})
            benches.append(bench)
            for _ in range(TIMED_CALLS + 1):
                await bench.call()
            assert bench.failures == []

            slow["now"] = True
            await bench.call()
            await bench.call()

            assert bench.kinds == [
                ("", FailureKind.OVER_BUDGET),
                ("acme.b", FailureKind.OVER_BUDGET),
            ]
            assert "acme.a, acme.b" in bench.failures[0].found

        leap(scene())

    def test_waiting_is_not_blocking(self) -> None:
        """Two plugins that each wait within their budget are together over it, and both are fine."""

        async def scene() -> None:
            bench = Bench(hook(), {f"acme.p{n}": answers_later for n in range(4)})

            for _ in range(TIMED_CALLS + 2):
                await bench.call()

            assert bench.failures == []

        leap(scene())


class TestPreparedCalls:
    """What is kept between calls."""

    def test_equal_sets_of_plugins_share_a_fingerprint_whoever_the_tenant_is(self) -> None:
        """A thousand tenants with the same plugins cost one entry."""
        assert (
            Audience.of("a", ["x.b", "x.a"]).fingerprint
            == Audience.of("b", ["x.a", "x.b"]).fingerprint
        )
        assert Audience.of("a", ["x.a"]).fingerprint != Audience.of("a", ["x.a", "x.b"]).fingerprint

    def test_old_sets_make_room_for_new_ones(self) -> None:
        """Memory is bounded whatever tenants enable."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": answers})
            for n in range(CACHED_AUDIENCES + 10):
                await bench.call(audience=Audience.of("acme", ["acme.a", f"other.p{n}"]))

            outcome = await bench.call(audience=Audience.of("acme", ["acme.a", "other.p0"]))

            assert len(outcome.answers) == 1
            assert len(bench.dispatcher._chains) == CACHED_AUDIENCES  # pyright: ignore[reportPrivateUsage]

        leap(scene())

    def test_a_forgotten_set_is_prepared_anew(self) -> None:
        """Answers stay the same."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": answers})
            before = await bench.call()

            bench.dispatcher.forget(bench.audience.fingerprint)
            bench.dispatcher.forget_all()

            assert await bench.call() == before

        leap(scene())


class TestCalling:
    """The call itself."""

    def test_the_context_is_passed_through_untouched(self) -> None:
        """The same object, to every plugin."""
        seen: list[Any] = []

        async def looks(ctx: Any, value: Any) -> None:  # noqa: ARG001
            seen.append(ctx)

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": looks, "acme.b": looks})
            context = object()

            await bench.dispatcher.call("ask", bench.audience, context, "v")

            assert seen == [context, context]

        leap(scene())

    def test_each_plugin_can_be_lent_a_context_of_its_own(self) -> None:
        """So that capabilities are scoped to it; also once the group is trusted."""
        seen: list[Any] = []

        async def looks(ctx: Any, value: Any) -> None:  # noqa: ARG001
            seen.append(ctx)

        def lend(plugin: str, ctx: Any) -> str:
            return f"{ctx} for {plugin}"

        async def scene() -> None:
            bench = Bench(
                hook(),
                {"acme.a": looks, "acme.b": looks},
                lend=lend,
            )

            for _ in range(TIMED_CALLS + 1):
                await bench.call()

            assert set(seen) == {"ctx for acme.a", "ctx for acme.b"}

        leap(scene())

    def test_a_call_with_other_arguments_than_specified_is_an_error_of_the_caller(self) -> None:
        """Not one of the plugins."""

        async def scene() -> None:
            bench = Bench(hook(), {"acme.a": answers})

            with pytest.raises(TypeError, match="called with 1 arguments; expected ctx, value"):
                await bench.dispatcher.call("ask", bench.audience, "ctx")
            with pytest.raises(KeyError, match="unknown"):
                await bench.dispatcher.call("unknown", bench.audience, "ctx", "v")
            assert bench.failures == []

        leap(scene())

    def test_collect_hooks_are_not_called(self) -> None:
        """They were asked at load."""

        async def scene() -> None:
            bench = Bench(hook(HookKind.COLLECT), {})

            with pytest.raises(TypeError, match="at load"):
                await bench.call()

        leap(scene())

    def test_nobody_enabled_means_nothing_said(self) -> None:
        """And a value handed on comes back as it was."""

        async def scene() -> None:
            nobody = Audience.of("acme", [])

            assert await Bench(hook(), {"acme.a": answers}).call(audience=nobody) == Outcome()
            threaded = Bench(hook(threads="value"), {"acme.a": answers})
            assert (await threaded.call("same", audience=nobody)).value == "same"

        leap(scene())
