"""The description of the API over HTTP: for programs as JSON, for people as a page without script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest_asyncio
from openapi_spec_validator import OpenAPIV31SpecValidator

from trophenix_testing.platform import PlatformFactory


@pytest_asyncio.fixture
async def client(platform_factory: PlatformFactory) -> AsyncIterator[httpx.AsyncClient]:
    platform = await platform_factory(plugins=[])
    async with platform.http("alpha", role=None) as client:
        yield client


class Page(HTMLParser):
    """The anchors a page has, where its links lead, and its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.files: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag == "script":
            self.files.append(given.get("src") or "")
            if not given.get("src"):
                self.inline.append(tag)
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.files.append(given.get("href") or "")
        if tag == "style" or "style" in given or any(name.startswith("on") for name in given):
            self.inline.append(tag)


async def test_the_document_needs_no_key_and_is_valid(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    OpenAPIV31SpecValidator(answer.json()).validate()


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/openapi.json")
    again = await client.get("/api/openapi.json", headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert (
        await client.get("/api/openapi.json", headers={"if-none-match": '"other"'})
    ).status_code == 200


async def test_every_described_route_is_answered_by_the_gateway(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method in methods:
            answer = await client.request(
                method, document["servers"][0]["url"] + re.sub(r"{\w+}", "x", path)
            )
            assert answer.json().get("code") not in ("route_unknown", "method_not_allowed"), (
                f"{method} {path}"
            )


async def test_the_page_names_every_operation_and_every_link_leads_somewhere(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/api/openapi.json")).json()
    answer = await client.get("/api/docs", headers={"accept-language": "en"})
    page = Page(answer.text)

    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert set(ids) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)), "anchors are unique"
    assert {link[1:] for link in page.links if link.startswith("#") and len(link) > 1} <= set(
        page.ids
    )


async def test_the_page_obeys_a_strict_policy_and_brings_only_own_files(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/docs")
    page = Page(answer.text)

    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert page.inline == []
    for file in page.files:
        assert file.startswith("/"), file
        assert (await client.get(file)).status_code == 200, file


async def test_it_speaks_french(client: httpx.AsyncClient) -> None:
    french = await client.get("/api/docs", headers={"accept-language": "fr-FR,fr;q=0.9"})
    asked = await client.get("/api/docs?lang=fr", headers={"accept-language": "en"})

    assert '<html lang="fr"' in french.text
    assert '<html lang="fr"' in asked.text
    assert "Plateforme" in french.text


async def test_searching_needs_no_script(client: httpx.AsyncClient) -> None:
    page = Page((await client.get("/api/docs", params={"q": "api-keys POST"})).text)

    assert "kernel__key_create" in page.ids or any("key" in one for one in page.ids)
    assert "kernel__account_sign_in" not in page.ids
    nothing = await client.get("/api/docs", params={"q": "no-such-word-anywhere"})
    assert nothing.status_code == 200
    assert "<article" not in nothing.text


async def test_what_was_searched_for_is_never_markup(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/docs", params={"q": '"><script>alert(1)</script>'})

    assert "<script>alert" not in answer.text


async def test_old_asset_addresses_are_not_answered_with_new_content(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/assets/tx.000000000000.css")).status_code == 404
    assert (await client.get("/assets/../../application.py")).status_code == 404
    assert (await client.get("/theme/000000000000.css")).status_code == 404
