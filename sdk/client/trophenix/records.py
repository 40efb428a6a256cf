"""What the platform's answers hold, read tolerantly: members of a newer platform are kept."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from trophenix.errors import UnexpectedResponse
from trophenix.exchange import JsonValue, Response


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the platform knows.

    Attributes:
        extra: members this version of the client has no name for, as they came.
    """

    extra: dict[str, Any] = {}


R = TypeVar("R", bound=Record)


def read(kind: type[R], value: JsonValue, response: Response) -> R:
    """*value* as a *kind*, unknown members in ``extra``.

    Raises:
        UnexpectedResponse: a member is missing or has another type than promised.
    """
    try:
        return msgspec.convert(_sorted_out(kind, value), kind)
    except msgspec.ValidationError as error:
        raise UnexpectedResponse(
            f"The answer is no {kind.__name__}: {error}.",
            status=response.status,
            request_id=response.request_id,
        ) from error


def _sorted_out(kind: type[Record], value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    known = {name for name in kind.__struct_fields__ if name != "extra"}
    members = {name: member for name, member in value.items() if name in known}
    members["extra"] = {name: member for name, member in value.items() if name not in known}
    return members


def read_answer(kind: type[R], response: Response) -> R:
    """The whole body of *response* as a *kind*.

    Raises:
        UnexpectedResponse: it is not one.
    """
    return read(kind, response.json(), response)
