"""The OpenAPI document says what the gateway answers, and is valid whatever plugins declare."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from trophenix_kernel.administration import OPERATIONS
from trophenix_kernel.operations.registry import KERNEL, Registry
from trophenix_kernel.plugins.model import PluginCatalogue
from trophenix_kernel.web.examples import example_of
from trophenix_kernel.web.openapi import ApiDescription, describe
from trophenix_sdk.context import Context
from trophenix_sdk.files import Download, Upload
from trophenix_sdk.operations import DELETE, GET, POST, PUT, Operation, Route, operation
from trophenix_sdk.paging import Page

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=80, description="As people say it.")]


class Ride(msgspec.Struct, frozen=True):
    """A ride.

    Attributes:
        id: which one.
        seats: how many people
            may come along.
    """

    id: uuid.UUID
    name: str
    seats: int
    version: int = 1


class RideQuery(msgspec.Struct, frozen=True):
    """Which rides."""

    q: str | None = None
    tags: list[str] = []
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class OneRide(msgspec.Struct, frozen=True):
    id: uuid.UUID


class RideChange(msgspec.Struct, frozen=True):
    """A ride and its new name."""

    id: uuid.UUID
    name: Text
    at: dt.datetime | None = None


class OneByName(msgspec.Struct, frozen=True):
    slug: str


class Odd(msgspec.Struct, frozen=True):
    value: complex


class Picture(msgspec.Struct, frozen=True):
    """A picture of a ride."""

    id: uuid.UUID
    picture: Upload
    caption: str = ""


@operation(name="ride.list", title="Rides", http=GET("/rides"), permission="ride.read")
async def rides(ctx: Context, query: RideQuery) -> Page[Ride]:
    """The rides."""
    raise NotImplementedError


@operation(
    name="ride.change",
    title="Change",
    http=PUT("/rides/{id}"),
    permission="ride.write",
    limit="rides",
    emits=["ride.changed"],
)
async def change(ctx: Context, given: RideChange) -> Ride:
    raise NotImplementedError


@operation(name="ride.remove", title="Remove", http=DELETE("/rides/{id}"), permission="ride.write")
async def remove(ctx: Context, given: OneRide) -> None:
    raise NotImplementedError


@operation(
    name="ride.picture", title="Picture", http=POST("/rides/{id}/picture"), permission="ride.write"
)
async def picture(ctx: Context, given: Picture) -> Ride:
    raise NotImplementedError


@operation(name="ride.export", title="Export", http=GET("/rides/export"), permission="ride.read")
async def export(ctx: Context) -> Download:
    raise NotImplementedError


@operation(name="ride.recount", title="Count again", permission="ride.write", background=True)
async def recount(ctx: Context) -> Ride:
    raise NotImplementedError


def document(*operations: Operation, kernel: bool = False) -> dict[str, Any]:
    registry = Registry()
    if kernel:
        registry.add(KERNEL, OPERATIONS)
    registry.add("acme.carpool", operations)
    made = describe(registry, PluginCatalogue(), version="1.2.3")
    OpenAPIV31SpecValidator(made).validate()
    return made


def test_everything_together_is_valid_openapi() -> None:
    made = document(rides, change, remove, picture, export, recount, kernel=True)

    assert made["openapi"] == "3.1.0"
    assert [tag["name"] for tag in made["tags"]] == [KERNEL, "acme.carpool"]
    described = {one["x-operation"] for path in made["paths"].values() for one in path.values()}
    assert {f"{KERNEL}:{one.name}" for one in OPERATIONS} < described


def test_what_a_reading_operation_takes_are_parameters() -> None:
    found = document(rides)["paths"]["/rides"]["get"]
    named = {one["name"]: one for one in found["parameters"] if "name" in one}

    assert set(named) == {"q", "tags", "limit"}
    assert named["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 200,
        "default": 50,
    }
    assert named["q"]["schema"] == {"type": "string"}, "a query cannot say null"
    assert named["tags"]["schema"]["type"] == "array"
    assert {"$ref": "#/components/parameters/Tenant"} in found["parameters"]
    assert found["x-permission"] == "acme.carpool:ride.read"
    assert found["x-effect"] == "read"
    assert found["tags"] == ["acme.carpool"]


def test_a_body_holds_what_the_path_does_not() -> None:
    found = document(change)["paths"]["/rides/{id}"]["put"]
    schema = found["requestBody"]["content"]["application/json"]["schema"]

    assert set(schema["properties"]) == {"name", "at"}
    assert schema["required"] == ["name"]
    assert schema["properties"]["name"]["description"] == "As people say it."
    assert next(one for one in found["parameters"] if one.get("name") == "id")["in"] == "path"
    assert "id" not in found["requestBody"]["content"]["application/json"]["example"]
    assert found["x-limit"] == "acme.carpool:rides"
    assert found["x-emits"] == ["acme.carpool.ride.changed"]
    assert {"402", "409", "412", "422", "429"} <= set(found["responses"])


def test_a_file_is_sent_in_a_form() -> None:
    found = document(picture)["paths"]["/rides/{id}/picture"]["post"]
    schema = found["requestBody"]["content"]["multipart/form-data"]["schema"]

    assert set(schema["properties"]) == {"picture", "caption"}
    assert schema["properties"]["picture"]["format"] == "binary"
    assert schema["required"] == ["picture"]


def test_a_file_is_answered_as_a_file() -> None:
    assert (
        "application/octet-stream"
        in document(export)["paths"]["/rides/export"]["get"]["responses"]["200"]["content"]
    )


def test_background_work_is_answered_with_a_job_that_leads_to_its_state() -> None:
    made = document(recount, kernel=True)
    found = made["paths"]["/operations/acme.carpool:ride.recount"]["post"]
    answer = found["responses"]["202"]

    assert answer["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/JobAccepted"
    }
    watch = made["paths"]["/jobs/{id}"]["get"]["operationId"]
    assert answer["links"]["job"] == {
        "operationId": watch,
        "parameters": {"id": "$response.body#/job_id"},
    }


def test_removing_answers_without_content() -> None:
    assert "content" not in document(remove)["paths"]["/rides/{id}"]["delete"]["responses"]["204"]


def test_refusals_are_problems() -> None:
    made = document(rides)

    assert made["components"]["responses"]["Invalid"]["content"] == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    assert "Retry-After" in made["components"]["responses"]["RateLimited"]["headers"]


def test_what_the_docstring_says_of_a_field_is_said_of_the_field() -> None:
    schema = document(rides)["components"]["schemas"]["Ride"]

    assert schema["description"] == "A ride."
    assert schema["properties"]["seats"]["description"] == "how many people may come along."


def test_inputs_that_became_parameters_are_not_among_the_schemas() -> None:
    assert "RideQuery" not in document(rides)["components"]["schemas"]


def test_public_operations_ask_for_no_credential_and_others_do() -> None:
    made = document(kernel=True)

    assert made["paths"]["/auth/sign-in"]["post"]["security"] == []
    assert "security" not in made["paths"]["/me"]["get"]
    assert made["security"]


def test_paths_that_differ_in_names_only_are_one_path() -> None:
    @operation(name="ride.show", title="Show", http=GET("/rides/{slug}"), permission="ride.read")
    async def show(ctx: Context, given: OneByName) -> Ride:
        raise NotImplementedError

    made = document(change, show)

    assert list(made["paths"]) == ["/rides/{id}"]
    assert {"get", "put"} == set(made["paths"]["/rides/{id}"])
    assert made["paths"]["/rides/{id}"]["get"]["parameters"][0]["name"] == "id"


def test_two_operations_never_share_an_identifier() -> None:
    def named(name: str, path: str) -> Operation:
        @operation(name=name, title=name, http=GET(path), permission="ride.read")
        async def one(ctx: Context) -> Ride:
            raise NotImplementedError

        return one

    made = document(named("ride.list", "/a"), named("ride_list", "/b"), named("ride-list", "/c"))
    ids = [one["operationId"] for path in made["paths"].values() for one in path.values()]

    assert len(set(ids)) == 3


def test_a_type_without_a_schema_does_not_cost_the_others_their_document() -> None:
    @operation(name="odd", title="Odd", http=POST("/odd"), permission="ride.read")
    async def odd(ctx: Context, given: Odd) -> Ride:
        raise NotImplementedError

    made = document(odd, rides)

    assert made["components"]["schemas"]["Odd"]["properties"]["value"] == {"description": "complex"}


def test_the_tag_changes_with_the_document_only() -> None:
    def described(*operations: Operation) -> ApiDescription:
        registry = Registry()
        registry.add("acme.carpool", operations)
        return ApiDescription(registry, PluginCatalogue(), version="1.2.3")

    assert described(rides).tag == described(rides).tag
    assert described(rides).tag != described(rides, change).tag


TYPES = st.recursive(
    st.sampled_from(
        [
            str,
            int,
            float,
            bool,
            uuid.UUID,
            dt.datetime,
            dt.date,
            Decimal,
            bytes,
            Ride,
            Literal["a", "b"],
            Text,
            msgspec.Raw,
            Annotated[int, msgspec.Meta(ge=5, lt=9)],
            Annotated[float, msgspec.Meta(gt=1000)],
            Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")],
            Annotated[list[int], msgspec.Meta(min_length=3)],
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda kind: kind | None if kind is not msgspec.Raw else kind),
        inner.map(lambda kind: list[kind]),
        inner.map(lambda kind: dict[str, kind]),
    ),
    max_leaves=3,
)
FIELDS = st.dictionaries(
    st.sampled_from(["id", "name", "email", "slug", "count", "class_", "a1"]), TYPES, max_size=5
)


@given(
    fields=FIELDS,
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    in_path=st.booleans(),
)
def test_the_document_is_valid_for_any_input(
    fields: dict[str, Any], method: Any, in_path: bool
) -> None:
    kind = msgspec.defstruct("Given", list(fields.items()))
    path = "/x/{id}" if in_path and "id" in fields else "/x"

    async def handler(ctx: Context, given: Any) -> Ride:
        raise NotImplementedError

    handler.__annotations__["given"] = kind
    made = document(
        operation(name="x", title="X", http=Route(method, path), permission="x.y")(handler)
    )

    described = made["paths"][path][method.lower()]
    parameters = {one["name"] for one in described["parameters"] if "name" in one}
    contents: dict[str, Any] = described.get("requestBody", {}).get("content", {})
    content: dict[str, Any] = contents[next(iter(contents))] if contents else {"schema": {}}
    schema: dict[str, Any] = content["schema"]
    while "$ref" in schema:
        schema = made["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert parameters | set(schema.get("properties", {})) == set(fields), (
        "every field is told exactly once"
    )
    assert not parameters & set(schema.get("properties", {}))


@given(fields=FIELDS)
def test_an_example_is_always_accepted_by_its_own_type(fields: dict[str, Any]) -> None:
    kind = msgspec.defstruct("Given", list(fields.items()))
    example = example_of(kind)

    assert example is not msgspec.UNSET
    msgspec.json.decode(msgspec.json.encode(example), type=kind)


def test_no_example_is_better_than_a_wrong_one() -> None:
    class Coded(msgspec.Struct):
        code: Annotated[str, msgspec.Meta(pattern="^TX-[0-9]{7}$")]

    assert example_of(Coded) is msgspec.UNSET
