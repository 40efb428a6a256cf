"""The API's description for programs (``/api/openapi.json``) and for people (``/api/docs``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from litestar import Request, route
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from markupsafe import Markup

from trophenix_kernel.panels import Environment, Frame, Language, View, render
from trophenix_kernel.panels.language import NAMES
from trophenix_kernel.web.openapi import ApiDescription, Document
from trophenix_kernel.web.static import READ
from trophenix_sdk.i18n import Text

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_SCHEMAS: Final = "#/components/schemas/"
_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "null": "nothing",
}
_FORMATS: Final = {
    "date-time": "instant",
    "date": "day",
    "time": "time of day",
    "uuid": "UUID",
    "binary": "file",
    "duration": "duration",
}
_CODE: Final = re.compile(r"(`{1,2})([^`]+)\1")
_STRESS: Final = re.compile(r"\*\*([^*]+)\*\*")

FrameOf = Callable[[Request[Any, Any, Any]], Frame]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One value: a parameter, a field of a body or of a schema.

    Attributes:
        kind: its type in words.
        schema: the schema it leads to, if it has a name.
        rules: bounds, patterns and choices.
    """

    name: str
    kind: str
    place: str = ""
    schema: str = ""
    required: bool = False
    text: str = ""
    rules: str = ""


class Responded(msgspec.Struct, frozen=True, kw_only=True):
    """One status that may be answered."""

    status: str
    text: Markup
    schema: str = ""
    example: str = ""


class OperationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One operation as people read it."""

    anchor: str
    name: str
    method: str
    path: str
    title: Text
    text: Markup
    permission: str
    effect: str
    public: bool
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_type: str
    body_example: str
    answers: tuple[Responded, ...]
    limit: str = ""
    emits: tuple[str, ...] = ()


class ModuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One module and its operations."""

    name: str
    title: str
    text: str
    version: str
    operations: tuple[OperationEntry, ...]


class SchemaEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A named shape and its fields."""

    name: str
    text: Markup
    fields: tuple[Field, ...]


class ApiPage(View, frozen=True, kw_only=True):
    """The API's description.

    Attributes:
        wanted: what was searched for.
        count: how many operations are shown.
    """

    template: ClassVar[str] = "kernel/api.html"
    modules: tuple[ModuleEntry, ...]
    schemas: tuple[SchemaEntry, ...]
    introduction: tuple[Markup, ...]
    server: str
    version: str
    wanted: str = ""
    count: int = 0


def documentation_handlers(
    description: ApiDescription, environment: Environment, frame_of: FrameOf
) -> list[HTTPRouteHandler]:
    """The handlers of ``/api/openapi.json`` and ``/api/docs``.

    Args:
        description: the document.
        environment: what pages are drawn in.
        frame_of: what surrounds the page for a request: its language, and light or dark.
    """

    @route("/api/openapi.json", http_method=READ, include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        headers = {
            "ETag": description.tag,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
            "Access-Control-Allow-Origin": "*",  # a public document: tools in browsers may read it
            "X-Content-Type-Options": "nosniff",
        }
        if _unchanged(request, description.tag):
            return Response(b"", status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                description.packed,
                media_type="application/json",
                headers={**headers, "Content-Encoding": "gzip"},
            )
        return Response(description.body, media_type="application/json", headers=headers)

    @route("/api/docs", http_method=READ, include_in_schema=False)
    async def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
        frame = frame_of(request)
        view = api_page(
            description.document,
            environment.language(frame.language),
            request.query_params.get("q", ""),
        )
        drawn = render(environment, view, frame, request={})
        return Response(drawn.body, status_code=drawn.status, headers=dict(drawn.headers))

    return [openapi, docs]


def api_page(document: Document, language: Language, wanted: str = "") -> ApiPage:
    """The page of a document; with *wanted*, only operations that hold each of its words."""
    words = wanted[:200].casefold().split()
    by_tag: dict[str, list[OperationEntry]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                entry = _entry(document, method, path, methods[method], language)
                by_tag.setdefault(methods[method]["tags"][0], []).append(entry)
    modules = [
        _module(tag, by_tag.get(tag["name"], []), words, language) for tag in document["tags"]
    ]
    shown = tuple(module for module in modules if module.operations)
    used = set(_leads_to(document, shown, language)) if words else None
    schemas = document["components"]["schemas"]
    return ApiPage(
        title=language.message("The API"),
        modules=shown,
        schemas=tuple(
            SchemaEntry(
                name=name,
                text=prose(language.message(schema.get("description", ""))),
                fields=_fields(schema, document, language),
            )
            for name, schema in schemas.items()
            if used is None or name in used
        ),
        introduction=tuple(
            prose(language.message(paragraph))
            for paragraph in document["info"]["description"].strip().split("\n\n")
        ),
        server=document["servers"][0]["url"],
        version=document["info"]["version"],
        wanted=wanted[:200],
        count=sum(len(module.operations) for module in shown),
    )


def prose(text: str) -> Markup:
    """A docstring's text as HTML: ``code`` and **stress** as such, everything else escaped."""
    escaped = str(Markup.escape(text))
    escaped = _CODE.sub(r"<code>\2</code>", escaped)
    return Markup(_STRESS.sub(r"<b>\1</b>", escaped))  # noqa: S704 - escaped above


def plain_frame(request: Request[Any, Any, Any], theme_href: str) -> Frame:
    """What surrounds the page for somebody of whom nothing is known: the language asked for, light or dark like the device."""
    wanted = request.query_params.get("lang", "")
    for word in (wanted, *request.headers.get("accept-language", "").split(",")):
        code = word.partition(";")[0].strip()[:2].lower()
        if code in NAMES:
            return Frame(theme_href=theme_href, language=code)
    return Frame(theme_href=theme_href)


def _module(
    tag: Document, entries: list[OperationEntry], words: list[str], language: Language
) -> ModuleEntry:
    titles: Mapping[str, str] = tag.get("x-title", {})
    texts: Mapping[str, str] = tag.get("x-summary", {})
    title = titles.get(language.code[:2], tag["name"])
    return ModuleEntry(
        name=tag["name"],
        title=title,
        text=texts.get(language.code[:2]) or language.message(tag.get("description", "")),
        version=tag.get("x-version", ""),
        operations=tuple(
            entry for entry in entries if _holds(entry, f"{title} {tag['name']}", words)
        ),
    )


def _holds(entry: OperationEntry, module: str, words: list[str]) -> bool:
    text = f"{module} {entry.name} {entry.method} {entry.path} {entry.title} {entry.text} {entry.permission}".casefold()
    return all(word in text for word in words)


def _entry(
    document: Document, method: str, path: str, described: Document, language: Language
) -> OperationEntry:
    body: Document = described.get("requestBody", {}).get("content", {})
    body_type = next(iter(body), "")
    media: Document = body.get(body_type, {})
    parameters = [_resolve(parameter, document) for parameter in described["parameters"]]
    return OperationEntry(
        anchor=described["operationId"],
        name=described["x-operation"],
        method=method.upper(),
        path=path,
        title=language.message(described["summary"], described["tags"][0].rpartition(".")[2]),
        text=prose(
            described["description"] if described["description"] != described["summary"] else ""
        ),
        permission=described["x-permission"] or "",
        effect=described["x-effect"],
        public=described.get("security") == [],
        parameters=tuple(_parameter(parameter, language) for parameter in parameters),
        body=_fields(media.get("schema", {}), document, language),
        body_type=body_type,
        body_example=_pretty(media.get("example", msgspec.UNSET)),
        answers=tuple(
            _answer(status, answer, document, language)
            for status, answer in described["responses"].items()
        ),
        limit=described.get("x-limit", ""),
        emits=tuple(described.get("x-emits", ())),
    )


def _parameter(parameter: Document, language: Language) -> Field:
    field = _field(parameter["name"], parameter["schema"], language, required=parameter["required"])
    return msgspec.structs.replace(
        field, place=parameter["in"], text=parameter.get("description", field.text)
    )


def _answer(status: str, answer: Document, document: Document, language: Language) -> Responded:
    answer = _resolve(answer, document)
    contents: Document = answer.get("content", {})
    content: Document = contents[next(iter(contents))] if contents else {}
    example = content.get("example", msgspec.UNSET) if status.startswith("2") else msgspec.UNSET
    schema = content.get("schema", {})
    return Responded(
        status=status,
        text=prose(language.message(answer["description"])),
        schema=_schema_name(schema),
        example=_pretty(example),
    )


def _fields(schema: Document, document: Document, language: Language) -> tuple[Field, ...]:
    schema = _resolve(schema, document)
    required = frozenset(schema.get("required", ()))
    return tuple(
        _field(name, inner, language, required=name in required)
        for name, inner in schema.get("properties", {}).items()
    )


def _field(name: str, schema: Document, language: Language, *, required: bool) -> Field:
    return Field(
        name=name,
        kind=_kind(schema, language),
        schema=_schema_name(schema),
        required=required,
        text=schema.get("description", ""),
        rules=", ".join(_rules(schema, language)),
    )


def _kind(schema: Document, language: Language) -> str:
    if "$ref" in schema:
        return schema["$ref"].removeprefix(_SCHEMAS)
    if "anyOf" in schema:
        word = language.message("or")
        return f" {word} ".join(
            dict.fromkeys(_kind(choice, language) for choice in schema["anyOf"])
        )
    if "enum" in schema:
        return language.message("one of")
    if schema.get("type") == "array":
        what = _kind(schema.get("items") or {}, language)
        return language.message("list of %(what)s") % {"what": what}
    kind: str = schema.get("type", "")
    word = _FORMATS.get(schema.get("format", "")) or _TYPES.get(kind, kind or "any value")
    return language.message(word)


def _rules(schema: Document, language: Language) -> Iterator[str]:
    for choice in schema.get("anyOf", ()):
        yield from _rules(choice, language)
    if "enum" in schema:
        yield " · ".join(str(value) for value in schema["enum"])
    for key, sign in (
        ("minimum", "≥ "),
        ("maximum", "≤ "),
        ("exclusiveMinimum", "> "),
        ("exclusiveMaximum", "< "),
    ):
        if key in schema:
            yield f"{sign}{schema[key]}"
    if "minLength" in schema or "maxLength" in schema:
        yield language.message("%(least)s to %(most)s characters") % {
            "least": schema.get("minLength", 0),
            "most": schema.get("maxLength", "∞"),
        }
    if "maxItems" in schema:
        yield language.message("at most %(most)s") % {"most": schema["maxItems"]}
    if "pattern" in schema:
        yield schema["pattern"]
    if schema.get("default") is not None:
        value = msgspec.json.encode(schema["default"]).decode()
        yield language.message("otherwise %(value)s") % {"value": value}


def _schema_name(schema: Document) -> str:
    for place in (schema, schema.get("items") or {}, *schema.get("anyOf", ())):
        if "$ref" in place:
            return place["$ref"].removeprefix(_SCHEMAS)
    return ""


def _leads_to(
    document: Document, modules: tuple[ModuleEntry, ...], language: Language
) -> Iterator[str]:
    """Names of the schemas that the shown operations speak of, and of those they are made of."""
    waiting = [
        name
        for module in modules
        for entry in module.operations
        for name in (
            *(field.schema for field in (*entry.parameters, *entry.body)),
            *(a.schema for a in entry.answers),
        )
    ]
    seen: set[str] = set()
    schemas: Document = document["components"]["schemas"]
    while waiting:
        name = waiting.pop()
        if name and name not in seen:
            seen.add(name)
            yield name
            waiting.extend(field.schema for field in _fields(schemas[name], document, language))


def _resolve(part: Document, document: Document) -> Document:
    while "$ref" in part:
        found: Any = document
        for word in part["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        part = found
    return part


def _pretty(value: Any) -> str:
    return (
        ""
        if value is msgspec.UNSET
        else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    )


def _unchanged(request: Request[Any, Any, Any], tag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    return any(word.strip().removeprefix("W/") in (tag, "*") for word in asked.split(","))
