"""From what a door was given to the operation's input struct, or every fault at once.

msgspec stops at the first fault, so the quick path is tried first and only a refused input is looked at again, field by field.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, cast, get_origin

import msgspec

from trophenix_sdk.errors import FieldProblem, Invalid
from trophenix_sdk.files import Upload

MAX_PROBLEMS: Final = 100
# Only the outermost names are looked at; the values stay bytes, so this costs next to nothing.
_KEYS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Fields:
    """What binding needs to know of an input struct, worked out once.

    Attributes:
        kind: the struct.
        names: encoded field name → its type.
        required: names without a default.
        lists: names whose value is a list, which a query string may repeat.
        raws: names whose value stays JSON.
        uploads: names that take a file.
    """

    __slots__ = ("decoder", "kind", "lists", "names", "raws", "required", "uploads")

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.kind = kind
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
        fields = msgspec.structs.fields(kind)
        self.names: dict[str, Any] = {field.encode_name: field.type for field in fields}
        self.required = frozenset(field.encode_name for field in fields if field.required)
        self.uploads = frozenset(name for name, type_ in self.names.items() if takes_file(type_))
        self.lists = frozenset(name for name, type_ in self.names.items() if _is_list(type_))
        self.raws = frozenset(name for name, type_ in self.names.items() if type_ is msgspec.Raw)


@functools.cache
def fields_of(kind: type[msgspec.Struct]) -> Fields:
    """The struct's `Fields`."""
    return Fields(kind)


def from_json(kind: type[msgspec.Struct], body: bytes, path: Mapping[str, str]) -> Any:
    """The input from a JSON body and the path's fields.

    Raises:
        Invalid: with every fault found, each with its JSON pointer.
    """
    fields = fields_of(kind)
    if not path and body:
        try:
            if fields.names.keys() >= _KEYS.decode(body).keys():
                return fields.decoder.decode(body)
        except msgspec.ValidationError:
            pass
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_json(error) from error
    try:
        document: Any = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(error) from error
    if not isinstance(document, dict):
        fault = FieldProblem("", "wrong_type", f"expected an object, found {_name_of(document)}")
        raise _invalid([fault])
    return from_document(kind, {**document, **_converted_path(fields, path)}, strict=True)


def from_query(
    kind: type[msgspec.Struct], pairs: Sequence[tuple[str, str]], path: Mapping[str, str]
) -> Any:
    """The input from a query string (or the text fields of a form) and the path's fields; an empty value counts as absent.

    Raises:
        Invalid: with every fault found.
    """
    fields = fields_of(kind)
    given: dict[str, Any] = dict(path)
    for name, value in pairs:
        if value == "":
            continue
        if name in fields.lists:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    return from_document(kind, given, strict=False)


def from_document(kind: type[msgspec.Struct], document: Mapping[str, Any], *, strict: bool) -> Any:
    """The input from plain values.

    Args:
        strict: whether texts must not stand for numbers and booleans.

    Raises:
        Invalid: with every fault found.
    """
    fields = fields_of(kind)
    problems = [
        FieldProblem(f"/{_escape(name)}", "unknown_field", _unknown(name, fields))
        for name in document
        if name not in fields.names
    ]
    if fields.raws:
        # Only a decoder makes these by itself; here the value is a plain one already.
        document = {
            name: msgspec.Raw(msgspec.json.encode(value)) if name in fields.raws else value
            for name, value in document.items()
        }
    if not problems:
        try:
            return msgspec.convert(document, kind, strict=strict)
        except msgspec.ValidationError as error:
            whole = error
        except TypeError:
            return _with_uploads(fields, document, strict=strict)
    else:
        whole = None
    if fields.uploads and not problems:
        return _with_uploads(fields, document, strict=strict)
    # What is unknown has been told already, each at its place; a struct that forbids it would tell it again, at none.
    known = {name: value for name, value in document.items() if name in fields.names}
    problems.extend(faults(known, kind, "", strict=strict))
    if not problems:
        problems.append(FieldProblem("", "invalid", str(whole)))
    raise _invalid(problems)


def faults(value: Any, kind: Any, pointer: str, *, strict: bool) -> list[FieldProblem]:
    """Every fault of *value* against *kind*, deepest places first found; at most `MAX_PROBLEMS`."""
    found: list[FieldProblem] = []
    _collect(value, kind, pointer, found, strict=strict)
    return found[:MAX_PROBLEMS]


def _collect(
    value: Any, kind: Any, pointer: str, found: list[FieldProblem], *, strict: bool
) -> None:
    if len(found) >= MAX_PROBLEMS:
        return
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.StructType) and isinstance(value, Mapping):
        for field in info.fields:
            place = f"{pointer}/{_escape(field.encode_name)}"
            if field.encode_name not in value:
                if field.required:
                    found.append(FieldProblem(place, "missing", "this field is required"))
                continue
            inner = next(
                f.type
                for f in msgspec.structs.fields(info.cls)
                if f.encode_name == field.encode_name
            )
            _collect(value[field.encode_name], inner, place, found, strict=strict)
        _check(value, kind, pointer, found, strict=strict, before=len(found))
        return
    if isinstance(info, msgspec.inspect.ListType) and isinstance(value, list):
        inner = _item_type(kind)
        if inner is not None:
            before = len(found)
            for index, item in enumerate(cast("list[Any]", value)):
                _collect(item, inner, f"{pointer}/{index}", found, strict=strict)
            _check(value, kind, pointer, found, strict=strict, before=before)
            return
    _check(value, kind, pointer, found, strict=strict, before=len(found))


def _check(
    value: Any, kind: Any, pointer: str, found: list[FieldProblem], *, strict: bool, before: int
) -> None:
    """Try the whole value, unless its parts have told their faults already."""
    if len(found) > before or any(problem.pointer.startswith(f"{pointer}/") for problem in found):
        return
    try:
        msgspec.convert(value, kind, strict=strict)
    except (msgspec.ValidationError, TypeError) as error:
        message = str(error).partition(" - at `")[0]
        found.append(FieldProblem(pointer, _code_of(message), message[:1].lower() + message[1:]))


_CODES: Final = (
    ("unknown field", "unknown_field"),
    ("length <=", "too_long"),
    ("length >=", "too_short"),
    ("matching regex", "bad_format"),
    ("Invalid enum", "not_listed"),
    ("<=", "too_large"),
    (">=", "too_small"),
    ("< ", "too_large"),
    ("> ", "too_small"),
    ("Invalid", "bad_format"),
    ("Expected", "wrong_type"),
)


def _code_of(message: str) -> str:
    return next((code for part, code in _CODES if part in message), "invalid")


def _with_uploads(fields: Fields, document: Mapping[str, Any], *, strict: bool) -> Any:
    """A struct with files: they are instances already, which `msgspec.convert` would refuse."""
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, kind in fields.names.items():
        if name not in document:
            if name in fields.required:
                problems.append(
                    FieldProblem(f"/{_escape(name)}", "missing", "this field is required")
                )
            continue
        if name in fields.uploads:
            if isinstance(document[name], Upload):
                values[name] = document[name]
            else:
                problems.append(
                    FieldProblem(
                        f"/{_escape(name)}", "wrong_type", "expected a file in a multipart form"
                    )
                )
            continue
        before = len(problems)
        _collect(document[name], kind, f"/{_escape(name)}", problems, strict=strict)
        if len(problems) == before:
            values[name] = msgspec.convert(document[name], kind, strict=strict)
    if problems:
        raise _invalid(problems)
    by_name = {field.encode_name: field.name for field in msgspec.structs.fields(fields.kind)}
    return fields.kind(**{by_name[name]: value for name, value in values.items()})


def _converted_path(fields: Fields, path: Mapping[str, str]) -> dict[str, Any]:
    """Path words as JSON values, so that a strict conversion accepts a number among them."""
    converted: dict[str, Any] = {}
    for name, word in path.items():
        kind = fields.names.get(name)
        try:
            converted[name] = msgspec.to_builtins(msgspec.convert(word, kind, strict=False))
        except (msgspec.ValidationError, TypeError):
            converted[name] = word
    return converted


def takes_file(kind: Any) -> bool:
    """Whether a field's type is `Upload`, or `Upload` or nothing."""
    return kind is Upload or Upload in getattr(kind, "__args__", ())


def _is_list(kind: Any) -> bool:
    info = msgspec.inspect.type_info(kind)
    members = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return any(isinstance(member, msgspec.inspect.CollectionType) for member in members)


def _item_type(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        kind = kind.__origin__
    arguments = getattr(kind, "__args__", ())
    return arguments[0] if len(arguments) == 1 else None


def _unknown(name: str, fields: Fields) -> str:
    near = difflib.get_close_matches(name, fields.names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    known = ", ".join(fields.names) or "none"
    return (
        f"there is no such field{hint} Known fields: {known}"
        if not hint
        else f"there is no such field{hint}"
    )


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _name_of(value: Any) -> str:
    kinds = ((list, "an array"), (str, "a string"), (bool, "a boolean"), (type(None), "null"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "a number")


def _not_json(error: Exception) -> Invalid:
    return Invalid(
        "The body is not JSON.",
        next_step="Send a JSON object in UTF-8.",
        problems=(FieldProblem("", "not_json", str(error)),),
        code="not_json",
    )


def _invalid(problems: list[FieldProblem]) -> Invalid:
    count = len(problems)
    return Invalid(
        f"{count} value{'s are' if count != 1 else ' is'} not valid.",
        next_step="Correct what `errors` names and send it again.",
        problems=tuple(problems),
    )
