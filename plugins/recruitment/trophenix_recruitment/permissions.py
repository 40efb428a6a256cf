"""What people may do with athletes."""

from typing import Final

from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.permissions import Permission

_ = gettext_lazy("recruitment")

PERMISSIONS: Final = (
    Permission("athlete.read", _("See athletes"), "viewer"),
    Permission("athlete.write", _("Add and change athletes"), "member"),
    Permission("athlete.delete", _("Delete athletes"), "manager"),
    Permission("athlete.import", _("Import athletes and undo imports"), "manager"),
    Permission("athlete.export", _("Export athletes"), "manager"),
    Permission("duplicate.decide", _("Decide whether two athletes are one person"), "manager"),
)
