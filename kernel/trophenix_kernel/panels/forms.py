"""Forms from structs: an operation's input decides the fields, their rules and what is read back.

`describe` turns a struct into questions, `bind` turns what a browser sent into the input an operation takes, with *every* fault at
once, and `place` puts faults, ours or the pipeline's, beside their fields.

Only fields of the struct are read: whatever else was posted is ignored.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from trophenix_kernel.panels.cells import label_of, parts, pick, spell
from trophenix_kernel.panels.language import Language
from trophenix_kernel.panels.views import FormField, FormSection, Option
from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.files import Upload
from trophenix_sdk.i18n import LazyText, Text, gettext_lazy
from trophenix_sdk.panels import F, Section

_ = gettext_lazy("kernel")

FEW_CHOICES = 4
"""Up to so many choices are shown as radio buttons when a panel asks for them; more become a list."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What one input field accepts, read from its type.

    Attributes:
        name: dotted for a field of a nested struct.
        shape: the kind of value.
        type: the Python type to convert to, without ``None`` and ``UNSET``.
        required: a value must be given.
        nullable: an empty answer becomes ``None``.
        omittable: an empty answer may be left out altogether (``UNSET`` in the struct).
        many: several values of that shape.
        choices: the values allowed, in the author's order.
        default: what stands there at first.
    """

    name: str
    shape: Literal[
        "text", "integer", "decimal", "yesno", "date", "datetime", "time", "choice", "file", "other"
    ]
    type: Any
    required: bool = False
    nullable: bool = False
    omittable: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()
    default: Any = None
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    shortest: int | None = None
    longest: int | None = None
    pattern: str = ""


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser sent, read by the rules of a struct.

    Attributes:
        data: the operation's input as plain values; give it to the pipeline only when there are no problems.
        problems: every fault, in the order of the fields.
        answers: what was typed, to show the form again.
    """

    data: dict[str, Any]
    problems: tuple[FieldProblem, ...]
    answers: dict[str, tuple[str, ...]]


def rules(struct: type[msgspec.Struct], prefix: str = "") -> tuple[Rule, ...]:
    """The rules of every field of *struct*, nested structs unfolded, in the order they are declared."""
    hints = typing.get_type_hints(struct, include_extras=True)
    found: list[Rule] = []
    for field in msgspec.structs.fields(struct):
        found += _rules_of(prefix + field.name, hints.get(field.name, field.type), field)
    return tuple(found)


def describe(
    struct: type[msgspec.Struct],
    language: Language,
    *,
    fields: Mapping[str, F] | None = None,
    answers: Mapping[str, Sequence[str]] | None = None,
    record: object = None,
    leave_out: Iterable[str] = (),
    domain: str = "kernel",
) -> tuple[FormField, ...]:
    """The questions of a form.

    Args:
        struct: the input of the operation the form is for.
        language: who reads.
        fields: how single fields are presented.
        answers: what was typed before, shown again; wins over *record*.
        record: what is being changed; its fields fill those of the same name.
        leave_out: names that are not asked, such as the id of what is changed.
        domain: whose catalogue names the choices.
    """
    presented = fields or {}
    without = set(leave_out)
    return tuple(
        _question(rule, presented.get(rule.name, F()), language, answers, record, domain)
        for rule in rules(struct)
        if rule.name not in without and rule.shape != "other"
    )


def bind(
    struct: type[msgspec.Struct],
    posted: Mapping[str, Sequence[str]],
    zone: dt.tzinfo,
    *,
    leave_out: Iterable[str] = (),
) -> Bound:
    """Everything *struct* asks for, read from what was *posted*.

    An empty answer means absent: the default, ``None``, or a fault when the field is required. A tick box that was not sent is
    false. A local time without zone is in *zone*.
    """
    without = set(leave_out)
    data: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    answers: dict[str, tuple[str, ...]] = {}
    for rule in rules(struct):
        if rule.name in without or rule.shape in ("other", "file"):
            continue
        given = tuple(text.strip() for text in posted.get(rule.name, ()))
        answers[rule.name] = given
        value, fault = _read(rule, given, zone)
        if fault is not None:
            problems.append(fault)
        elif value is not UNSET:
            _put(data, rule.name, value)
    return Bound(data=data, problems=tuple(problems), answers=answers)


def place(
    fields: Iterable[FormField],
    problems: Iterable[FieldProblem],
    language: Language,
    *,
    domain: str = "kernel",
) -> tuple[tuple[FormField, ...], tuple[Text, ...]]:
    """The fields with each fault beside its own, and the faults that belong to none.

    Args:
        fields: of the form.
        problems: what is wrong, each with the JSON pointer of its place.
        language: who reads.
        domain: whose catalogue translates faults that only a plugin knows.
    """
    by_name: dict[str, FieldProblem] = {}
    others: list[Text] = []
    shown = tuple(fields)
    names = {field.name for field in shown}
    for problem in problems:
        name = problem.pointer.strip("/").replace("/", ".")
        while name and name not in names and "." in name:  # /tags/2 is about the field tags
            name = name.rpartition(".")[0]
        if name in names:
            by_name.setdefault(name, problem)
        else:
            others.append(explain(problem, None, language, domain=domain))
    marked = tuple(
        replace(field, error=explain(by_name[field.name], field, language, domain=domain))
        if field.name in by_name
        else field
        for field in shown
    )
    return marked, tuple(others)


def arrange(fields: Iterable[FormField], sections: Iterable[Section]) -> tuple[FormSection, ...]:
    """The fields under their headings; those named under none follow at the end, so none is ever lost."""
    left = {field.name: field for field in fields}
    arranged: list[FormSection] = []
    for section in sections:
        own = tuple(left.pop(name) for name in section.fields if name in left)
        if own:
            arranged.append(FormSection(title=section.title, hint=section.hint, fields=own))
    if left:
        title = _("More") if arranged else ""
        arranged.append(FormSection(title=title, fields=tuple(left.values())))
    return tuple(arranged)


_SAID: Mapping[str, LazyText] = {
    "missing": _("This field is required."),
    "too_small": _("Enter a number of at least %(limit)s."),
    "too_large": _("Enter a number of at most %(limit)s."),
    "not_above": _("Enter a number above %(limit)s."),
    "not_below": _("Enter a number below %(limit)s."),
    "too_short": _("Use at least %(limit)s characters."),
    "too_long": _("Use at most %(limit)s characters."),
    "bad_format": _("This does not have the expected format."),
    "not_a_number": _("Enter a number."),
    "not_a_whole_number": _("Enter a whole number."),
    "not_a_date": _("Enter a valid date."),
    "not_a_time": _("Enter a valid date and time."),
    "not_listed": _("Choose one of the listed values."),
    "not_an_email": _("Enter an e-mail address, such as name@example.com."),
    "taken": _("This is already in use."),
    "wrong_type": _("This value is not valid."),
    "invalid": _("This value is not valid."),
    "weak_password": _("This password is too easy to guess: use a longer phrase."),
    "wrong_password": _("This is not your present password."),
    "not_a_time_zone": _("This is not a time zone such as Europe/Paris."),
    "bad_slug": _("Use lower-case letters, digits and single hyphens."),
    "bad_expiry": _("Enter a moment in the future."),
    "unknown_permission": _("There is no such permission."),
    "unknown_role": _("There is no such role."),
    "unknown_user": _("There is no such person."),
}

_LIMIT_OF: Mapping[str, str] = {
    "too_small": "min",
    "too_large": "max",
    "not_above": "min",
    "not_below": "max",
    "too_short": "minlength",
    "too_long": "maxlength",
}


def explain(
    problem: FieldProblem, field: FormField | None, language: Language, *, domain: str = "kernel"
) -> str:
    """A fault in the reader's language: by its code where the code is known, else its message's translation."""
    said = _SAID.get(problem.code)
    if said is None:
        return language.message(problem.message, domain)
    wanted = _LIMIT_OF.get(problem.code)
    if wanted is None:
        return language.text(said)
    limit = dict(field.attributes).get(wanted) if field is not None else None
    if limit is None:
        return language.message(problem.message, domain)
    number = float(limit)
    return language.text(said % {"limit": int(number) if number.is_integer() else number})


# --- reading types --------------------------------------------------------------------------------


def _rules_of(name: str, hint: Any, field: msgspec.structs.FieldInfo) -> list[Rule]:
    kinds, meta, nullable, omittable = _open(hint)
    default: Any = None
    if field.default is not msgspec.NODEFAULT:
        default = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    if default is UNSET:
        default = None
    base: dict[str, Any] = {
        "name": name,
        "required": field.required and not nullable and not omittable,
        "nullable": nullable,
        "omittable": omittable,
        "default": default,
        "least": meta.ge,
        "most": meta.le,
        "above": meta.gt,
        "below": meta.lt,
        "shortest": meta.min_length,
        "longest": meta.max_length,
        "pattern": meta.pattern or "",
    }
    if len(kinds) != 1:
        return [Rule(shape="other", type=hint, **base)]
    inner = kinds[0]
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and inner is not Upload:
        return list(rules(inner, prefix=name + "."))
    many = False
    if get_origin(inner) in (list, tuple, set, frozenset):
        members = [part for part in get_args(inner) if part is not Ellipsis]
        if len(members) != 1:
            return [Rule(shape="other", type=hint, **base)]
        kinds, member_meta, _nullable, _omittable = _open(members[0])
        if len(kinds) != 1:
            return [Rule(shape="other", type=hint, **base)]
        inner, many = kinds[0], True
        base |= {"shortest": member_meta.min_length, "longest": member_meta.max_length}
    shape, choices = _shape(inner)
    return [Rule(shape=shape, type=inner, many=many, choices=choices, **base)]


def _open(hint: Any) -> tuple[list[Any], Meta, bool, bool]:
    """The members of a union without ``None`` and ``UNSET``, the merged constraints, and which of the two were there."""
    metas: list[Meta] = []

    def members(part: Any) -> list[Any]:
        if get_origin(part) is Annotated:
            inner, *notes = get_args(part)
            metas.extend(note for note in notes if isinstance(note, Meta))
            return members(inner)
        if get_origin(part) in (typing.Union, types.UnionType):
            return [one for member in get_args(part) for one in members(member)]
        if isinstance(part, typing.NewType):
            return members(part.__supertype__)
        return [part]

    found = members(hint)
    nullable, omittable = type(None) in found, UnsetType in found
    kept = [part for part in found if part not in (type(None), UnsetType)]
    merged: dict[str, Any] = {}
    for meta in metas:
        for key in ("gt", "ge", "lt", "le", "pattern", "min_length", "max_length"):
            if (value := getattr(meta, key)) is not None:
                merged[key] = value
    return kept, Meta(**merged), nullable, omittable


def _shape(kind: Any) -> tuple[Any, tuple[str, ...]]:
    if get_origin(kind) is Literal:
        # msgspec.inspect sorts the values; the author's order is the one people should see
        return "choice", tuple(str(value) for value in get_args(kind))
    if not isinstance(kind, type):
        return "other", ()
    if issubclass(kind, enum.Enum):
        return "choice", tuple(str(member.value) for member in kind)
    if kind is Upload:
        return "file", ()
    for known, shape in (
        (bool, "yesno"),
        (int, "integer"),
        (float, "decimal"),
        (Decimal, "decimal"),
        (dt.datetime, "datetime"),
        (dt.date, "date"),
        (dt.time, "time"),
    ):
        if issubclass(kind, known):
            return shape, ()
    return "text", ()


# --- showing --------------------------------------------------------------------------------------

_INPUT_TYPES = {
    "integer": "number",
    "decimal": "number",
    "date": "date",
    "datetime": "datetime-local",
    "time": "time",
}


def _question(
    rule: Rule,
    face: F,
    language: Language,
    answers: Mapping[str, Sequence[str]] | None,
    record: object,
    domain: str,
) -> FormField:
    if answers is not None:
        values = tuple(answers.get(rule.name, ()))
    else:
        known = pick(record, rule.name) if record is not None else rule.default
        values = _typed(
            known if known is not None or record is not None else rule.default, language
        )
    value = values[0] if values else ""
    attributes: list[tuple[str, str]] = []
    control: Any = "text"
    kind = _INPUT_TYPES.get(rule.shape, "text")
    options: tuple[Option, ...] = ()
    if rule.shape == "choice":
        options = tuple(
            Option(
                value=choice,
                label=label_of(choice, face.labels, domain, language),
                chosen=choice in values,
            )
            for choice in rule.choices
        )
        control = "checks" if rule.many else ("radio" if face.widget == "radio" else "select")
        if control == "select" and (rule.nullable or rule.omittable):
            options = (Option(value="", label=_("None"), chosen=not value), *options)
    elif rule.shape == "yesno":
        control = "checkbox"
    elif rule.shape == "file":
        control = "file"
    elif rule.many:
        control, value = "textarea", "\n".join(values)
    elif face.widget == "textarea":
        control = "textarea"
    elif face.widget == "hidden":
        control = "hidden"
    elif face.widget in ("password", "email", "tel", "url"):
        kind = face.widget
    if rule.shape in ("integer", "decimal") and not rule.many:
        attributes.append(("inputmode", "numeric" if rule.shape == "integer" else "decimal"))
        attributes.append(("step", "1" if rule.shape == "integer" else "any"))
        lowest = rule.least if rule.least is not None else rule.above
        highest = rule.most if rule.most is not None else rule.below
        for name, limit in (("min", lowest), ("max", highest)):
            if limit is not None:
                attributes.append((name, f"{limit:g}" if limit < 1e6 else str(int(limit))))
    for name, length in (("minlength", rule.shortest), ("maxlength", rule.longest)):
        if length is not None and rule.shape == "text" and not rule.many:
            attributes.append((name, str(length)))
    return FormField(
        name=rule.name,
        label=face.label or spell(rule.name),
        control=control,
        type=kind,
        value=value,
        values=values,
        checked=bool(values) and values[-1] in ("on", "true", "1"),
        required=rule.required and rule.shape != "yesno",
        help=face.help or (_("One per line.") if rule.many and rule.shape == "text" else ""),
        placeholder=face.placeholder,
        prefix=face.prefix,
        suffix=face.suffix,
        width=face.width,
        autocomplete=face.autocomplete,
        options=options,
        attributes=tuple(attributes),
    )


def _typed(value: Any, language: Language) -> tuple[str, ...]:
    """A stored value as a browser would send it."""
    if value is None or value is UNSET:
        return ()
    if isinstance(value, enum.Enum):
        return (str(value.value),)
    if isinstance(value, bool):
        return ("true",) if value else ()
    if isinstance(value, dt.datetime):
        return (language.local(value).strftime("%Y-%m-%dT%H:%M"),)
    if isinstance(value, dt.date | dt.time):
        return (value.isoformat(),)
    if (many := parts(value)) is not None:
        return tuple(one for part in many for one in _typed(part, language))
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)),)
    return (str(value),)


# --- reading --------------------------------------------------------------------------------------


def _read(rule: Rule, given: tuple[str, ...], zone: dt.tzinfo) -> tuple[Any, FieldProblem | None]:
    if rule.shape == "yesno":
        return bool(given) and given[-1] in ("on", "true", "1"), None
    if rule.many:
        return _read_many(rule, given, zone)
    text = given[-1] if given else ""
    if not text:
        return _absent(rule)
    return _read_one(rule, text, zone)


def _read_many(
    rule: Rule, given: tuple[str, ...], zone: dt.tzinfo
) -> tuple[Any, FieldProblem | None]:
    lines = [line.strip() for text in given for line in text.splitlines()]
    values: list[Any] = []
    for line in filter(None, lines):
        value, fault = _read_one(rule, line, zone)
        if fault is not None:
            return UNSET, fault
        values.append(value)
    if not values and rule.required:
        return _absent(rule)
    return values, None


def _absent(rule: Rule) -> tuple[Any, FieldProblem | None]:
    if rule.required:
        return UNSET, _fault(rule, "missing", "a value is required")
    if rule.nullable:
        return None, None
    return UNSET, None  # left out: the struct's own default holds


def _read_one(rule: Rule, text: str, zone: dt.tzinfo) -> tuple[Any, FieldProblem | None]:
    match rule.shape:
        case "integer" | "decimal":
            return _read_number(rule, text)
        case "date" | "datetime" | "time":
            return _read_time(rule, text, zone)
        case "choice":
            if text not in rule.choices:
                return UNSET, _fault(rule, "not_listed", f"{text!r} is not one of the choices")
            return text, None
        case _:
            return _read_text(rule, text)


def _read_number(rule: Rule, text: str) -> tuple[Any, FieldProblem | None]:
    plain = text.replace("\u202f", "").replace("\u00a0", "").replace(" ", "").replace(",", ".")
    whole = rule.shape == "integer"
    code = "not_a_whole_number" if whole else "not_a_number"
    try:
        value = msgspec.convert(plain, int if whole else rule.type, strict=False)
    except msgspec.ValidationError:
        return UNSET, _fault(rule, code, f"{text!r} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        return UNSET, _fault(rule, code, f"{text!r} is not a number")
    if rule.least is not None and value < rule.least:
        return UNSET, _fault(rule, "too_small", f"{value} is less than {rule.least:g}")
    if rule.most is not None and value > rule.most:
        return UNSET, _fault(rule, "too_large", f"{value} is more than {rule.most:g}")
    if rule.above is not None and value <= rule.above:
        return UNSET, _fault(rule, "not_above", f"{value} is not above {rule.above:g}")
    if rule.below is not None and value >= rule.below:
        return UNSET, _fault(rule, "not_below", f"{value} is not below {rule.below:g}")
    return value, None


def _read_time(rule: Rule, text: str, zone: dt.tzinfo) -> tuple[Any, FieldProblem | None]:
    try:
        if rule.shape == "date":
            return dt.date.fromisoformat(text), None
        if rule.shape == "time":
            return dt.time.fromisoformat(text), None
        value = dt.datetime.fromisoformat(
            text
        )  # browsers leave the seconds out; fromisoformat takes both
        return (value if value.tzinfo else value.replace(tzinfo=zone)), None
    except ValueError:
        code = "not_a_time" if rule.shape == "datetime" else "not_a_date"
        return UNSET, _fault(rule, code, f"{text!r} is not a {rule.shape}")


def _read_text(rule: Rule, text: str) -> tuple[Any, FieldProblem | None]:
    value = text.replace("\r\n", "\n")
    if rule.shortest is not None and len(value) < rule.shortest:
        return UNSET, _fault(
            rule, "too_short", f"{len(value)} characters, expected {rule.shortest}"
        )
    if rule.longest is not None and len(value) > rule.longest:
        return UNSET, _fault(rule, "too_long", f"{len(value)} characters, at most {rule.longest}")
    try:
        checked = Annotated[rule.type, Meta(pattern=rule.pattern)] if rule.pattern else rule.type
        return msgspec.convert(value, checked, strict=False), None
    except msgspec.ValidationError:
        return UNSET, _fault(rule, "bad_format", f"{value!r} does not have the expected format")


def _fault(rule: Rule, code: str, message: str) -> FieldProblem:
    return FieldProblem("/" + rule.name.replace(".", "/"), code, message)


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    *folders, last = name.split(".")
    for folder in folders:
        data = data.setdefault(folder, {})
    data[last] = value
