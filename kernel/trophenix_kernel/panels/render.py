"""Pages as bytes: the template environment, and the one place that decides between a whole page and a fragment.

Nothing here reads a request, a session or a database: views in, HTML out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec
from markupsafe import Markup

from trophenix_kernel.panels.assets import Assets
from trophenix_kernel.panels.icons import Icons
from trophenix_kernel.panels.language import Catalogues, Language, speaking, spoken
from trophenix_kernel.panels.views import Frame, ScreenPage, View
from trophenix_sdk.i18n import LazyText

TEMPLATES: Final = Path(__file__).parent.parent / "web" / "templates"

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""Sent with every page. No page needs an exception: there is no inline script or style anywhere."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Vary": "HX-Request, HX-Target, Cookie",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Environment:
    """Templates, texts, icons and asset addresses; made once, used by every request and thread.

    Attributes:
        jinja: the template environment.
        catalogues: the translations of the kernel and of every plugin.
        assets: where addresses of static files come from.
    """

    def __init__(
        self, jinja: jinja2.Environment, catalogues: Catalogues, assets: Assets, icons: Icons
    ) -> None:
        self.jinja = jinja
        self.catalogues = catalogues
        self.assets = assets
        self.icons = icons

    def language(self, code: str, zone: dt.tzinfo = dt.UTC) -> Language:
        """The language of that code in that time zone."""
        return Language(code, self.catalogues, zone)


class Rendered(msgspec.Struct, frozen=True):
    """What the web door sends."""

    body: bytes
    status: int
    headers: Mapping[str, str]


def build_environment(
    assets: Assets,
    *,
    templates: Mapping[str, Path] | None = None,
    locales: Mapping[str, Path] | None = None,
    strict: bool = False,
) -> Environment:
    """The environment every page is drawn in.

    Args:
        assets: the static files.
        templates: by plugin, the folder of its templates; a plugin's file is named ``<plugin>/<file>`` and cannot stand in
            for a kernel template.
        locales: by message domain, the folder of its catalogues.
        strict: an unknown name in a template is an error instead of nothing; for tests and development.
    """
    prefixes: dict[str, jinja2.BaseLoader] = {
        plugin: jinja2.FileSystemLoader(folder) for plugin, folder in (templates or {}).items()
    }
    prefixes["kernel"] = jinja2.FileSystemLoader(TEMPLATES / "kernel")
    catalogues = Catalogues(locales)
    icons = Icons(assets.root / "icons" / "lucide.tsv")
    jinja = jinja2.Environment(
        loader=jinja2.PrefixLoader(prefixes),
        autoescape=True,
        undefined=jinja2.StrictUndefined if strict else jinja2.Undefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=strict,
        finalize=_finalize,
        extensions=["jinja2.ext.do"],
    )
    offered: dict[str, Any] = {
        "_": _translate,
        "ngettext": _count,
        "icon": icons.draw,
        "asset": assets.href,
        "number": _number,
        "percent": _percent,
        "day": _day,
        "instant": _instant,
        "ago": _ago,
        "direction": _direction,
        "initials": initials,
        "hue": hue,
        "htmx_config": _HTMX,
    }
    jinja.globals.update(offered)
    jinja.filters["text"] = _text
    return Environment(jinja, catalogues, assets, icons)


def render(
    environment: Environment,
    view: View,
    frame: Frame,
    *,
    request: Mapping[str, str] | None = None,
    zone: dt.tzinfo = dt.UTC,
) -> Rendered:
    """The page, or the part of it that htmx asked for.

    Args:
        environment: from `build_environment`.
        view: what is shown.
        frame: what surrounds it.
        request: the request's headers, names in lower case; without them the whole page is drawn.
        zone: instants are shown in it.
    """
    part = fragment_of(view, request or {})
    name = part or _template_of(view)
    with speaking(_language(environment, frame.language, zone)):
        text = environment.jinja.get_template(name).render(
            view=view, frame=frame, whole=not part, **_context(view)
        )
    return Rendered(text.encode(), view.status, HEADERS)


def fragment_of(view: View, request: Mapping[str, str]) -> str:
    """The template of the part that is wanted, ``""`` when it is the whole page.

    A fragment is sent only to htmx, only for the target the view has a part for, and never when htmx rebuilds a page from
    history or replaces the body: the reader would lose the shell.
    """
    if request.get("hx-request") != "true" or not view.fragment:
        return ""
    if "hx-boosted" in request or "hx-history-restore-request" in request:
        return ""
    if request.get("hx-request-type") == "full":
        return ""
    if not view.target:
        return view.fragment
    target = request.get("hx-target", "")
    return view.fragment if target.rpartition("#")[2] == view.target else ""


def initials(name: str) -> str:
    """At most two letters that stand for a name."""
    words = [word for word in str(name).replace("-", " ").split() if word[:1].isalnum()]
    chosen = words[:1] + words[-1:] if len(words) > 1 else words
    return "".join(word[0] for word in chosen).upper()


def hue(name: str) -> int:
    """A number 1 to 6 that is always the same for a name, for the colour of its circle."""
    return sum(map(ord, str(name))) % 6 + 1


_HTMX: Final = Markup.escape(
    '{"includeIndicatorCSS":false,"history":true,"implicitInheritance":false,"mode":"same-origin"}'
)


def _finalize(value: Any) -> Any:
    """Lazy texts are translated where a template writes them."""
    if isinstance(value, LazyText):
        return spoken().text(value)
    return "" if value is None else value


def _translate(message: str, **values: Any) -> str:
    language = spoken()
    found = language.text(message) if isinstance(message, LazyText) else language.message(message)
    return found % values if values else found


def _count(one: str, many: str, count: int, **values: Any) -> str:
    language = spoken()
    return language.plural(one, many, count) % {"n": language.number(count), **values}


def _text(message: str) -> str:
    return spoken().text(message)


def _number(value: float) -> str:
    return spoken().number(value)


def _percent(ratio: float) -> str:
    return spoken().percent(ratio)


def _day(value: dt.date) -> str:
    return spoken().date(value)


def _instant(value: dt.datetime) -> str:
    return spoken().instant(value)


def _ago(value: dt.datetime, now: dt.datetime) -> str:
    return spoken().ago(value, now)


def _direction() -> str:
    return spoken().direction


def _template_of(view: View) -> str:
    if isinstance(view, ScreenPage):
        return f"{view.plugin}/{view.file}"
    return view.template


def _context(view: View) -> Mapping[str, object]:
    if isinstance(view, ScreenPage):
        return {**view.context, "data": view.data}
    return {}


@lru_cache(maxsize=256)
def _language(environment: Environment, code: str, zone: dt.tzinfo) -> Language:
    return environment.language(code, zone)
