"""Pages of a list: keyset cursors, opaque to callers, stable while rows come and go."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Generic, TypeVar

import msgspec

from trophenix_sdk.errors import FieldProblem, Invalid

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list.

    Attributes:
        data: the items, in the list's order.
        next_cursor: give it back to get the next page; ``None`` on the last.
        total: how many there are in all, only when asked for (``count=true``).
    """

    data: list[T]
    next_cursor: str | None = None
    total: int | None = None


def encode_cursor(*keys: Any) -> str:
    """The sort keys of a page's last row as one opaque word."""
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).rstrip(b"=").decode()


def decode_cursor(cursor: str, *types: Any) -> tuple[Any, ...]:
    """The sort keys behind *cursor*, converted to *types*.

    Raises:
        Invalid: the word was not made by `encode_cursor` for these types.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=tuple[types])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        problem = FieldProblem(
            "/cursor", "bad_cursor", "this cursor was not given out by this list"
        )
        raise Invalid(
            "The cursor does not belong to this list.",
            next_step="Start again without a cursor.",
            problems=(problem,),
        ) from error
