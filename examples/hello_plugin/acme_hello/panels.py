"""The page of the plugin in the admin."""

from __future__ import annotations

from typing import Final

from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import Col, Empty, F, Panel, nav

_ = gettext_lazy("hello")

PANELS: Final = (
    Panel(
        slug="greetings",
        label=_("Greeting"),
        label_plural=_("Greetings"),
        label_new=_("Greet somebody"),
        icon="hand",
        group=nav.WORK,
        list="greeting.list",
        create="greeting.send",
        columns=(
            Col("text", _("Greeting")),
            Col("name", _("Name"), hide="phone"),
            Col("sent_at", _("Sent"), kind="ago"),
        ),
        fields={"name": F(_("Name"))},
        search=_("Search by name"),
        empty=Empty(_("Nobody was greeted yet"), _("Greet somebody to see it here.")),
    ),
)
