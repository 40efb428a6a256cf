"""The API as an OpenAPI 3.1 document, worked out from the registered operations and from nothing else.

What an operation declares (route, structs, permission, effect, limit) is all there is to say, so no plugin writes a line of OpenAPI and
the document cannot differ from what the gateway answers.

Source: OpenAPI 3.1.0; RFC 9457 for refusals; RFC 9110 for ETag and If-Match.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

import msgspec

from trophenix_kernel.operations.binding import fields_of
from trophenix_kernel.operations.pipeline import JobAccepted
from trophenix_kernel.operations.registry import KERNEL, Bound, Registry
from trophenix_kernel.plugins.model import PluginCatalogue
from trophenix_kernel.web.examples import example_of
from trophenix_kernel.web.gateway import GENERIC, PREFIX
from trophenix_kernel.web.recognition import SESSION_COOKIE
from trophenix_sdk.errors import Problem
from trophenix_sdk.files import Download
from trophenix_sdk.manifest import localised
from trophenix_sdk.operations import Empty

Document = dict[str, Any]

_REFERENCE: Final = "#/components/schemas/"
_PLACE: Final = re.compile(r"{(\w+)}")
_FILE: Final[Document] = {
    "type": "string",
    "format": "binary",
    "contentMediaType": "application/octet-stream",
}
_JSON: Final = "application/json"
_BODILESS: Final = frozenset({"GET", "DELETE"})

_REFUSALS: Final[Mapping[str, tuple[int, str]]] = {
    "Unauthenticated": (401, "No credential was shown, or one that is not valid."),
    "LimitReached": (402, "The plan's limit is reached."),
    "PermissionDenied": (403, "The permission named in `x-permission` is missing."),
    "NotFound": (
        404,
        "There is no such thing for the caller, or the tenant has not switched the module on.",
    ),
    "Conflict": (
        409,
        "What is stored does not allow it, or the Idempotency-Key was used for another request.",
    ),
    "PreconditionFailed": (
        412,
        "It was changed by somebody else since it was read: `If-Match` does not hold.",
    ),
    "TooLarge": (413, "More was sent than `x-max-body-bytes` allows."),
    "Unsupported": (415, "The body's format is not read."),
    "Invalid": (422, "Some values are not valid; `errors` names every one by its JSON pointer."),
    "RateLimited": (429, "Too many calls; `Retry-After` says when to try again."),
    "Unavailable": (503, "A part the answer needs does not respond; try again later."),
}

_INTRODUCTION: Final = """\
Every module of this platform answers here, under one set of rules.

**Who calls.** Send `Authorization: Bearer <key>` with an API key (`troph_…`) or with the token of a session.

**For which tenant.** A key knows its tenant. Otherwise name it in `X-Tenant-ID` (slug or id), or put `/tenants/{slug}` before the \
path, or call the tenant's own host name.

**Repeating a call.** Send `Idempotency-Key` with any call that writes: the same key and the same request change things once, and are \
answered alike for 24 hours.

**Refusals** are `application/problem+json` (RFC 9457) with a stable `code`, the `next_step`, and in `errors` every value that is wrong.

**Lists** answer `data` and `next_cursor`; give the cursor back as `cursor` to get the next page.

**Long work** answers 202 with a `job_id`; watch it under `/jobs/{id}`.
"""


class ApiDescription:
    """The document of a registry, made when it is first asked for and then kept: operations do not change while a process runs.

    Args:
        registry: the operations.
        catalogue: where modules' names come from.
        version: the platform's.
        address: where browsers reach the platform, without a slash at the end; empty for the address the document came from.
    """

    def __init__(
        self, registry: Registry, catalogue: PluginCatalogue, *, version: str, address: str = ""
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._version = version
        self._address = address

    @cached_property
    def document(self) -> Document:
        """The document as plain values."""
        return describe(
            self._registry, self._catalogue, version=self._version, address=self._address
        )

    @cached_property
    def body(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document)

    @cached_property
    def packed(self) -> bytes:
        """The same, gzipped."""
        return gzip.compress(self.body, 6, mtime=0)

    @cached_property
    def tag(self) -> str:
        """What changes when the document does; for ``ETag``."""
        return f'"{hashlib.blake2b(self.body, digest_size=12).hexdigest()}"'


def describe(
    registry: Registry, catalogue: PluginCatalogue, *, version: str, address: str = ""
) -> Document:
    """The OpenAPI document of every registered operation.

    One without a route of its own is described where it answers all the same: ``POST /operations/{name}``.
    """
    bounds = sorted(registry, key=lambda bound: (bound.plugin_id != KERNEL, bound.name))
    schemas = _Schemas(bounds)
    ids = _identifiers(bounds)
    paths: dict[str, Document] = {}
    shapes: dict[str, str] = {}
    for bound in bounds:
        route = bound.operation.http
        method, path = (route.method, route.path) if route else ("POST", GENERIC + bound.name)
        # Two paths that differ in their places' names only are one path to OpenAPI: the first one's names are shown.
        path = shapes.setdefault(_PLACE.sub("{}", path), path)
        paths.setdefault(path, {})[method.lower()] = _Described(
            bound, method, path, schemas, ids
        ).document()
    document: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Trophenix API",
            "version": version,
            "summary": "Every module's operations behind one door.",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": address + PREFIX}],
        "security": [{"bearer": []}, {"key": []}, {"session": []}],
        "tags": _tags(bounds, catalogue),
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY,
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {
                name: _refusal(text, schemas) for name, (_status, text) in _REFUSALS.items()
            },
            "schemas": {},
        },
    }
    document["components"]["schemas"] = _reachable(document, schemas.components)
    # Through JSON once, so that defaults are what a reader of the document sees: lists, not tuples.
    return msgspec.json.decode(msgspec.json.encode(document, enc_hook=str))


class _Schemas:
    """Every struct's JSON Schema, under names that no two structs share."""

    def __init__(self, bounds: Iterable[Bound]) -> None:
        kinds: dict[Any, None] = {Problem: None, JobAccepted: None}
        self._inputs: dict[Any, Any] = {}
        for bound in bounds:
            operation = bound.operation
            self._inputs[operation.input_type] = _without_files(operation.input_type)
            kinds[self._inputs[operation.input_type]] = None
            if operation.output_type not in (Empty, Download):
                kinds[operation.output_type] = None
        listed = list(kinds)
        schemas, self.components = msgspec.json.schema_components(
            listed, schema_hook=_unknown_type, ref_template=_REFERENCE + "{name}"
        )
        self._of = dict(zip(listed, schemas, strict=True))
        for schema in self.components.values():
            _describe_fields(schema)

    def of(self, kind: Any) -> Document:
        """The schema of an output."""
        return self._of[kind]

    def fields(self, kind: Any) -> tuple[dict[str, Document], frozenset[str]]:
        """Each field's schema, files left out, and which fields have to be given."""
        schema = self.resolve(self._of[self._inputs[kind]])
        return dict(schema.get("properties", {})), frozenset(schema.get("required", ()))

    def text(self, kind: Any) -> str:
        """What an input is."""
        return self.resolve(self._of[self._inputs[kind]]).get("description", "")

    def reference(self, kind: Any) -> Document:
        """The schema of an input without files."""
        return self._of[self._inputs[kind]]

    def resolve(self, schema: Document) -> Document:
        """The schema a reference leads to."""
        while "$ref" in schema:
            schema = self.components[schema["$ref"].removeprefix(_REFERENCE)]
        return schema


class _Described:
    """One operation's part of the document."""

    def __init__(
        self, bound: Bound, method: str, path: str, schemas: _Schemas, ids: Mapping[str, str]
    ) -> None:
        self.bound = bound
        self.operation = bound.operation
        self.method = method
        self.path = path
        self.schemas = schemas
        self.ids = ids
        route = bound.operation.http
        self.places: list[str] = _PLACE.findall(route.path) if route else []
        self.shown: list[str] = _PLACE.findall(path) if route else []
        self.files = fields_of(bound.operation.input_type).uploads

    def document(self) -> Document:
        operation = self.operation
        described: Document = {
            "operationId": self.ids[self.bound.name],
            "tags": [self.bound.plugin_id],
            "summary": str(operation.title),  # a lazy text is written in English here
            "description": operation.summary,
            "parameters": list(self._parameters()),
            "responses": self._responses(),
            "x-operation": self.bound.name,
            "x-permission": self.bound.permission,
            "x-effect": operation.effect,
            "x-scope": operation.scope,
            "x-rate-class": operation.rate_class,
        }
        if self.method not in _BODILESS:
            described["x-max-body-bytes"] = operation.max_body_bytes
            body = self._body()
            if body is not None:
                described["requestBody"] = body
        if operation.limit:
            described["x-limit"] = f"{self.bound.plugin_id}:{operation.limit}"
        if operation.emits:
            described["x-emits"] = [f"{self.bound.plugin_id}.{name}" for name in operation.emits]
        if operation.scope == "public":
            described["security"] = []
        return described

    def _parameters(self) -> Iterator[Document]:
        properties, required = self.schemas.fields(self.operation.input_type)
        for name, shown in zip(self.places, self.shown, strict=True):
            yield _parameter(shown, "path", properties.get(name, {"type": "string"}), required=True)
        if self.method in _BODILESS:
            for name, schema in properties.items():
                if name not in self.places:
                    yield _parameter(name, "query", schema, required=name in required)
        if self.operation.scope == "tenant":
            yield {"$ref": "#/components/parameters/Tenant"}
        if self.operation.effect != "read" and self.operation.scope == "tenant":
            yield {"$ref": "#/components/parameters/IdempotencyKey"}
        if self._conditional:
            yield {"$ref": "#/components/parameters/IfMatch"}

    @property
    def _conditional(self) -> bool:
        return self.method in ("PUT", "PATCH", "DELETE") and self.operation.effect != "read"

    def _body(self) -> Document | None:
        properties, required = self.schemas.fields(self.operation.input_type)
        inside = {name: schema for name, schema in properties.items() if name not in self.places}
        if not inside and not self.files:
            return None
        needed = sorted(required.intersection(inside))
        if self.files:
            return self._form(inside, needed)
        if len(inside) == len(properties):
            schema = self.schemas.reference(self.operation.input_type)
        else:
            schema = {
                "type": "object",
                "description": self.schemas.text(self.operation.input_type),
                "properties": inside,
                "required": needed,
            }
        media: Document = {"schema": schema}
        example = example_of(self.operation.input_type, leave_out=self.places)
        if example is not msgspec.UNSET:
            media["example"] = example
        return {"required": bool(needed), "content": {_JSON: media}}

    def _form(self, inside: dict[str, Document], needed: list[str]) -> Document:
        fields = fields_of(self.operation.input_type)
        schema: Document = {
            "type": "object",
            "description": self.schemas.text(self.operation.input_type),
            "properties": {**inside, **dict.fromkeys(sorted(self.files), _FILE)},
            "required": sorted({*needed, *(fields.required & self.files)}),
        }
        return {
            "required": bool(schema["required"]),
            "content": {"multipart/form-data": {"schema": schema}},
        }

    def _responses(self) -> Document:
        answers: Document = {str(self._status): self._success()}
        if self.bound.reads and self.method == "GET" and not self.bound.answers_file:
            answers["304"] = {
                "description": "Nothing has changed since the answer whose ETag came in `If-None-Match`."
            }
        for name in self._refusals():
            answers[str(_REFUSALS[name][0])] = {"$ref": f"#/components/responses/{name}"}
        answers["default"] = {
            "description": "Any other refusal.",
            "content": {"application/problem+json": {"schema": self.schemas.of(Problem)}},
        }
        return dict(sorted(answers.items()))

    @property
    def _status(self) -> int:
        if self.operation.background:
            return 202
        return 200 if self.bound.answers_file else self.operation.status

    def _success(self) -> Document:
        headers: Document = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
        if self.operation.background:
            answer: Document = {
                "description": "Accepted; the work goes on in the background.",
                "headers": headers,
                "content": {_JSON: {"schema": self.schemas.of(JobAccepted)}},
            }
            watch = self.ids.get(f"{KERNEL}:job.read")
            if watch:
                answer["links"] = {
                    "job": {"operationId": watch, "parameters": {"id": "$response.body#/job_id"}}
                }
            return answer
        if self.bound.answers_file:
            return {
                "description": "The file.",
                "headers": headers,
                "content": {"application/octet-stream": {"schema": _FILE}},
            }
        if self.operation.output_type is Empty:
            return {"description": "Done.", "headers": headers}
        if self.operation.status == 200 and (self.bound.versioned or self.bound.reads):
            headers["ETag"] = {"$ref": "#/components/headers/Tag"}
        media: Document = {"schema": self.schemas.of(self.operation.output_type)}
        example = example_of(self.operation.output_type)
        if example is not msgspec.UNSET:
            media["example"] = example
        return {"description": "Done.", "headers": headers, "content": {_JSON: media}}

    def _refusals(self) -> Iterator[str]:
        operation = self.operation
        yield "Unauthenticated"
        if operation.scope != "public":
            yield "PermissionDenied"
        yield "NotFound"
        if operation.limit:
            yield "LimitReached"
        if operation.effect != "read":
            yield "Conflict"
        if self._conditional:
            yield "PreconditionFailed"
        if self.method not in _BODILESS:
            yield "TooLarge"
            yield "Unsupported"
        if operation.input_type is not Empty:
            yield "Invalid"
        if operation.scope == "tenant":
            yield "RateLimited"
        yield "Unavailable"


def _parameter(name: str, place: str, schema: Document, *, required: bool) -> Document:
    schema = dict(schema)
    parameter: Document = {"name": name, "in": place, "required": required}
    if text := schema.pop("description", ""):
        parameter["description"] = text
    # A query cannot say null: leaving the value out is what says it.
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1 and schema.get("default") is None:
        schema = choices[0]
    return {**parameter, "schema": schema}


def _refusal(text: str, schemas: _Schemas) -> Document:
    headers: Document = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    if "Retry-After" in text:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return {
        "description": text,
        "headers": headers,
        "content": {"application/problem+json": {"schema": schemas.of(Problem)}},
    }


def _tags(bounds: Iterable[Bound], catalogue: PluginCatalogue) -> list[Document]:
    tags: list[Document] = []
    for plugin in dict.fromkeys(bound.plugin_id for bound in bounds):
        record = catalogue.get(plugin)
        if record is None or record.manifest is None:
            tags.append(
                {
                    "name": plugin,
                    "description": "The platform itself.",
                    "x-title": {"en": "Platform", "fr": "Plateforme"},
                }
            )
            continue
        about = record.manifest.plugin
        tags.append(
            {
                "name": plugin,
                "description": localised(about.summary, "en")
                if about.summary
                else localised(about.name, "en"),
                "x-title": {locale: localised(about.name, locale) for locale in ("en", "fr")},
                "x-summary": {
                    locale: localised(about.summary, locale) if about.summary else ""
                    for locale in ("en", "fr")
                },
                "x-version": record.version,
            }
        )
    return tags


def _identifiers(bounds: Iterable[Bound]) -> dict[str, str]:
    """For each operation a word that code generators can use: ``kernel__job_read``; the exact name where two would be alike."""
    words: dict[str, str] = {}
    taken: set[str] = set()
    for bound in bounds:
        word = f"{bound.plugin_id}__{bound.operation.name}".replace(".", "_").replace("-", "_")
        words[bound.name] = bound.name if word in taken else word
        taken.add(words[bound.name])
    return words


def _without_files(kind: Any) -> Any:
    """The struct, its file fields left out: a file has no JSON Schema."""
    files = fields_of(kind).uploads
    if not files:
        return kind
    kept: list[Any] = []
    for field in msgspec.structs.fields(kind):
        if field.encode_name in files:
            continue
        if field.required:
            kept.append((field.encode_name, field.type))
        elif field.default_factory is not msgspec.NODEFAULT:
            kept.append(
                (
                    field.encode_name,
                    field.type,
                    msgspec.field(default_factory=field.default_factory),
                )
            )
        else:
            kept.append((field.encode_name, field.type, field.default))
    return msgspec.defstruct(
        kind.__name__,
        kept,
        module=kind.__module__,
        namespace={"__doc__": kind.__doc__},
        kw_only=True,
        frozen=True,
    )


def _unknown_type(kind: type) -> Document:
    """A type that JSON Schema has no word for is any value with a name: one plugin's oddity does not cost the others their document."""
    return {"description": kind.__name__}


def _describe_fields(schema: Document) -> None:
    """Put what the docstring's ``Attributes:`` say beside the fields."""
    first, texts = _docstring(schema.get("description", ""))
    if first:
        schema["description"] = first
    properties: dict[str, Document] = schema.get("properties", {})
    for name, text in texts.items():
        if name in properties and "description" not in properties[name]:
            properties[name] = {**properties[name], "description": text}


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """What comes before ``Attributes:``, and each attribute's own text."""
    before, found, after = text.partition("Attributes:\n")
    if not found:
        return text.strip(), {}
    texts: dict[str, str] = {}
    names: list[str] = []
    indent = len(after) - len(after.lstrip(" "))
    for line in after.splitlines():
        depth = len(line) - len(line.lstrip(" "))
        head, colon, rest = line.strip().partition(":")
        if line.strip() and depth == indent and colon:
            names = [name.strip() for name in head.split(",")]
            texts.update(dict.fromkeys(names, rest.strip()))
        elif line.strip() and depth > indent:
            texts.update({name: f"{texts[name]} {line.strip()}" for name in names})
        elif line.strip():
            break
    return before.strip(), texts


def _reachable(document: Document, components: dict[str, Document]) -> dict[str, Document]:
    """The schemas the document leads to: inputs whose fields became parameters are not among them."""
    found: dict[str, Document] = {}
    waiting = list(_references(document))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = components[name]
            waiting.extend(_references(components[name]))
    return dict(sorted(found.items()))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType] - any JSON value
            if key == "$ref" and isinstance(inner, str) and inner.startswith(_REFERENCE):
                yield inner.removeprefix(_REFERENCE)
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType] - any JSON value
            yield from _references(inner)


_SECURITY: Final[Document] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`troph_…`), or the token of a session from `POST /auth/sign-in`.",
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, for clients that cannot send a bearer.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "A browser's session; calls that write must come from the platform's own pages.",
    },
}

_PARAMETERS: Final[Document] = {
    "Tenant": {
        "name": "X-Tenant-ID",
        "in": "header",
        "required": False,
        "description": "The tenant's slug or id; not needed with an API key, which knows its tenant, nor on the tenant's own host name.",
        "schema": {"type": "string"},
        "example": "acme-club",
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A word of your own for this very change; sent again, it is answered alike and changes nothing.",
        "schema": {"type": "string", "maxLength": 255},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of what you read: the change is refused with 412 when somebody else was quicker.",
        "schema": {"type": "string"},
        "example": '"3"',
    },
}

_HEADERS: Final[Document] = {
    "RequestId": {
        "description": "The number of this request, for support.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "In how many seconds to try again.",
        "schema": {"type": "integer"},
    },
    "Tag": {
        "description": "The version of what was answered, for `If-Match` and `If-None-Match`.",
        "schema": {"type": "string"},
    },
}
