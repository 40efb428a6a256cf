"""Facts a plugin announces after its change is committed."""

from __future__ import annotations

from typing import Any

import msgspec


class EventType(msgspec.Struct, frozen=True):
    """A kind of fact, named in the past tense: ``athlete.imported``.

    Attributes:
        name: unique inside the plugin; the platform-wide type is ``<plugin id>.<name>``.
        payload: the msgspec struct of what subscribers receive.
        version: rises when the payload changes shape.
        title: what a person reads in the catalogue.
    """

    name: str
    payload: Any
    version: int = 1
    title: str = ""
