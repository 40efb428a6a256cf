"""A value of an operation's answer, written the way its column says and the reader's language demands."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, cast

from trophenix_kernel.panels.language import Language
from trophenix_kernel.panels.views import Cell
from trophenix_sdk.i18n import LazyText, Text
from trophenix_sdk.panels import Col, Tone

NUMERIC = frozenset({"number", "percent", "money"})
NOTHING = "–"

_SAFE_SCHEMES = ("https://", "http://", "mailto:", "tel:", "/")


def pick(item: object, path: str) -> Any:
    """The value at a dotted *path* of a struct or a mapping; ``None`` where the path ends early."""
    found: Any = item
    for part in path.split("."):
        if found is None:
            return None
        if isinstance(found, Mapping):
            found = cast("Mapping[str, Any]", found).get(part)
        else:
            found = getattr(found, part, None)
    value: Any = found.value if isinstance(found, enum.Enum) else found
    return value


def parts(value: object) -> tuple[Any, ...] | None:
    """The members of a list, tuple or set; ``None`` for anything else."""
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(cast("Iterable[Any]", value))
    return None


def spell(key: str) -> str:
    """A field's name as a label, for those without one: ``born_on`` becomes ``Born on``."""
    words = key.rpartition(".")[2].replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def label_of(value: Any, labels: Mapping[str, Text], domain: str, language: Language) -> str:
    """How people read one value of a choice."""
    code = str(value)
    if (given := labels.get(code)) is not None:
        return language.text(given)
    return language.word(code, domain)


def cell(
    col: Col,
    item: object,
    language: Language,
    now: dt.datetime,
    *,
    href: str = "",
    domain: str = "kernel",
) -> Cell:
    """One value of *item*, ready to be shown.

    Args:
        col: says which and how.
        item: a struct or mapping an operation answered.
        language: who reads.
        now: for ages.
        href: where a click on it leads.
        domain: whose catalogue names the codes.
    """
    value = pick(item, col.key)
    label = col.label or spell(col.key)
    numeric = col.kind in NUMERIC
    if value is None or value == "" or parts(value) == ():
        return Cell(
            key=col.key,
            label=label,
            kind="text" if col.kind != "person" else "person",
            text=NOTHING,
            href=href,
            hide=col.hide,
            numeric=numeric,
            empty=True,
        )
    text, iso, tone, tags, part, whole = "", "", "neutral", (), 0.0, ""
    kind, link = col.kind, href
    if kind == "number":
        text = language.number(value)
    elif kind == "percent":
        text = language.percent(float(value))
    elif kind == "money":
        text = _money(value, col, language)
    elif kind in ("date", "datetime", "ago"):
        text, iso = _time(value, kind, language, now)
    elif kind == "badge":
        text = label_of(value, col.labels, domain, language)
        tone = _tone(col, value)
    elif kind == "yesno":
        text = language.message("Yes") if value else language.message("No")
    elif kind == "tags":
        shown = parts(value) or (value,)
        tags = tuple(label_of(one, col.labels, domain, language) for one in shown)
        text = ", ".join(tags)
    elif kind == "progress":
        text, whole, part = _progress(value, pick(item, col.of) if col.of else None, language)
    elif kind == "email":
        text, link = str(value), f"mailto:{value}"
    elif kind == "link":
        text = str(value)
        target = str(pick(item, col.href) or "") if col.href else str(value)
        link = target if target.startswith(_SAFE_SCHEMES) else href
    else:
        text = (
            label_of(value, col.labels, domain, language) if col.labels else _plain(value, language)
        )
    return Cell(
        key=col.key,
        label=label,
        kind=kind,
        text=text,
        sub=_plain(pick(item, col.sub), language) if col.sub else "",
        href=link,
        tone=tone,
        part=part,
        whole=whole,
        iso=iso,
        tags=tags,
        yes=bool(value) if kind == "yesno" else False,
        hide=col.hide,
        numeric=numeric,
    )


def _plain(value: Any, language: Language) -> str:
    if value is None:
        return ""
    if isinstance(value, LazyText):
        return language.text(value)
    if isinstance(value, bool):
        return language.message("Yes") if value else language.message("No")
    if isinstance(value, dt.datetime):
        return language.instant(value)
    if isinstance(value, dt.date):
        return language.date(value)
    if isinstance(value, int | float | Decimal):
        return language.number(value)
    if (many := parts(value)) is not None:
        return ", ".join(_plain(one, language) for one in many)
    return str(value)


def _money(value: Any, col: Col, language: Language) -> str:
    minor = pick(value, "minor")
    if minor is None:
        return language.money(int(value), col.currency) if col.currency else language.number(value)
    return language.money(int(minor), str(pick(value, "currency")))


def _time(value: Any, kind: str, language: Language, now: dt.datetime) -> tuple[str, str]:
    if not isinstance(
        value, dt.date
    ):  # a date that is only partly known arrives as text: 1994, 1994-05
        return str(value), ""
    iso = value.isoformat()
    if isinstance(value, dt.datetime):
        if kind == "ago":
            return language.ago(value, now), iso
        return (language.date(value) if kind == "date" else language.instant(value)), iso
    return language.date(value), iso


def _tone(col: Col, value: Any) -> Tone:
    return col.tones.get(str(value), "neutral")


def _progress(value: Any, whole: Any, language: Language) -> tuple[str, str, float]:
    if whole is None:
        ratio = float(value)
        return language.percent(ratio), "", min(1.0, max(0.0, ratio))
    total = float(whole)
    ratio = float(value) / total if total else 0.0
    return language.number(value), language.number(whole), min(1.0, max(0.0, ratio))
