"""SQL files beside a revision, run as they stand."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from alembic import op


def run_file(name: str) -> None:
    """Run a file of SQL statements that lies beside the calling revision, inside the revision's transaction.

    The text goes to the server in one message, untouched: no placeholder, no splitting.
    """
    caller = inspect.stack()[1].filename
    text = Path(caller).with_name(name).read_text(encoding="utf-8")
    connection: Any = op.get_bind().connection.dbapi_connection

    def send(driver: Any) -> Any:
        return driver.execute(text)

    connection.run_async(send)
