"""Every page's handler."""

from __future__ import annotations

from typing import Any

from trophenix_kernel.web.desk import account, entry, home, organisation, panels


def desk_handlers() -> list[Any]:
    """The Litestar handlers of the admin."""
    return [
        *entry.HANDLERS,
        *account.HANDLERS,
        *home.HANDLERS,
        *organisation.HANDLERS,
        *panels.HANDLERS,
    ]
