"""Everything that depends on who reads: translated texts, numbers, money, dates, and the direction of writing.

A `Language` is made once per language and time zone and may be kept. While a page is drawn it is *spoken* (`speaking`), so that
templates and macros need not pass it along.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel import dates as babel_dates
from babel import numbers as babel_numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from trophenix_sdk.i18n import LazyText

LOCALES: Final = Path(__file__).parent.parent / "locales"
KERNEL: Final = "kernel"
NAMES: Final[Mapping[str, str]] = {"en": "English", "fr": "Français"}
"""The languages the kernel itself speaks, by their own names."""

# CLDR has no skeleton for these in every language, so the few patterns we use are our own.
_PATTERNS: Final[Mapping[str, str]] = {
    "date": "d MMM y",
    "datetime": "d MMM y, HH:mm",
    "day": "d MMM",
    "month": "MMM y",
    "long": "EEEE d MMMM y",
    "time": "HH:mm",
}


class Catalogues:
    """The gettext catalogues of the kernel and of every plugin, read when first needed.

    Args:
        folders: by message domain, the folder that holds ``<language>/LC_MESSAGES/<domain>.po``.
    """

    def __init__(self, folders: Mapping[str, Path] | None = None) -> None:
        self._folders: dict[str, Path] = {KERNEL: LOCALES, **(folders or {})}
        self._loaded: dict[tuple[str, str], Translations | None] = {}
        self._lock = Lock()

    def find(self, domain: str, language: str) -> Translations | None:
        """The catalogue of *domain* in *language*, ``None`` when the plugin has no such translation."""
        key = (domain, language)
        if key not in self._loaded:
            with self._lock:
                self._loaded[key] = self._read(domain, language)
        return self._loaded[key]

    def _read(self, domain: str, language: str) -> Translations | None:
        folder = self._folders.get(domain)
        if folder is None:
            return None
        source = folder / language / "LC_MESSAGES" / f"{domain}.po"
        if not source.is_file():
            return None
        with source.open("rb") as file:
            catalogue = read_po(file, locale=language, domain=domain)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return Translations(compiled, domain=domain)


class Language:
    """One language in one time zone.

    Args:
        code: ``fr``, ``en``, ``fr-TN``; an unknown one falls back to English.
        catalogues: where texts are looked up.
        zone: instants are shown in it.
    """

    def __init__(self, code: str, catalogues: Catalogues, zone: dt.tzinfo = dt.UTC) -> None:
        self.locale = _locale(code)
        self.code = str(self.locale).replace("_", "-")
        self.zone = zone
        self._catalogues = catalogues

    @property
    def direction(self) -> str:
        """``rtl`` or ``ltr``, for the ``dir`` attribute."""
        return "rtl" if self.locale.text_direction == "rtl" else "ltr"

    # --- texts -----------------------------------------------------------------------------------

    def text(self, message: str) -> str:
        """The translation of a lazy text; any other string as it is, for it is data, not a message."""
        if not isinstance(message, LazyText):
            return message
        if message.plural:
            found = self.plural(message.message, message.plural, message.number, message.domain)
        else:
            found = self.message(message.message, message.domain)
        if not message.values:
            return found
        values = {
            key: self.text(value) if isinstance(value, str) else self._value(value)
            for key, value in message.values.items()
        }
        return found % values

    def message(self, message: str, domain: str = KERNEL) -> str:
        """The translation of an English message of *domain*, else the kernel's, else the English."""
        if not message:
            return ""  # gettext("") answers the catalogue's header
        for name in dict.fromkeys((domain, KERNEL)):
            catalogue = self._catalogues.find(name, self.locale.language)
            if catalogue is not None and (found := catalogue.gettext(message)) != message:
                return found
        return message

    def plural(self, one: str, many: str, count: int, domain: str = KERNEL) -> str:
        """The translation that goes with *count*, its places not yet filled."""
        english = one if count == 1 else many
        for name in dict.fromkeys((domain, KERNEL)):
            catalogue = self._catalogues.find(name, self.locale.language)
            if catalogue is not None:
                found = catalogue.ngettext(one, many, count)
                if found not in (one, many) or self.locale.language == "en":
                    return found
        return english

    def word(self, value: str, domain: str = KERNEL) -> str:
        """A code such as ``on_sale`` as people read it: its translation, else ``On sale``."""
        found = self.message(value, domain)
        if found != value or "." in value or not value:  # a dotted name is a name, not a word
            return found
        spaced = value.replace("_", " ").strip()
        return spaced[:1].upper() + spaced[1:]

    # --- numbers ---------------------------------------------------------------------------------

    def number(self, value: float | Decimal) -> str:
        """Grouped in the reader's way, at most two decimals."""
        if not _writable(value):
            return "–" if not math.isfinite(value) else f"{value:.3g}"
        return babel_numbers.format_decimal(
            value, format=_decimals(self.locale, 2), locale=self.locale
        )

    def compact(self, value: float) -> str:
        """Short, for axes: 15 K, 1.2 M."""
        places = 0 if value == int(value) and abs(value) < 1000 else 1
        return babel_numbers.format_compact_decimal(
            value, locale=self.locale, fraction_digits=places if value % 1000 or places == 0 else 0
        )

    def percent(self, ratio: float) -> str:
        """A ratio as percent with at most one decimal."""
        if not _writable(ratio):
            return "–" if not math.isfinite(ratio) else f"{ratio * 100:.3g}\u00a0%"
        pattern = self.locale.percent_formats[None].pattern.replace("0", "0.#", 1)
        pattern = pattern if "#,##0.#" in pattern else self.locale.percent_formats[None].pattern
        return babel_numbers.format_percent(ratio, format=pattern, locale=self.locale)

    def digits(self, currency: str) -> int:
        """How many decimals a currency has: 2 for EUR, 3 for TND, 0 for JPY."""
        return babel_numbers.get_currency_precision(currency)

    def money(self, minor: int, currency: str) -> str:
        """Minor units with their currency; cents are left out when there are none."""
        digits = self.digits(currency)
        amount = Decimal(minor).scaleb(-digits)
        pattern = self.locale.currency_formats["standard"].pattern
        if amount == amount.to_integral_value():
            pattern = pattern.replace(".00", "")
        else:
            pattern = pattern.replace(".00", "." + "0" * digits)
        if pattern.startswith("¤#") and self._symbol(currency)[-1:].isalpha():
            pattern = pattern.replace("¤#", "¤\u00a0#", 1)  # CLDR: letters never touch digits
        return babel_numbers.format_currency(
            amount, currency, format=pattern, locale=self.locale, currency_digits=False
        )

    def _symbol(self, currency: str) -> str:
        return babel_numbers.get_currency_symbol(currency, locale=self.locale)

    def size(self, count: int) -> str:
        """A number of bytes in the unit people would choose."""
        units = ("B", "KB", "MB", "GB", "TB")
        power = min(len(units) - 1, int(math.log(max(count, 1), 1024)))
        unit = {"fr": ("o", "Ko", "Mo", "Go", "To")}.get(self.locale.language, units)[power]
        return f"{self.number(round(count / 1024**power, 1))}\u202f{unit}"

    # --- time ------------------------------------------------------------------------------------

    def date(self, value: dt.date | dt.datetime, style: str = "date") -> str:
        """A day; an instant is first brought to the reader's time zone."""
        day = self.local(value).date() if isinstance(value, dt.datetime) else value
        return babel_dates.format_date(day, _PATTERNS[style], locale=self.locale)

    def instant(self, value: dt.datetime, style: str = "datetime") -> str:
        """A point in time in the reader's time zone."""
        return babel_dates.format_datetime(self.local(value), _PATTERNS[style], locale=self.locale)

    def ago(self, value: dt.datetime, now: dt.datetime) -> str:
        """How long before or after *now*: 3 minutes ago, in 2 days."""
        return babel_dates.format_timedelta(
            value - now, add_direction=True, threshold=1.2, locale=self.locale
        )

    def local(self, value: dt.datetime) -> dt.datetime:
        """*value* in the reader's time zone; one without a zone is taken to be UTC."""
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return aware.astimezone(self.zone)

    def _value(self, value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return str(value)
        return self.number(value)


_spoken: ContextVar[Language] = ContextVar("spoken")


@contextmanager
def speaking(language: Language) -> Generator[None]:
    """Templates drawn inside are in *language*."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken() -> Language:
    """The language of the page being drawn; only inside `speaking`."""
    return _spoken.get()


def zone(name: str) -> dt.tzinfo:
    """The time zone of that IANA name, UTC when there is none: a page is drawn whatever is stored."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return dt.UTC


@lru_cache(maxsize=64)
def _locale(code: str) -> Locale:
    for candidate in (code.replace("-", "_"), code.partition("-")[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")


def _writable(value: float | Decimal) -> bool:
    """Within what decimal arithmetic keeps exactly; beyond it a figure is only an order of magnitude."""
    return math.isfinite(value) and abs(value) < 1e18


@lru_cache(maxsize=64)
def _decimals(locale: Locale, places: int) -> str:
    whole = locale.decimal_formats[None].pattern.partition(".")[0]
    return f"{whole}.{'#' * places}"
