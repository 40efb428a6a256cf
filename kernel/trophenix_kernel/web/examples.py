"""A value of a type, for readers of the API's description: always one that the type itself accepts, or none."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import inspect

_MOMENT: Final = "2026-03-14T09:30:00Z"
_SIMPLE: Final[Mapping[type, Any]] = {
    inspect.NoneType: None,
    inspect.BoolType: True,
    inspect.DateTimeType: _MOMENT,
    inspect.DateType: "2026-03-14",
    inspect.TimeType: "09:30:00",
    inspect.TimeDeltaType: "PT1H30M",
    inspect.UUIDType: "0195934c-6f00-7a3e-9c57-2f1d0c4b8a61",
    inspect.DecimalType: "12.50",
    inspect.BytesType: "dHJvcGhlbml4",
    inspect.ByteArrayType: "dHJvcGhlbml4",
    inspect.AnyType: {},
    inspect.RawType: {},
}
_BY_NAME: Final[Mapping[str, str]] = {
    "email": "ada@example.org",
    "name": "Ada Example",
    "title": "An example",
    "slug": "acme-club",
    "locale": "fr",
    "time_zone": "Europe/Paris",
    "currency": "EUR",
    "country": "FR",
    "phone": "+33612345678",
    "version": "1.0.0",
    "url": "https://example.org/",
}
_TEXTS: Final = (
    "example",
    *dict.fromkeys(_BY_NAME.values()),
    "a",
    "A",
    "AB",
    "ABC",
    "1",
    "12",
    "2026-03-14",
    "example of a longer text",
)
_DEPTH: Final = 6


class _NoExample(Exception):
    """No value was found that the type accepts."""


def example_of(kind: Any, *, leave_out: Collection[str] = ()) -> Any:
    """A JSON value that *kind* accepts, ``msgspec.UNSET`` when none was found.

    Args:
        kind: what `msgspec` can decode.
        leave_out: fields of a struct that stand elsewhere, such as in the path.
    """
    try:
        value = _value(inspect.type_info(kind), "", 0)
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except (_NoExample, msgspec.MsgspecError, TypeError, NotImplementedError):
        return msgspec.UNSET
    if leave_out and isinstance(value, dict):
        return {name: inner for name, inner in value.items() if name not in leave_out}  # pyright: ignore[reportUnknownVariableType]
    return value


def _value(info: inspect.Type, name: str, depth: int) -> Any:
    if depth > _DEPTH:
        raise _NoExample
    simple = _SIMPLE.get(type(info), msgspec.UNSET)
    if simple is not msgspec.UNSET:
        return simple
    match info:
        case inspect.Metadata():
            extra: dict[str, Any] = cast("Any", info).extra_json_schema or {}
            examples: list[Any] = extra.get("examples") or []
            return examples[0] if examples else _value(info.type, name, depth)
        case inspect.StrType():
            return _text(info, name)
        case inspect.IntType() | inspect.FloatType():
            return _number(info)
        case inspect.LiteralType():
            return info.values[0]
        case inspect.EnumType():
            return msgspec.to_builtins(next(iter(info.cls)))
        case inspect.UnionType():
            return _first_of(info, name, depth)
        case (
            inspect.ListType()
            | inspect.SetType()
            | inspect.FrozenSetType()
            | inspect.VarTupleType()
            | inspect.CollectionType()
        ):
            count = max(1, info.min_length or 0)
            return [] if info.max_length == 0 else [_value(info.item_type, name, depth + 1)] * count
        case inspect.TupleType():
            return [_value(item, name, depth + 1) for item in info.item_types]
        case inspect.DictType():
            return (
                {_value(info.key_type, "", depth + 1): _value(info.value_type, "", depth + 1)}
                if info.min_length
                else {}
            )
        case inspect.StructType():
            return _struct(info, depth)
        case _:
            raise _NoExample


def _struct(info: inspect.StructType, depth: int) -> Any:
    values: dict[str, Any] = {}
    if info.tag_field is not None:
        values[info.tag_field] = info.tag
    for field in info.fields:
        if not field.required:
            if field.default not in (None, msgspec.NODEFAULT, msgspec.UNSET):
                values[field.encode_name] = msgspec.to_builtins(field.default)
                continue
            if depth:
                continue
        try:
            values[field.encode_name] = _value(field.type, field.encode_name, depth + 1)
        except _NoExample:
            if field.required:
                raise
    return list(values.values()) if info.array_like else values


def _first_of(info: inspect.UnionType, name: str, depth: int) -> Any:
    for choice in (
        *(one for one in info.types if not isinstance(one, inspect.NoneType)),
        inspect.NoneType(),
    ):
        try:
            return _value(choice, name, depth)
        except _NoExample:
            continue
    raise _NoExample


def _text(info: inspect.StrType, name: str) -> str:
    suited = next((text for word, text in _BY_NAME.items() if word in name.lower()), None)
    for text in (suited, *_TEXTS, "x" * (info.min_length or 0)):
        if text is not None and _fits(info, text):
            return text
    raise _NoExample


def _fits(info: inspect.StrType, text: str) -> bool:
    if len(text) < (info.min_length or 0) or (
        info.max_length is not None and len(text) > info.max_length
    ):
        return False
    return info.pattern is None or re.search(info.pattern, text) is not None


def _number(info: inspect.IntType | inspect.FloatType) -> float:
    step = info.multiple_of or 1
    low = info.ge if info.ge is not None else (info.gt + step if info.gt is not None else None)
    high = info.le if info.le is not None else (info.lt - step if info.lt is not None else None)
    value: float = step
    if low is not None and value < low:
        value = -(-low // step) * step
    if high is not None and value > high:
        value = high // step * step
    return value if low is None or value >= low else _refuse()


def _refuse() -> float:
    raise _NoExample
