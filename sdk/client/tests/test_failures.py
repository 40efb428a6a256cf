"""What happens when calls fail: which are tried again, how, and what the caller learns."""

from __future__ import annotations

import builtins
import pickle
import socket
from typing import TYPE_CHECKING

import pytest

from trophenix import (
    ApiError,
    AuthenticationError,
    Conflict,
    ConnectionFailed,
    ImportFailed,
    NotFound,
    PayloadTooLarge,
    PaymentRequired,
    PermissionDenied,
    PreconditionFailed,
    RateLimited,
    ServerError,
    TimeoutError,  # noqa: A004 - ours is the built-in one, too
    TrophenixError,
    UnexpectedResponse,
    ValidationFailed,
)
from trophenix.errors import ConfigurationError, ConfigurationProblem, Problem, api_error

if TYPE_CHECKING:
    from .conftest import FaultKinds, Platform, Surface

KINDS = [
    (400, ApiError),
    (401, AuthenticationError),
    (402, PaymentRequired),
    (403, PermissionDenied),
    (404, NotFound),
    (409, Conflict),
    (412, PreconditionFailed),
    (413, PayloadTooLarge),
    (415, ApiError),
    (422, ValidationFailed),
    (428, PreconditionFailed),
    (429, RateLimited),
    (500, ServerError),
    (502, ServerError),
    (503, ServerError),
    (504, ServerError),
    (599, ServerError),
]


class TestErrors:
    @pytest.mark.parametrize(("status", "kind"), KINDS)
    def test_every_refusal_has_its_type_and_says_what_to_do(
        self,
        status: int,
        kind: type[ApiError],
        platform: Platform,
        surface: Surface,
        faults: type[FaultKinds],
    ) -> None:
        document = {
            "type": "https://trophenix.dev/problems/some_code",
            "title": "Some title",
            "status": status,
            "detail": "Found this, expected that",
            "code": "some_code",
            "errors": [{"pointer": "/sport", "code": "unknown", "message": "no such sport"}],
            "request_id": "request-7",
            "next_step": "Do this.",
        }
        platform.faults.append(faults.Reply(status, document=document))

        with pytest.raises(TrophenixError) as refused:
            surface.call(lambda client: client.athletes.get("a"), max_retries=0)

        error = refused.value
        assert type(error) is kind
        assert isinstance(error, ApiError)
        assert (error.status, error.code, error.request_id) == (status, "some_code", "request-7")
        assert (error.title, error.detail) == ("Some title", "Found this, expected that")
        assert error.errors[0].pointer == "/sport"
        assert str(error) == (
            f"{status} some_code: Some title. Found this, expected that. "
            "/sport: no such sport. Next step: Do this. (request request-7)"
        )

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"<html>Bad gateway</html>",
            b"\xff\xfe not text",
            b"[1, 2]",
            b'"text"',
            b'{"errors": "none", "code": 5, "title": null}',
            b'{"errors": [null, {"pointer": 3}]}',
            b'{"detail": ',
        ],
    )
    def test_a_refusal_without_a_problem_document_is_still_typed(
        self, raw: bytes, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        headers = {"X-Request-ID": "from-header", "Content-Type": "text/html"}
        platform.faults.append(faults.Reply(404, headers, raw=raw))

        with pytest.raises(NotFound) as refused:
            surface.call(lambda client: client.athletes.get("a"))

        assert refused.value.code == "http_404"
        assert refused.value.title == "Not Found"
        assert refused.value.request_id == "from-header"
        assert "html" not in str(refused.value)
        assert refused.value.next_step

    def test_many_faults_stay_readable(self) -> None:
        errors = tuple(
            {"pointer": f"/athletes/{n}", "code": "missing", "message": "is missing"}
            for n in range(100)
        )
        from trophenix import FieldError  # noqa: PLC0415

        error = api_error(Problem(422, errors=tuple(FieldError(**each) for each in errors)))

        assert len(error.errors) == 100
        assert "And 95 more" in str(error)

    @pytest.mark.parametrize(
        "error",
        [
            api_error(Problem(429, code="rate_limited", request_id="r", retry_after=3)),
            ConnectionFailed("gone", transient=False),
            TimeoutError("late"),
            ConfigurationError((ConfigurationProblem("key_missing", "No key."),)),
            ImportFailed("b", "failed", None),
        ],
    )
    def test_errors_survive_a_process_boundary(self, error: TrophenixError) -> None:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

        assert type(copy) is type(error)
        assert vars(copy) == vars(error)
        assert str(copy) == str(error)

    def test_an_answer_that_is_not_json_is_no_success(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        login = faults.Reply(200, {"Content-Type": "text/html"}, raw=b"<html>Log in</html>")
        platform.faults.append(login)

        with pytest.raises(UnexpectedResponse, match="text/html"):
            surface.call(lambda client: client.athletes.get("a"))

    def test_the_key_does_not_follow_a_redirect(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        elsewhere = f"{platform.base_url}/elsewhere"
        platform.faults.append(faults.Reply(307, {"Location": elsewhere}))

        with pytest.raises(UnexpectedResponse, match="redirects are not followed"):
            surface.call(lambda client: client.athletes.create(last_name="Jabeur"))

        assert len(platform.received) == 1


class TestRetries:
    @pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
    def test_what_may_pass_is_tried_again_with_backoff(
        self, status: int, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.add()
        platform.faults.extend([faults.Reply(status, document={})] * 3)

        athlete = surface.call(lambda client: client.athletes.get("athlete-1"))

        assert athlete.id == "athlete-1"
        assert surface.waits == [0.25, 0.5, 1.0]

    @pytest.mark.parametrize("status", [400, 401, 404, 409, 412, 422, 500, 501])
    def test_what_will_not_pass_is_tried_once(
        self, status: int, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.faults.append(faults.Reply(status, document={}))

        with pytest.raises(ApiError):
            surface.call(lambda client: client.athletes.get("a"))

        assert len(platform.received) == 1
        assert surface.waits == []

    def test_giving_up_says_how_often_it_was_tried(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.faults.extend([faults.Reply(503, document={})] * 9)

        with pytest.raises(ServerError) as refused:
            surface.call(lambda client: client.athletes.get("a"), max_retries=2)

        assert len(platform.received) == 3
        assert refused.value.__notes__ == ["Tried 3 times."]

    def test_retry_after_is_obeyed(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.add()
        surface.draw = 0
        platform.faults.append(faults.Reply(429, {"Retry-After": "7"}, {}))
        platform.faults.append(faults.Reply(409, {"Retry-After": "2"}, {}))

        surface.call(lambda client: client.athletes.delete("athlete-1"))

        assert surface.waits == [7, 2]

    def test_a_long_retry_after_is_handed_to_the_caller(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        """A daily quota that ends in an hour must not look like a program that hangs."""
        platform.faults.append(faults.Reply(429, {"Retry-After": "3600"}, {}))

        with pytest.raises(RateLimited) as limited:
            surface.call(lambda client: client.athletes.get("a"))

        assert limited.value.retry_after == 3600
        assert surface.waits == []

    def test_a_lost_answer_does_not_create_twice(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        """All tries of one unsafe call carry one idempotency key, and other calls another."""
        platform.faults.extend([faults.Drop(after_work=True), faults.Drop(), faults.Drop()])
        client = surface.client()

        first = surface.settle(client.athletes.create(last_name="Jabeur"))
        second = surface.settle(client.athletes.create(last_name="Jabeur"))

        keys = [call.headers["idempotency-key"] for call in platform.received]
        assert (first.id, second.id) == ("athlete-1", "athlete-2")
        assert len(set(keys[:4])) == 1
        assert keys[4] != keys[0]

    def test_the_callers_idempotency_key_is_used(
        self, platform: Platform, surface: Surface
    ) -> None:
        def create() -> str:
            return surface.call(
                lambda client: client.athletes.create(last_name="Jabeur", idempotency_key="mine-1")
            ).id

        assert create() == create()
        assert len(platform.athletes) == 1

    def test_safe_calls_carry_no_idempotency_key(
        self, platform: Platform, surface: Surface
    ) -> None:
        surface.call(lambda client: client.athletes.search())

        assert "idempotency-key" not in platform.received[0].headers

    def test_nobody_listening_is_a_failed_connection(self, surface: Surface) -> None:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))  # bound and not listening: connecting is refused
            address = f"http://127.0.0.1:{reserved.getsockname()[1]}"

            with pytest.raises(ConnectionFailed) as failed:
                surface.call(lambda client: client.athletes.get("a"), base_url=address)

        assert failed.value.code == "connection_failed"
        assert address in str(failed.value)
        assert len(surface.waits) == 3

    def test_a_cut_connection_is_tried_again(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.add()
        platform.faults.append(faults.Drop())

        assert surface.call(lambda client: client.athletes.get("athlete-1")).ranking == 1

    def test_silence_is_a_timeout_of_both_kinds(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.faults.append(faults.Stall())

        with pytest.raises(builtins.TimeoutError) as late:
            surface.call(lambda client: client.athletes.get("a"), timeout=0.05, max_retries=0)

        assert isinstance(late.value, TimeoutError)
        assert isinstance(late.value, ConnectionFailed)
        assert late.value.code == "timed_out"
