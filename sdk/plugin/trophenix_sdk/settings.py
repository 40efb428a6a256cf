"""What a tenant may set for a plugin: a struct with defaults, from which the form is made."""

from __future__ import annotations

from typing import Any

import msgspec


class SettingsType(msgspec.Struct, frozen=True):
    """The plugin's settings.

    Attributes:
        name: what the manifest calls them; a plugin has one kind per level.
        kind: a msgspec struct in which every field has a default.
        title: what a person reads above the form.
    """

    name: str
    kind: Any
    title: str = ""
