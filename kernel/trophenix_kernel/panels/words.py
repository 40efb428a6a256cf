"""Texts the shell's own pages share, so that every page calls a thing by the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trophenix_sdk.i18n import Text, gettext_lazy

_ = gettext_lazy("kernel")

DASHBOARD: Final = _("Dashboard")
PLUGINS: Final = _("Plugins")
MEMBERS: Final = _("Members")
API_KEYS: Final = _("API keys")
SETTINGS: Final = _("Settings")
AUDIT: Final = _("Audit log")
SIGN_IN: Final = _("Sign in")
GREETING: Final = _("Hello, %(name)s")
DASHBOARD_TEXT: Final = _("What happened across your modules.")
PLUGINS_TEXT: Final = _(
    "Modules installed on this platform. Each is isolated and sees only what you allow."
)
MEMBERS_TEXT: Final = _("Who may enter this organisation, and as what.")
API_KEYS_TEXT: Final = _("For programs that speak for this organisation.")
SETTINGS_TEXT: Final = _("They hold for the whole organisation.")
SIGN_IN_TEXT: Final = _("With your e-mail address and password.")
SIGN_IN_REFUSED: Final = _("The e-mail address or the password is wrong.")
SIGNED_OUT: Final = _("You are signed out.")
CHOOSE_TENANT: Final = _("Choose an organisation")
CHOOSE_TENANT_TEXT: Final = _("You belong to more than one.")
NO_TENANT_TEXT: Final = _("You belong to none yet. Ask an owner to invite you.")
IMPORT: Final = _("Import")
SAVED: Final = _("Saved")
CREATED: Final = _("Created")
DELETED: Final = _("Deleted")
DONE: Final = _("Done")
INVITED: Final = _("The invitation was sent")
ENABLED: Final = _("%(plugin)s is enabled")
DISABLED: Final = _("%(plugin)s is disabled")
FIRST_DAY: Final = _("Your platform is ready")
FIRST_DAY_TEXT: Final = _("Enable the modules you want: their figures and lists appear here.")
FIRST_DAY_STEPS: Final[tuple[Text, ...]] = (
    _("Enable a module"),
    _("Invite your team"),
    _("Bring your data"),
)
CHOOSE_MODULES: Final = _("Choose modules")

ROLES: Final[Mapping[str, Text]] = {
    "owner": _("Owner"),
    "admin": _("Administrator"),
    "manager": _("Manager"),
    "member": _("Member"),
    "viewer": _("Viewer"),
    "guest": _("Guest"),
}
"""Roles as people read them; the keys are `trophenix_sdk.permissions.ROLES`."""
