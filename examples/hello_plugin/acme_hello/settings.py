"""What a tenant may set."""

from __future__ import annotations

from typing import Final

import msgspec
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.settings import SettingsType

_ = gettext_lazy("hello")


class General(msgspec.Struct, frozen=True):
    """The plugin's settings for one tenant.

    Attributes:
        word: what greetings begin with.
    """

    word: str = "Hello"


SETTINGS: Final = (SettingsType("general", General, title=_("General")),)
