"""Everything shown can be shown in French, lazily marked texts are translated late, and figures follow the reader."""

from __future__ import annotations

import datetime as dt
import pickle
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.panels import Catalogues, Language, zone
from trophenix_sdk.i18n import gettext_lazy, ngettext_lazy

KERNEL = Path(__file__).parents[2] / "trophenix_kernel"
SDK = Path(__file__).parents[3] / "sdk" / "plugin" / "trophenix_sdk"
KEYWORDS = {"_": None, "ngettext": (1, 2), "_n": (1, 2)}
_ = gettext_lazy("kernel")


def _messages() -> set[str | tuple[str, ...]]:
    sources = (
        (
            KERNEL,
            [
                ("web/templates/**.html", "jinja2.ext:babel_extract"),
                ("panels/**.py", "python"),
                ("web/**.py", "python"),
            ],
        ),
        (SDK, [("panels.py", "python")]),
    )
    return {
        message
        for folder, methods in sources
        for _file, _line, message, _comments, _context in extract_from_dir(
            str(folder), method_map=methods, keywords=KEYWORDS
        )
    }


def test_french_is_complete() -> None:
    """Every text of the shell has a French one with the same places to fill."""
    with (KERNEL / "locales" / "fr" / "LC_MESSAGES" / "kernel.po").open("rb") as file:
        catalogue = read_po(file, locale="fr")
    missing: list[object] = []
    for message in _messages():
        entry = catalogue.get(message if isinstance(message, str) else message[0])
        string = entry.string if entry is not None else None
        texts = [string] if isinstance(string, str) else list(string or ())
        if not texts or not all(texts) or (entry is not None and entry.fuzzy):
            missing.append(message)
            continue
        places = set(
            re.findall(r"%\((\w+)\)s", message if isinstance(message, str) else message[1])
        )
        if any(set(re.findall(r"%\((\w+)\)s", text)) != places for text in texts):
            missing.append((message, "places differ"))

    assert missing == []


class TestLazyTexts:
    def test_a_label_follows_the_reader(self) -> None:
        """Written once, shown in each language."""
        label = _("Save")

        assert Language("fr", Catalogues()).text(label) == "Enregistrer"
        assert Language("en", Catalogues()).text(label) == "Save"
        assert label == "Save"

    def test_filling_keeps_it_lazy(self) -> None:
        """The values are put in after the translation, and are themselves translated."""
        text = _("Edit %(name)s") % {"name": _("Members")}

        assert Language("fr", Catalogues()).text(text) == "Modifier Membres"
        assert str(text) == "Edit Members"

    def test_filling_without_names_is_refused(self) -> None:
        """Translators must be able to move what is filled in."""
        with pytest.raises(TypeError, match="name every place"):
            str(_("%s rows") % 3)

    def test_counts_follow_the_language_s_own_rule(self) -> None:
        """French says 0 ligne, English 0 rows."""
        count = ngettext_lazy("kernel")

        texts = {n: count("%(n)s row updated", "%(n)s rows updated", n) for n in (0, 1, 2)}
        assert Language("fr", Catalogues()).text(texts[0]) == "0 ligne mise à jour"
        assert Language("en", Catalogues()).text(texts[0]) == "0 rows updated"
        assert Language("fr", Catalogues()).text(texts[2]) == "2 lignes mises à jour"

    def test_it_survives_being_pickled(self) -> None:
        """A label may travel to another process."""
        text = pickle.loads(pickle.dumps(_("Edit %(name)s") % {"name": "x"}))  # noqa: S301 - our own bytes

        assert Language("fr", Catalogues()).text(text) == "Modifier x"

    def test_a_plugin_s_missing_text_falls_back_to_the_kernel_s(self) -> None:
        """Common words need not be translated by every plugin."""
        assert Language("fr", Catalogues()).text(gettext_lazy("nowhere")("Save")) == "Enregistrer"

    @given(st.text(max_size=20))
    def test_data_is_never_translated(self, text: str) -> None:
        """A person called Save stays Save."""
        assert Language("fr", Catalogues()).text(str(text)) == text

    def test_the_empty_text_stays_empty(self) -> None:
        """gettext answers its header for it."""
        assert Language("fr", Catalogues()).message("") == ""


class TestFigures:
    def test_money_has_its_own_decimals(self) -> None:
        """A dinar has a thousand millimes, a yen no cents."""
        english = Language("en", Catalogues())

        assert english.money(12_500, "TND") == "TND\u00a012.500"
        assert english.money(12_000, "TND") == "TND\u00a012"
        assert english.money(1_250, "EUR") == "€12.50"
        assert english.money(1_250, "JPY") == "¥1,250"

    def test_instants_are_shown_in_the_reader_s_zone(self) -> None:
        """Eight in the evening in Tunis is seven in London."""
        instant = dt.datetime(2026, 12, 24, 19, tzinfo=dt.UTC)

        assert Language("en", Catalogues(), zone("Africa/Tunis")).instant(instant).endswith("20:00")
        assert Language("en", Catalogues(), zone("Not/AZone")).instant(instant).endswith("19:00")

    @given(
        st.sampled_from(["fr", "en", "ar", "fr-TN", "de", "xx", ""]),
        st.floats(allow_nan=True, allow_infinity=True),
    )
    def test_every_number_can_be_written_in_every_language(self, code: str, value: float) -> None:
        """A strange figure never takes a page down."""
        language = Language(code, Catalogues())

        assert language.number(value)
        assert language.percent(value)

    @given(
        st.sampled_from(["fr", "en", "ar"]),
        st.integers(-(10**12), 10**12),
        st.sampled_from(["EUR", "TND", "JPY", "XYZ"]),
    )
    def test_every_amount_can_be_written(self, code: str, minor: int, currency: str) -> None:
        """Also of a currency nobody knows."""
        assert Language(code, Catalogues()).money(minor, currency)

    def test_codes_are_spelt_like_words(self) -> None:
        """A state without translation is readable; a dotted name is left as it is."""
        english = Language("en", Catalogues())

        assert english.word("on_sale") == "On sale"
        assert english.word("athlete.read") == "athlete.read"
