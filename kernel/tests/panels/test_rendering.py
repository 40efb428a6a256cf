"""What leaves the renderer: whole pages or fragments as asked, escaped, without inline code, and only from the public vocabulary."""

from __future__ import annotations

import datetime as dt
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trophenix_kernel.panels import (
    Assets,
    Notice,
    ScreenPage,
    build_environment,
    fragment_of,
    problem_page,
    render,
)
from trophenix_kernel.panels.cells import cell
from trophenix_kernel.panels.views import ListPage
from trophenix_sdk import errors
from trophenix_sdk.errors import PermissionDenied, TrophenixError, as_problem
from trophenix_sdk.panels import Col

HTMX = {"hx-request": "true", "hx-request-type": "partial", "hx-target": "div#tx-list"}
TEMPLATES = Path(__file__).parents[2] / "trophenix_kernel" / "web" / "templates" / "kernel"
STYLES = Path(__file__).parents[2] / "trophenix_kernel" / "web" / "assets" / "tx.css"


class _Reader(HTMLParser):
    """Collects what a page must not or must have."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.classes: set[str] = set()
        self.ids: list[str] = []
        self.refs: set[str] = set()
        self.posts: list[bool] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given_attributes = dict(attrs)
        for name, value in attrs:
            if name == "style" or name.startswith(("on", "hx-on")):
                self.inline.append(f"{tag} {name}={value}")
            if (value or "").strip().lower().startswith("javascript:"):
                self.inline.append(f"{tag} {name}={value}")
        if tag == "style" or (tag == "script" and not given_attributes.get("src")):
            self.inline.append(tag)
        self.classes |= set((given_attributes.get("class") or "").split())
        if given_attributes.get("id"):
            self.ids.append(str(given_attributes["id"]))
        for name in (
            "for",
            "aria-labelledby",
            "aria-describedby",
            "aria-controls",
            "popovertarget",
            "commandfor",
        ):
            self.refs |= set((given_attributes.get(name) or "").split())
        if tag == "form":
            self.posts.append(given_attributes.get("method") == "post")
        if tag == "input" and given_attributes.get("name") == "csrf_token" and self.posts:
            self.posts[-1] = False


def _read(body: bytes) -> _Reader:
    reader = _Reader()
    reader.feed(body.decode())
    return reader


def _all(sample: Any, environment: Any, language: str = "en") -> dict[str, bytes]:
    return {
        name: render(environment, made(), sample.frame_of(environment, name, language)).body
        for name, made in sample.pages(environment, language).items()
    }


class TestFragments:
    def test_htmx_gets_the_part_it_asked_for(self, sample: Any, environment: Any) -> None:
        """Searching sends back the list and nothing of the shell."""
        view = sample.pages(environment)["list"]()
        whole = render(environment, view, sample.frame(environment)).body
        part = render(environment, view, sample.frame(environment), request=HTMX).body

        assert b"<html" in whole
        assert b"<html" not in part
        assert part.strip() in whole.replace(b"\n\n", b"\n") or b"tx-table" in part

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"hx-request": "true", "hx-boosted": "true", "hx-target": "div#tx-list"},
            {**HTMX, "hx-history-restore-request": "true"},
            {**HTMX, "hx-request-type": "full"},
            {**HTMX, "hx-target": "div#something-else"},
            {**HTMX, "hx-request": "false"},
        ],
    )
    def test_everybody_else_gets_the_page(
        self, headers: dict[str, str], sample: Any, environment: Any
    ) -> None:
        """Back, boost and direct visits never lose the shell."""
        view = sample.pages(environment)["list"]()

        assert fragment_of(view, headers) == ""

    def test_caches_are_told_what_it_depends_on(self, sample: Any, environment: Any) -> None:
        """One address has two answers, neither of which may be stored by others."""
        answer = render(environment, sample.pages(environment)["list"](), sample.frame(environment))

        assert "HX-Request" in answer.headers["Vary"]
        assert answer.headers["Cache-Control"] == "no-store"


class TestMarkup:
    def test_no_page_has_inline_code(self, sample: Any, environment: Any) -> None:
        """The content security policy needs no exception."""
        found = {name: _read(body).inline for name, body in _all(sample, environment).items()}

        assert {name: inline for name, inline in found.items() if inline} == {}

    def test_every_class_is_ours_and_styled(self, sample: Any, environment: Any) -> None:
        """Only the public prefix is used, and no class is misspelt."""
        known = set(re.findall(r"\.(tx-[a-z0-9-]+)", STYLES.read_text()))
        # named for scripts or for one size among several, without a rule of their own
        bare = {
            "tx-kpis-4",
            "tx-kpis-7",
            "tx-kpis-8",
            "tx-field-full",
            "tx-mapping",
            "tx-row-check",
            "tx-hue-6",
            "tx-filter",
            "tx-listform",
            "tx-side-close",
            "tx-chart-corner",
            "tx-s1",
            "tx-counter-neutral",
            "tx-alert-info",
            "tx-card-foot",
        }
        used = set[str]().union(
            *(_read(body).classes for body in _all(sample, environment).values())
        )

        assert {name for name in used if not name.startswith("tx-")} == set()
        assert used - known - bare == set()

    def test_every_reference_is_there_once(self, sample: Any, environment: Any) -> None:
        """Labels, descriptions and menus point at one thing each."""
        for name, body in _all(sample, environment).items():
            page = _read(body)

            assert (name, sorted({one for one in page.ids if page.ids.count(one) > 1})) == (
                name,
                [],
            )
            assert (name, sorted(page.refs - set(page.ids))) == (name, [])

    def test_every_form_that_posts_carries_the_token(self, sample: Any, environment: Any) -> None:
        """A form without it would be refused, or worse, accepted."""
        for name, body in _all(sample, environment).items():
            assert (name, any(_read(body).posts)) == (name, False)

    @given(st.text(min_size=1, max_size=30))
    def test_data_never_becomes_markup(self, sample: Any, environment: Any, text: str) -> None:
        """Whatever a record is called, the page's structure stays the same."""
        hostile = f"{text}<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
        people = sample.people(1)
        people[0].name = people[0].club = people[0].status = people[0].id = hostile
        page = sample.detail_page(sample.athletes, people[0], self._here(sample, environment))
        listed = sample.list_page(
            sample.athletes,
            sample.list_query(sample.athletes, {"q": (hostile,), "status": (hostile,)}),
            sample.Page(data=people),
            self._here(sample, environment),
            input_struct=sample.AthleteQuery,
        )
        frame = sample.frame(environment)

        for view in (page, listed):
            reader = _read(render(environment, view, frame).body)
            assert reader.inline == []

    @staticmethod
    def _here(sample: Any, environment: Any) -> Any:
        return sample.Place(
            base=sample.BASE, language=environment.language("en"), now=sample.NOW, domain="sample"
        )

    def test_a_link_of_a_record_cannot_run_code(self, sample: Any, environment: Any) -> None:
        """Only addresses of the web are made into links."""
        col = Col("site", "Site", kind="link")
        bad = cell(col, {"site": "javascript:alert(1)"}, environment.language("en"), sample.NOW)
        good = cell(col, {"site": "https://example.com"}, environment.language("en"), sample.NOW)

        assert bad.href == ""
        assert good.href == "https://example.com"

    def test_every_icon_named_by_the_shell_exists(self, sample: Any, environment: Any) -> None:
        """A misspelt name would draw a box."""
        named: set[str] = set()
        for file in (*TEMPLATES.glob("*.html"), *(TEMPLATES.parents[2] / "panels").glob("*.py")):
            text = file.read_text()
            named |= set(re.findall(r'icon\("([a-z0-9-]+)"', text))
            named |= set(re.findall(r'icon(?:: str)? ?= ?"([a-z0-9-]+)"', text))

        assert len(named) > 30
        assert {name for name in named if name not in environment.icons} == set()


class TestProblems:
    def test_every_refusal_has_a_page_in_both_languages(
        self, sample: Any, environment: Any
    ) -> None:
        """No refusal shows English to a French reader where a translation exists, and each says what to do."""
        kinds = [
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, TrophenixError)
        ]
        assert len(kinds) > 10
        frame = sample.frame(environment, "fr")
        for kind in kinds:
            problem = as_problem(kind(), request_id="r-1")
            answer = render(environment, problem_page(problem, home="/admin"), frame)
            text = answer.body.decode()

            assert answer.status == problem.status
            assert "r-1" in text
            assert problem.title not in text

    def test_a_detail_that_says_more_is_kept(self, sample: Any, environment: Any) -> None:
        """What was found and the next step are shown as they were given."""
        problem = as_problem(
            PermissionDenied("athlete.write is missing", next_step="Ask an owner.")
        )
        text = render(
            environment, problem_page(problem, home="/"), sample.frame(environment)
        ).body.decode()

        assert "athlete.write is missing" in text
        assert "Ask an owner." in text


class TestPluginTemplates:
    def test_a_plugin_draws_its_own_screen_inside_the_shell(
        self, tmp_path: Path, sample: Any
    ) -> None:
        """It fills a block with the public macros and gets the operation's answer as data."""
        (tmp_path / "screen.html").write_text(
            '{% extends "kernel/screen.html" %}{% import "kernel/ui.html" as ui %}'
            '{% block screen %}{% call ui.card(_("Name")) %}{{ data.word }}{% endcall %}{% endblock %}'
        )
        environment = build_environment(Assets(), templates={"demo": tmp_path}, strict=True)
        view = ScreenPage(title="Demo", plugin="demo", file="screen.html", data={"word": "<b>"})
        text = render(environment, view, sample.frame(environment, "fr")).body.decode()

        assert "&lt;b&gt;" in text
        assert "<h2>Nom</h2>" in text
        assert "tx-side" in text

    def test_a_plugin_cannot_stand_in_for_a_kernel_template(
        self, tmp_path: Path, sample: Any
    ) -> None:
        """Its files are reachable under its own name only."""
        (tmp_path / "list.html").write_text("taken over")
        environment = build_environment(
            Assets(), templates={"demo": tmp_path, "kernel": tmp_path}, strict=True
        )
        frame = sample.frame(environment)

        assert (
            b"taken over"
            not in render(environment, sample.pages(environment)["list"](), frame).body
        )


def test_a_page_is_drawn_quickly(sample: Any, environment: Any) -> None:
    """A list of a page of rows takes milliseconds, not tens of them, once templates are compiled."""
    view, frame = sample.pages(environment)["list"](), sample.frame(environment)
    assert isinstance(view, ListPage)
    render(environment, view, frame)
    begun = time.process_time()
    for _turn in range(10):
        render(environment, view, frame)

    assert (time.process_time() - begun) / 10 < 0.05


def test_a_notice_stands_above_the_page(sample: Any, environment: Any) -> None:
    """Any view can say something first."""
    view = replace(
        sample.pages(environment)["list"](), notice=Notice(title="Heads up", tone="warn")
    )

    assert (
        "Heads up"
        in render(environment, view, sample.frame(environment), zone=dt.UTC).body.decode()
    )
