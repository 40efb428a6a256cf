"""Where a test puts operations of its own."""

from __future__ import annotations

from trophenix_sdk.operations import Operation

OPERATIONS: list[Operation] = []
