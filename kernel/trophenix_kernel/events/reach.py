"""Whether the event bus is there, asked without keeping a connection."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

from trophenix_sdk.errors import Unavailable


async def bus_answers(url: str) -> None:
    """Nothing happens when a NATS server greets at *url*.

    Raises:
        Unavailable: something else answered.
        OSError: nothing did.

    Source: the NATS client protocol: the server speaks first, with INFO.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 4222)
    try:
        greeting = await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not greeting.startswith(b"INFO "):
        raise Unavailable("What answers there is not NATS.", next_step="Check TROPHENIX_NATS_URL.")
