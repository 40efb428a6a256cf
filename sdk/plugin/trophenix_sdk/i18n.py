"""Texts that are translated when they are shown, not when they are written.

A label in a module body is created once and shown to people of many languages. `gettext_lazy` keeps the English text together
with its message domain; the kernel looks the translation up while it answers a request.

```python
from trophenix_sdk.i18n import gettext_lazy, ngettext_lazy

_ = gettext_lazy("ticketing")
_n = ngettext_lazy("ticketing")

label = _("Event")
note = _("Sold by %(name)s") % {"name": "Leïla"}
count = _n("%(n)s ticket", "%(n)s tickets", 3)
```

Catalogues are ordinary gettext files at ``locales/<language>/LC_MESSAGES/<domain>.po`` inside the plugin's package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias, cast

Text: TypeAlias = str
"""Anything shown to people: a `LazyText` is translated, any other string is shown as it is."""


class LazyText(str):
    """An English text that remembers where its translation is looked up.

    It *is* the English text, so logs and tests may use it as a plain string. Filling it with ``%`` keeps it lazy; joining it
    with ``+`` or an f-string does not.

    Attributes:
        domain: the message catalogue, a plugin's short name or ``kernel``.
        plural: the English plural, ``""`` when the text does not count anything.
        number: what is counted.
        values: what fills the ``%(name)s`` places after the translation.
    """

    __slots__ = ("domain", "message", "number", "plural", "values")

    domain: str
    message: str
    plural: str
    number: int
    values: Mapping[str, object]

    def __new__(
        cls,
        message: str,
        domain: str,
        *,
        plural: str = "",
        number: int = 1,
        values: Mapping[str, object] | None = None,
    ) -> Self:
        """The text, filled and in English, with what its translation needs."""
        chosen = plural if plural and number != 1 else message
        text = super().__new__(cls, str.__mod__(chosen, values) if values else chosen)
        text.domain = domain
        text.message = str(message)
        text.plural = plural
        text.number = number
        text.values = dict(values or {})
        return text

    def __mod__(
        self, values: object
    ) -> LazyText:  # the parent returns a plain, untranslatable string
        if not isinstance(values, Mapping):
            raise TypeError(
                f"{self.message!r} was filled with {type(values).__name__}: name every place, "
                'as in _("%(count)s rows") % {"count": 3}, so that translators can move it'
            )
        named = {str(key): value for key, value in cast("Mapping[Any, object]", values).items()}
        return LazyText(
            self.message,
            self.domain,
            plural=self.plural,
            number=self.number,
            values={**self.values, **named},
        )

    def __reduce__(self) -> tuple[Callable[..., LazyText], tuple[object, ...]]:
        return _restore, (self.message, self.domain, self.plural, self.number, dict(self.values))


def _restore(
    message: str, domain: str, plural: str, number: int, values: dict[str, object]
) -> LazyText:
    return LazyText(message, domain, plural=plural, number=number, values=values)


def gettext_lazy(domain: str) -> Callable[[str], LazyText]:
    """A function, by custom named ``_``, that marks a text of *domain* for translation."""

    def mark(message: str) -> LazyText:
        return LazyText(message, domain)

    return mark


def ngettext_lazy(domain: str) -> Callable[[str, str, int], LazyText]:
    """A function, by custom named ``_n``, that marks a counted text of *domain*; ``%(n)s`` is the count."""

    def mark(one: str, many: str, count: int) -> LazyText:
        return LazyText(one, domain, plural=many, number=count, values={"n": count})

    return mark
