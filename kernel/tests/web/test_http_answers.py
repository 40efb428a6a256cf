"""What every answer of the API has in common: its status, its headers, its shape, and what it never tells."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

import pytest

from trophenix_testing.platform import Platform

THINGS: Final = "/api/v1/things"
PROBLEM_MEMBERS: Final = {
    "type",
    "title",
    "status",
    "code",
    "detail",
    "next_step",
    "errors",
    "instance",
    "request_id",
}


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What the web door logs, tracebacks included."""
    entries: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entries.append(logging.Formatter().format(record))

    logger, handler = logging.getLogger("trophenix.web"), Keeping()
    logger.addHandler(handler)
    yield entries
    logger.removeHandler(handler)


async def make(platform: Platform, name: str = "Saw") -> dict[str, Any]:
    answer = await platform.http("alpha", "member").post(THINGS, json={"name": name})
    return answer.json()


class TestVersions:
    async def test_a_thing_that_has_not_changed_is_not_sent_again(self, workshop: Platform) -> None:
        made = await make(workshop)
        client = workshop.http("alpha", "viewer")

        first = await client.get(f"{THINGS}/{made['id']}")
        again = [
            await client.get(f"{THINGS}/{made['id']}", headers={"If-None-Match": tag})
            for tag in ('"1"', 'W/"1"', '"x", "1"', "*")
        ]
        other = await client.get(f"{THINGS}/{made['id']}", headers={"If-None-Match": '"2"'})

        assert first.headers["etag"] == '"1"'
        assert [answer.status_code for answer in again] == [304] * 4
        assert all(answer.content == b"" and answer.headers["etag"] == '"1"' for answer in again)
        assert (other.status_code, other.json()) == (200, first.json())

    async def test_a_list_has_a_tag_of_its_content(self, workshop: Platform) -> None:
        client = workshop.http("alpha", "viewer")
        before = (await client.get(THINGS)).headers["etag"]

        same = await client.get(THINGS, headers={"If-None-Match": before})
        await make(workshop)
        changed = await client.get(THINGS, headers={"If-None-Match": before})

        assert (same.status_code, changed.status_code) == (304, 200)
        assert changed.headers["etag"] != before

    async def test_a_change_of_another_version_is_refused(self, workshop: Platform) -> None:
        made = await make(workshop)
        client = workshop.http("alpha", "member")
        address = f"{THINGS}/{made['id']}"

        changed = await client.patch(address, json={"pieces": 2}, headers={"If-Match": '"1"'})
        stale = await client.patch(address, json={"pieces": 3}, headers={"If-Match": '"1"'})
        unconditional = await client.patch(address, json={"pieces": 4})

        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
        assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
        assert unconditional.json()["pieces"] == 4

    @pytest.mark.parametrize("tag", ["", "*", '"x"', "-1", '"1', "9" * 40, "\xb2"])
    async def test_a_tag_that_was_never_given_is_a_failed_precondition(
        self, workshop: Platform, tag: str
    ) -> None:
        made = await make(workshop)

        answer = await workshop.http("alpha", "member").patch(
            f"{THINGS}/{made['id']}",
            json={"pieces": 3},
            headers=[(b"If-Match", tag.encode("latin-1"))],
        )

        # A quotation mark that is missing is forgiven; everything else is no version.
        assert answer.status_code == (200 if tag == '"1' else 412), answer.text

    async def test_the_organisation_has_a_version_too(self, workshop: Platform) -> None:
        client = workshop.http("alpha", "owner")
        tag = (await client.get("/api/v1/tenant")).headers["etag"]

        first = await client.patch(
            "/api/v1/tenant", json={"name": "One"}, headers={"If-Match": tag}
        )
        second = await client.patch(
            "/api/v1/tenant", json={"name": "Two"}, headers={"If-Match": tag}
        )

        assert (first.status_code, second.status_code) == (200, 412)


class TestMethods:
    async def test_head_answers_like_get_without_the_body(self, workshop: Platform) -> None:
        await make(workshop)
        client = workshop.http("alpha", "viewer")

        for path in (THINGS, f"{THINGS}/export", "/api/v1/tenant"):
            got, head = await client.get(path), await client.head(path)
            assert head.status_code == got.status_code == 200
            assert head.content == b""
            for name in ("content-length", "content-type", "etag", "content-disposition"):
                assert head.headers.get(name) == got.headers.get(name), name

    async def test_another_method_is_told_which_there_are(self, workshop: Platform) -> None:
        client = workshop.http("alpha", "owner")

        asked = {
            "/api/v1/things": ("PUT", "GET, POST"),
            "/api/v1/tenant": ("DELETE", "GET, PATCH"),
            "/api/v1/operations/acme.workshop:thing.list": ("GET", "POST"),
        }
        answers = {path: await client.request(method, path) for path, (method, _) in asked.items()}

        for path, (_, allowed) in asked.items():
            assert answers[path].status_code == 405
            assert answers[path].headers["allow"] == allowed
            assert answers[path].json()["code"] == "method_not_allowed"

    @pytest.mark.parametrize(
        "path",
        [
            "/api/v1/nowhere",
            "/api/v1/",
            "/api/v1/operations/no.such:thing",
            "/api/v1/operations/",
            "/api/v1/things/a/b/c",
        ],
    )
    async def test_what_is_not_there_is_not_found_by_any_method(
        self, workshop: Platform, path: str
    ) -> None:
        client = workshop.http("alpha", "owner")

        answers = [await client.request(method, path) for method in ("GET", "POST", "PATCH")]

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (404, "route_unknown")
        }


class TestPacking:
    async def test_a_large_answer_is_packed_for_those_who_can_unpack(
        self, workshop: Platform
    ) -> None:
        for number in range(20):
            await make(workshop, f"thing {number}")
        client = workshop.http("alpha", "viewer")

        packed = await client.get(THINGS, headers={"Accept-Encoding": "gzip"})
        plain = await client.get(THINGS, headers={"Accept-Encoding": "identity"})
        small = await client.get("/api/v1/greeting", headers={"Accept-Encoding": "gzip"})

        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < len(plain.content)
        assert packed.json() == plain.json()
        assert "content-encoding" not in plain.headers
        assert "content-encoding" not in small.headers
        assert "Accept-Encoding" in plain.headers["vary"]


class TestRefusals:
    async def test_every_refusal_has_the_same_shape(self, workshop: Platform) -> None:
        made = await make(workshop)
        owner, viewer = workshop.http("alpha", "owner"), workshop.http("alpha", "viewer")
        answers = {
            401: await workshop.http("alpha", None).get("/api/v1/tenant"),
            403: await viewer.post(THINGS, json={"name": "x"}),
            404: await viewer.get(f"{THINGS}/{workshop.tenant('beta').id}"),
            405: await viewer.put(THINGS),
            409: await owner.post(THINGS, json={"name": made["name"]}),
            412: await owner.patch(f"{THINGS}/{made['id']}", json={}, headers={"If-Match": "7"}),
            413: await owner.post(THINGS, content=b"x", headers={"Content-Length": "99999999"}),
            415: await owner.post(THINGS, content=b"x", headers={"Content-Type": "text/plain"}),
            422: await owner.post(THINGS, json={}),
            500: await owner.post(f"{THINGS}/explode"),
        }

        for status, answer in answers.items():
            document = answer.json()
            assert answer.status_code == document["status"] == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["cache-control"] == "private, no-cache"
            assert (
                {"type", "title", "status", "code", "request_id", "instance"}
                <= document.keys()
                <= PROBLEM_MEMBERS
            )
            assert document["type"] == f"https://trophenix.dev/problems/{document['code']}"
            assert document["request_id"] == answer.headers["x-request-id"]
            assert document["instance"] == answer.request.url.path
        assert answers[401].headers["www-authenticate"].startswith("Bearer")

    async def test_a_failure_inside_tells_nothing_of_the_inside(
        self, workshop: Platform, log: list[str]
    ) -> None:
        client = workshop.http("alpha", "member")

        answers = [
            await client.post(f"{THINGS}/explode", headers={"X-Request-ID": "trace-12345678"}),
            await client.get(f"{THINGS}/explode"),
            await client.post(f"{THINGS}/rumour"),
        ]

        for answer in answers:
            assert answer.status_code == 500
            shown = answer.text + str(answer.headers)
            for word in (
                "hunter2",
                "postgresql",
                "Traceback",
                "RuntimeError",
                "TypeError",
                "plugin.py",
                "select ",
            ):
                assert word not in shown
        assert answers[0].json()["request_id"] == "trace-12345678"
        assert any("trace-12345678" in entry for entry in log)
        # The operator's log has what the caller's answer has not.
        assert any("hunter2" in entry for entry in log)
        async with workshop.sql("admin") as connection:
            assert (
                await connection.fetchval("select count(*) from plugin_acme_workshop.things") == 0
            )

    async def test_the_callers_request_id_is_kept_only_when_it_is_harmless(
        self, workshop: Platform
    ) -> None:
        client = workshop.http("alpha", "viewer")

        for given, kept in (
            ("abc-12345", True),
            ("short", False),
            ("x" * 65, False),
            ("a b c d e f", False),
            ("a'--12345", False),
        ):
            answer = await client.get(THINGS, headers={"X-Request-ID": given})
            assert (answer.headers["x-request-id"] == given) is kept

    async def test_a_cookie_changes_nothing_for_another_site(self, workshop: Platform) -> None:
        client = workshop.http(
            "alpha", "owner", by="cookie", headers={"Sec-Fetch-Site": "cross-site"}
        )

        forged = await client.patch("/api/v1/tenant", json={"name": "Hacked"})
        silent = await client.patch(
            "/api/v1/tenant",
            json={"name": "Hacked"},
            headers={"Sec-Fetch-Site": "", "Origin": "http://evil.test"},
        )
        own = await client.patch(
            "/api/v1/tenant",
            json={"name": "Mine"},
            headers={"Sec-Fetch-Site": "", "Origin": "http://trophenix.test"},
        )
        read = await client.get("/api/v1/tenant")

        assert (forged.status_code, forged.json()["code"]) == (403, "cross_site_request")
        assert silent.status_code == 403
        assert own.json()["name"] == read.json()["name"] == "Mine"

    async def test_a_wrong_credential_is_never_taken_for_none(self, workshop: Platform) -> None:
        client = workshop.http(None, None)
        shown = [
            {"Authorization": f"Bearer {word}"}
            for word in ("x", "troph_sk_live_x", "\xe9", "troph_sk_live_" + "0" * 38)
        ]

        answers = [
            await client.post(
                "/api/v1/auth/sign-in",
                json={"email": "a@b.c", "password": "x"},
                headers=[
                    (name.encode(), value.encode("latin-1")) for name, value in headers.items()
                ],
            )
            for headers in [
                *shown,
                {"X-Api-Key": "nonsense"},
                {"Cookie": "trophenix_session=nonsense"},
            ]
        ]

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (401, "unauthenticated")
        }
