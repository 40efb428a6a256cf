"""What a plugin is promised about its hooks: when they run, as whom, in which transaction, and what their failure means."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from litestar import Request

from trophenix_kernel.composition import Kernel
from trophenix_kernel.demo import run_as
from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.web.desk.visit import Visit
from trophenix_kernel.web.health import HEALTH_SECONDS, ReadinessProbe
from trophenix_kernel.web.recognition import SESSION_COOKIE
from trophenix_kernel.worker import Worker
from trophenix_sdk.errors import FieldProblem, TrophenixError
from trophenix_sdk.hookspecs import Deny, Health
from trophenix_sdk.ids import new_id
from trophenix_testing.platform import BASE_URL, Platform
from trophenix_testing.plugins import WrittenPlugin, write_plugin

WATCHMAN: Final = "acme.watchman"
WORKSHOP: Final = "acme.workshop"
THINGS: Final = f"{WORKSHOP}:thing.list"
SETTINGS: Final = f"/api/v1/plugins/{WATCHMAN}/settings"
_SOURCE: Final = Path(__file__).parent / "watchman"

Open = Callable[..., Awaitable[Platform]]


def write_watchman(root: Path) -> WrittenPlugin:
    files = {
        str(file.relative_to(_SOURCE)): file.read_text(encoding="utf-8")
        for file in _SOURCE.rglob("*.py")
    }
    manifest = (_SOURCE / "trophenix.toml").read_text(encoding="utf-8")
    return write_plugin(
        root, id=WATCHMAN, files={"migrations/__init__.py": "", **files}, manifest=manifest
    )


@pytest.fixture
async def watched(open_workshop: Open, tmp_path: Path) -> Platform:
    """A platform with the workshop and the watchman, nothing said or told yet."""
    platform = await open_workshop(write_watchman(tmp_path))
    platform.plugin(WATCHMAN)
    # Litestar sets up logging when it is built, which must not happen while a test reads the log.
    assert platform.app
    watchman().TOLD.clear()
    return platform


def watchman() -> ModuleType:
    return sys.modules["acme_watchman.plugin"]


def says(hook: str, answer: Callable[..., Awaitable[Any]]) -> None:
    watchman().SAYS[hook] = answer


def told(hook: str) -> list[list[Any]]:
    return [arguments for name, *arguments in watchman().TOLD if name == hook]


async def notes(platform: Platform, tenant: str = "alpha") -> list[str]:
    async with platform.sql(WATCHMAN, tenant=tenant) as connection:
        rows = await connection.fetch("select text from plugin_acme_watchman.notes order by text")
        return [row[0] for row in rows]


async def state(platform: Platform) -> str:
    async with platform.sql("admin") as connection:
        return await connection.fetchval(
            "select state from kernel.activations where tenant_id = $1 and plugin_id = $2",
            platform.tenant("alpha").id,
            WATCHMAN,
        )


async def switch(platform: Platform, to: str) -> Any:
    owner = platform.http("alpha", role="owner")
    return await owner.post(f"/api/v1/plugins/{WATCHMAN}/{to}", json={})


# ── authorize ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def denies(_ctx: Any, action: str, _resource: str) -> Deny | None:
    return Deny("too_late", "Not after ten.") if action == THINGS else None


async def breaks(*_: Any) -> Any:
    raise LookupError("the host key of db-7.internal")


async def at_every_door(platform: Platform) -> dict[str, tuple[int, str]]:
    """Status and code that each way to the workshop's list of things ends with."""
    member = platform.tenant("alpha").people["member"]
    session = {"Authorization": f"Bearer {member.session}", "X-Tenant-ID": "alpha"}
    calls: dict[str, tuple[str, str, dict[str, str], dict[str, str] | None]] = {
        "route": ("GET", f"{BASE_URL}/api/v1/things", {}, None),
        "route, path": ("GET", f"{BASE_URL}/api/v1/tenants/alpha/things", {}, None),
        "route, host": ("GET", "http://alpha.trophenix.test/api/v1/things", {}, None),
        "generic": ("POST", f"{BASE_URL}/api/v1/operations/{THINGS}", {}, None),
        "key": (
            "GET",
            f"{BASE_URL}/api/v1/things",
            {"Authorization": f"Bearer {member.key}"},
            None,
        ),
        **{
            f"inside a {kind}": (
                "POST",
                f"{BASE_URL}/api/v1/operations/{WORKSHOP}:probe.{kind}",
                {},
                {"operation": THINGS},
            )
            for kind in ("read", "write")
        },
    }
    client = platform.http(None, None)
    answers: dict[str, tuple[int, str]] = {}
    for way, (method, url, headers, body) in calls.items():
        answer = await client.request(method, url, headers={**session, **headers}, json=body)
        answers[way] = (answer.status_code, answer.json().get("code", "ok"))
    kernel = platform.kernel
    user = await kernel.credentials.user(member.id)
    assert user is not None
    answers["command line"] = await refusal(
        run_as(kernel, recognition_of(kernel), user, "alpha", THINGS, {})
    )
    answers["panel"] = await refusal(visit_and_call(platform, member.session))
    answers["job"] = await job(platform, member.session)
    return answers


async def refusal(asked: Awaitable[Any]) -> tuple[int, str]:
    try:
        await asked
    except TrophenixError as error:
        return error.status, error.reason
    return 200, "ok"


async def visit_and_call(platform: Platform, session: str) -> None:
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/admin/alpha",
        "query_string": b"",
        "headers": [(b"cookie", f"{SESSION_COOKIE}={session}".encode())],
        "client": None,
        "litestar_app": platform.app._otherwise,
    }
    visit = await Visit.of(Request(scope), "alpha")
    await visit.call(THINGS)


async def job(platform: Platform, session: str) -> tuple[int, str]:
    """What a job ends with whose operation was allowed when it was asked for."""
    kernel = platform.kernel
    identity = await kernel.credentials.of_session(session)
    actor: Any = msgspec.to_builtins(identity)
    made = new_id()
    tenant: UUID = platform.tenant("alpha").id
    async with platform.sql("admin") as connection:
        await connection.execute(
            "insert into kernel.jobs (tenant_id, id, operation, input, actor, status, attempts, request_id, run_at)"
            " values ($1, $2, $3, '{}', cast($4::text as jsonb), 'running', 1, 'hooks', 'infinity')",
            tenant,
            made,
            THINGS,
            msgspec.json.encode(actor).decode(),
        )
        claimed: dict[str, Any] = {
            "tenant_id": str(tenant),
            "id": str(made),
            "operation": THINGS,
            "input": {},
            "actor": actor,
            "attempt": 1,
            "request_id": "hooks",
        }
        await Worker(kernel, recognition_of(kernel)).run_job("main", claimed)
        row = await connection.fetchrow(
            "select status, problem ->> 'status', problem ->> 'code' from kernel.jobs where id = $1",
            made,
        )
    return (200, "ok") if row[0] == "succeeded" else (int(row[1]), row[2])


class TestAuthorize:
    async def test_a_silent_authorizer_changes_nothing_at_any_door(self, watched: Platform) -> None:
        answers = await at_every_door(watched)

        assert set(answers.values()) == {(200, "ok")}, answers
        assert len([action for action, _ in told("authorize") if action == THINGS]) == len(answers)

    async def test_a_refusal_holds_at_every_door(self, watched: Platform) -> None:
        says("authorize", denies)

        answers = await at_every_door(watched)

        assert set(answers.values()) == {(403, "too_late")}, answers

    async def test_an_authorizer_that_fails_closes_every_door(self, watched: Platform) -> None:
        says("authorize", breaks)

        answers = await at_every_door(watched)

        assert set(answers.values()) == {(503, "hook_vetoed")}, answers

    async def test_what_happened_inside_the_plugin_is_not_told(self, watched: Platform) -> None:
        says("authorize", breaks)

        answer = await watched.http("alpha", role="member").get("/api/v1/things")

        assert answer.status_code == 503
        assert WATCHMAN in answer.json()["detail"]
        assert "db-7" not in answer.text
        assert "LookupError" not in answer.text

    async def test_it_is_asked_with_the_action_and_the_resource(self, watched: Platform) -> None:
        made = await watched.call("alpha", f"{WORKSHOP}:thing.create", {"name": "Saw"})
        watchman().TOLD.clear()

        await watched.call("alpha", f"{WORKSHOP}:thing.read", {"id": str(made.id)})

        assert told("authorize") == [[f"{WORKSHOP}:thing.read", str(made.id)]]

    async def test_it_sees_the_tenant_the_actor_and_its_own_rows(self, watched: Platform) -> None:
        async with watched.sql(WATCHMAN, tenant="alpha") as connection:
            await connection.execute(
                "insert into plugin_acme_watchman.notes (id, text) values ($1, 'closed')", new_id()
            )
        seen: list[Any] = []

        async def looks(ctx: Any, _action: str, _resource: str) -> Deny | None:
            rows = await ctx.db.all(watchman().READ)
            seen.append((ctx.tenant.slug, ctx.actor.kind, ctx.plugin_id, rows))
            return Deny("closed", "Closed.") if rows else None

        says("authorize", looks)
        refused = await watched.http("alpha", role="member").get("/api/v1/things")
        let_in = await watched.http("beta", role="member").get("/api/v1/things")

        assert (refused.status_code, let_in.status_code) == (403, 200)
        assert seen == [
            ("alpha", "api_key", WATCHMAN, ["closed"]),
            ("beta", "api_key", WATCHMAN, []),
        ]

    async def test_it_can_write_nothing(self, watched: Platform) -> None:
        async def writes(ctx: Any, *_: Any) -> None:
            await watchman().write(ctx, "was here")

        says("authorize", writes)
        answer = await watched.http("alpha", role="member").get("/api/v1/things")

        assert answer.status_code == 503
        assert await notes(watched) == []

    async def test_it_cannot_allow_what_the_platform_refuses(self, watched: Platform) -> None:
        viewer = watched.http("alpha", role="viewer")

        assert (await viewer.post("/api/v1/things", json={"name": "Saw"})).status_code == 403
        assert told("authorize") == []

    async def test_a_tenant_that_has_not_switched_it_on_is_not_asked_about(
        self, watched: Platform
    ) -> None:
        assert (await switch(watched, "disable")).status_code == 200
        says("authorize", denies)

        assert (await watched.http("alpha").get("/api/v1/things")).status_code == 200
        assert (await watched.http("beta").get("/api/v1/things")).status_code == 403

    async def test_where_nobody_implements_it_nothing_is_asked(
        self, open_workshop: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither a statement nor a call of the dispatcher."""
        without = await open_workshop()
        with_one = await open_workshop(write_watchman(tmp_path))
        assert without.kernel.hooks.authorizers == frozenset()
        called: list[str] = []

        def noted(hook: str, *_: Any) -> Any:
            called.append(hook)
            raise AssertionError(hook)

        monkeypatch.setattr(without.kernel.dispatcher, "call", noted)
        trips = [await round_trips(platform) for platform in (without, with_one)]

        assert called == []
        # Nor does being asked cost one, as long as the plugin reads nothing.
        assert trips[0] == trips[1] == 1


async def round_trips(platform: Platform) -> int:
    """Of one read, everything that can be kept being kept."""
    member = platform.http("alpha", role="member")
    await member.get("/api/v1/things")
    pool = platform.kernel.clusters.main
    before = pool.trips
    assert (await member.get("/api/v1/things")).status_code == 200
    return pool.trips - before


# ── tenant_enabled, tenant_disabled ─────────────────────────────────────────────────────────────────────────────────


class TestLifeInATenant:
    @pytest.mark.parametrize(
        ("hook", "to", "stands"),
        [("tenant_disabled", "disable", "DISABLED"), ("tenant_enabled", "enable", "ENABLED")],
    )
    async def test_it_writes_as_the_plugin_after_the_change_was_committed(
        self, watched: Platform, hook: str, to: str, stands: str
    ) -> None:
        if to == "enable":
            await switch(watched, "disable")
        seen: list[Any] = []

        async def writes(ctx: Any, argument: Any) -> None:
            # Another connection sees what is committed, and nothing else.
            seen.append((await state(watched), await ctx.db.one(watchman().WHO)))
            await watchman().write(ctx, f"{ctx.tenant.slug} {argument}")

        says(hook, writes)
        answer = await switch(watched, to)

        assert answer.status_code == 200
        assert seen == [(stands, "plugin_acme_watchman")]
        argument = "1.0.0" if to == "enable" else "switched off"
        assert await notes(watched) == [f"alpha {argument}"]
        assert await notes(watched, "beta") == []

    async def test_the_first_time_there_is_no_earlier_version(self, watched: Platform) -> None:
        async with watched.sql("admin") as connection:
            await connection.execute(
                "delete from kernel.activations where plugin_id = $1", WATCHMAN
            )
        watched.kernel.changes.forget_all()

        assert (await switch(watched, "enable")).status_code == 200
        assert told("tenant_enabled") == [[None]]

    @pytest.mark.parametrize("fault", ["raises", "swallows", "commit"])
    async def test_a_failure_is_reported_writes_nothing_and_leaves_the_change(
        self, watched: Platform, fault: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fails(ctx: Any, _reason: str) -> None:
            await watchman().write(ctx, "half done")
            match fault:
                case "raises":
                    raise LookupError("no such mailbox")
                case "swallows":
                    # The transaction is dead from here on, whatever the plugin thinks.
                    with pytest.raises(TrophenixError):
                        await ctx.db.execute(watchman().WRITE, id=UUID(int=0), text=None)
                case _:
                    # The database finds out at the commit.
                    await watchman().write(ctx, "half done")

        says("tenant_disabled", fails)
        with caplog.at_level(logging.WARNING, logger="trophenix.plugins"):
            answer = await switch(watched, "disable")

        assert answer.status_code == 200
        assert answer.json()["state"] == "DISABLED"
        assert await state(watched) == "DISABLED"
        assert await notes(watched) == []
        assert [WATCHMAN in one.getMessage() for one in caplog.records] == [True]
        assert "tenant_disabled" in caplog.text

    async def test_a_change_that_is_refused_is_told_to_nobody(self, watched: Platform) -> None:
        member = watched.http("alpha", role="member")

        answer = await member.post(f"/api/v1/plugins/{WATCHMAN}/disable", json={})

        assert answer.status_code == 403
        assert told("tenant_disabled") == []

    async def test_only_the_plugin_concerned_is_told(self, watched: Platform) -> None:
        owner = watched.http("alpha", role="owner")

        assert (await owner.post(f"/api/v1/plugins/{WORKSHOP}/disable", json={})).status_code == 200
        assert told("tenant_disabled") == []

    async def test_in_a_second_cluster_it_writes_where_the_tenants_rows_are(
        self, open_workshop: Open, tmp_path: Path
    ) -> None:
        platform = await open_workshop(write_watchman(tmp_path), clusters=2)

        async def writes(ctx: Any, _reason: str) -> None:
            await watchman().write(ctx, "there")

        says("tenant_disabled", writes)
        owner = platform.http("beta", role="owner")
        assert (await owner.post(f"/api/v1/plugins/{WATCHMAN}/disable", json={})).status_code == 200

        counts: list[int] = []
        for cluster in ("main", "second"):
            async with platform.sql("admin", cluster=cluster) as connection:
                counts.append(
                    await connection.fetchval("select count(*) from plugin_acme_watchman.notes")
                )
        assert counts == [0, 1]


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────────


class TestSettings:
    async def test_what_the_plugin_finds_wrong_reaches_the_caller(self, watched: Platform) -> None:
        async def finds(_ctx: Any, _old: Any, new: Any) -> list[FieldProblem]:
            return [
                FieldProblem("/limit", "too_loud", f"{new.limit} is more than the street bears"),
                FieldProblem("", "unsuitable", "not on Sundays"),
            ]

        says("validate_settings", finds)
        owner = watched.http("alpha", role="owner")
        answer = await owner.put(SETTINGS, json={"values": {"limit": 99}})

        assert answer.status_code == 422
        assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [
            ("/values/limit", "too_loud"),
            ("/values", "unsuitable"),
        ]
        assert (await owner.get(SETTINGS)).json()["values"]["limit"] == 7

    async def test_a_fault_of_the_struct_has_its_place_in_the_same_document(
        self, watched: Platform
    ) -> None:
        owner = watched.http("alpha", role="owner")

        answer = await owner.put(SETTINGS, json={"values": {"limit": "many"}})

        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/values/limit"]
        assert told("validate_settings") == [], "the plugin never sees what its struct refuses"

    async def test_it_is_given_what_was_and_what_is_to_be(self, watched: Platform) -> None:
        owner = watched.http("alpha", role="owner")
        kind = watchman().Watching

        for values in ({"limit": 1}, {"word": "loud"}):
            assert (await owner.put(SETTINGS, json={"values": values})).status_code == 200

        assert told("validate_settings") == [
            [kind(), kind(limit=1)],
            [kind(limit=1), kind(word="loud")],
        ]

    async def test_one_that_fails_refuses_the_change(self, watched: Platform) -> None:
        says("validate_settings", breaks)
        owner = watched.http("alpha", role="owner")

        answer = await owner.put(SETTINGS, json={"values": {"limit": 1}})

        assert (answer.status_code, answer.json()["code"]) == (503, "hook_vetoed")
        assert (await owner.get(SETTINGS)).json()["values"]["limit"] == 7

    async def test_hooks_see_the_tenants_settings_and_defaults_for_the_rest(
        self, watched: Platform
    ) -> None:
        seen: list[Any] = []

        async def looks(ctx: Any, action: str, _resource: str) -> None:
            if action == THINGS:
                found = ctx.settings(watchman().Watching)
                seen.append((ctx.tenant.slug, found.limit, found.word))

        says("authorize", looks)
        owner = watched.http("alpha", role="owner")
        await owner.put(SETTINGS, json={"values": {"limit": 3}})
        for tenant in ("alpha", "beta"):
            await watched.http(tenant).get("/api/v1/things")

        assert seen == [("alpha", 3, "quiet"), ("beta", 7, "quiet")]


# ── the process ─────────────────────────────────────────────────────────────────────────────────────────────────────


class TestTheProcess:
    async def test_it_hears_of_its_start_and_its_end_once(self, watched: Platform) -> None:
        worker = await watched.another_worker()
        assert told("startup") == [[]]

        await worker.kernel.stop()
        await worker.kernel.stop()

        assert told("shutdown") == [[]]

    async def test_a_process_that_lost_its_listener_says_that_it_ends(
        self, watched: Platform
    ) -> None:
        worker = await watched.another_worker()
        await worker.kernel.changes.stop()

        await worker.kernel.stop()

        assert told("shutdown") == [[]]

    async def test_a_kernel_that_never_served_says_nothing(self, watched: Platform) -> None:
        loaded = watched._loaded  # pyright: ignore[reportPrivateUsage]
        kernel = await Kernel.compose(watched.kernel.settings, loaded=loaded)
        await kernel.stop()

        assert told("startup") == told("shutdown") == []

    async def test_one_that_fails_keeps_nobody_from_serving(self, watched: Platform) -> None:
        for hook in ("startup", "shutdown"):
            says(hook, breaks)

        worker = await watched.another_worker()

        assert (await worker.http("alpha").get("/api/v1/things")).status_code == 200
        await worker.kernel.stop()

    async def test_no_tenant_no_rows_and_default_settings(self, watched: Platform) -> None:
        seen: list[Any] = []

        async def looks(ctx: Any) -> None:
            for refused in ("tenant", "db"):
                with pytest.raises(LookupError, match="platform"):
                    getattr(ctx, refused)
            seen.append((ctx.settings(watchman().Watching).limit, ctx.actor.kind, ctx.locale))
            assert ctx.now == ctx.clock.now()

        watched.clock.stop()
        for hook in ("startup", "health", "shutdown"):
            says(hook, looks)
        worker = await watched.another_worker()
        await worker.kernel.hooks.health()
        await worker.kernel.stop()

        assert seen == [(7, "system", "en")] * 3


# ── health ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def answers(status: Any, detail: str = "") -> Callable[..., Awaitable[Health]]:
    async def answer(_ctx: Any) -> Health:
        return Health(status, detail)

    return answer


class TestHealth:
    @pytest.mark.parametrize(
        ("said", "platform_is"),
        [("ok", "ready"), ("degraded", "degraded"), ("down", "degraded")],
    )
    async def test_what_a_plugin_says_shows_and_takes_nobody_out_of_service(
        self, watched: Platform, said: str, platform_is: str
    ) -> None:
        says("health", answers(said, "the host key of db-7.internal"))

        answer = await watched.http(None, None).get("/health/ready")

        assert answer.status_code == 200
        assert answer.json()["status"] == platform_is
        assert answer.json()["health"] == {WATCHMAN: said}
        assert "db-7" not in answer.text

    async def test_the_detail_is_in_the_log(
        self, watched: Platform, caplog: pytest.LogCaptureFixture
    ) -> None:
        says("health", answers("degraded", "the queue is long"))
        with caplog.at_level(logging.WARNING, logger="trophenix.health"):
            await ReadinessProbe(watched.kernel).look()

        assert "the queue is long" in caplog.text

    async def test_one_that_fails_is_down(self, watched: Platform) -> None:
        says("health", breaks)
        found = await ReadinessProbe(watched.kernel).look()

        assert (found.status, found.health) == ("degraded", {WATCHMAN: "down"})

    async def test_one_with_nothing_to_say_is_well(self, watched: Platform) -> None:
        found = await ReadinessProbe(watched.kernel).look()

        assert (found.status, found.health) == ("ready", {WATCHMAN: "ok"})

    async def test_probes_cannot_be_used_to_load_plugins(self, watched: Platform) -> None:
        now = 100.0
        probe = ReadinessProbe(watched.kernel, monotonic=lambda: now)

        await asyncio.gather(*(probe.look() for _ in range(20)))
        now += HEALTH_SECONDS / 2
        await probe.look()
        assert len(told("health")) == 1

        now += HEALTH_SECONDS
        await probe.look()
        assert len(told("health")) == 2

    async def test_a_slow_one_holds_up_no_probe(self, watched: Platform) -> None:
        """Its answer counts for the next probe; until then what it said last holds."""
        answered = asyncio.Event()

        async def slow(_ctx: Any) -> Health:
            await answered.wait()
            return Health("ok")

        says("health", slow)
        probe = ReadinessProbe(watched.kernel)
        first = await probe.look()
        answered.set()
        second = await probe.look()

        assert (first.status, first.health) == ("degraded", {WATCHMAN: "unknown"})
        assert (second.status, second.health) == ("ready", {WATCHMAN: "ok"})
