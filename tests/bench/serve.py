"""A server of the comparison: granian, one worker, uvloop. Usage: serve.py <module:factory> <port>."""

from __future__ import annotations

import sys

from granian.constants import Interfaces, Loops
from granian.server import Server
from machine import APPLICATION, pin

if __name__ == "__main__":
    pin(APPLICATION)
    Server(
        sys.argv[1],
        factory=True,
        address="127.0.0.1",
        port=int(sys.argv[2]),
        workers=1,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        log_access=False,
        backlog=2048,
    ).serve()
