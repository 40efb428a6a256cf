"""A form follows its struct: every rule becomes a control, every fault is found at once, and nothing undeclared is read."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from trophenix_kernel.panels import Catalogues, Language, arrange, bind, describe, place
from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.panels import F, Section

ENGLISH = Language("en", Catalogues())
FRENCH = Language("fr", Catalogues())
TUNIS = ZoneInfo("Africa/Tunis")


class Address(msgspec.Struct):
    street: Annotated[str, Meta(min_length=2)]
    city: str = "Tunis"


class Event(msgspec.Struct, kw_only=True):
    name: Annotated[str, Meta(min_length=3, max_length=80)]
    starts_at: dt.datetime
    capacity: Annotated[int, Meta(ge=1, le=80_000)]
    price: Annotated[float, Meta(ge=0)] | None = None
    state: Literal["draft", "on_sale", "closed"] = "draft"
    tags: list[str] = []
    open: bool = False
    address: Address
    opens_on: dt.date | None = None


class Change(msgspec.Struct, kw_only=True):
    id: str
    name: str | UnsetType = UNSET
    note: str | UnsetType | None = UNSET


GOOD = {
    "name": ["Derby"],
    "starts_at": ["2026-12-24T20:00"],
    "capacity": ["60000"],
    "address.street": ["Avenue Habib Bourguiba"],
}


class TestDescribe:
    def test_rules_become_attributes(self) -> None:
        """The browser helps with what the struct demands."""
        fields = {field.name: field for field in describe(Event, ENGLISH)}

        assert fields["name"].required
        assert dict(fields["name"].attributes) == {"minlength": "3", "maxlength": "80"}
        assert fields["capacity"].type == "number"
        assert dict(fields["capacity"].attributes)["max"] == "80000"
        assert fields["starts_at"].type == "datetime-local"
        assert fields["opens_on"].type == "date"
        assert not fields["opens_on"].required
        assert fields["open"].control == "checkbox"
        assert fields["tags"].control == "textarea"
        assert fields["address.street"].required

    def test_choices_keep_the_author_s_order(self) -> None:
        """msgspec sorts them; people should see them as they were written."""
        state = next(field for field in describe(Event, ENGLISH) if field.name == "state")

        assert [option.value for option in state.options] == ["draft", "on_sale", "closed"]
        assert [option.label for option in state.options][1] == "On sale"

    def test_a_record_fills_the_form(self) -> None:
        """Changing begins with what is stored, in the reader's own time."""
        event = Event(
            name="Derby",
            starts_at=dt.datetime(2026, 12, 24, 19, tzinfo=dt.UTC),
            capacity=5,
            open=True,
            tags=["a", "b"],
            address=Address(street="X1"),
        )
        fields = {
            field.name: field
            for field in describe(Event, Language("en", Catalogues(), TUNIS), record=event)
        }

        assert fields["starts_at"].value == "2026-12-24T20:00"
        assert fields["open"].checked
        assert fields["tags"].value == "a\nb"
        assert fields["address.street"].value == "X1"

    def test_passwords_are_never_written_back(self) -> None:
        """What was typed into a secret field is not repeated in the page."""
        field = describe(
            Address,
            ENGLISH,
            fields={"street": F(widget="password")},
            answers={"street": ["secret"]},
        )[0]

        assert field.type == "password"


class TestBind:
    def test_good_answers_make_the_operation_s_input(self) -> None:
        """The data converts to the struct without further work."""
        bound = bind(Event, GOOD, TUNIS)
        event = msgspec.convert(bound.data, Event)

        assert bound.problems == ()
        assert event.starts_at == dt.datetime(2026, 12, 24, 19, tzinfo=dt.UTC)
        assert event.address.city == "Tunis"
        assert event.open is False

    def test_every_fault_is_found_at_once(self) -> None:
        """Nobody corrects a form one field at a time."""
        bound = bind(
            Event, {"name": ["ab"], "capacity": ["0"], "price": ["-1"], "state": ["sold"]}, TUNIS
        )

        assert [(problem.pointer, problem.code) for problem in bound.problems] == [
            ("/name", "too_short"),
            ("/starts_at", "missing"),
            ("/capacity", "too_small"),
            ("/price", "too_small"),
            ("/state", "not_listed"),
            ("/address/street", "missing"),
        ]

    def test_an_empty_answer_is_the_default_or_nothing(self) -> None:
        """Left empty: the default stands, an optional value is null, a change leaves the field alone."""
        bound = bind(Event, {**GOOD, "price": [""], "state": [""]}, TUNIS)

        assert bound.data["price"] is None
        assert msgspec.convert(bound.data, Event).state == "draft"
        assert "name" not in bind(Change, {"id": ["1"], "name": [""]}, TUNIS).data
        assert bind(Change, {"id": ["1"], "note": [""]}, TUNIS).data["note"] is None

    def test_numbers_are_read_as_people_write_them(self) -> None:
        """A French reader types 1 234,5."""
        assert (
            bind(Event, {**GOOD, "price": ["1 234,5"], "capacity": ["60 000"]}, TUNIS).data["price"]
            == 1234.5
        )

    @given(
        st.dictionaries(
            st.text(max_size=12), st.lists(st.text(max_size=30), max_size=3), max_size=8
        )
    )
    def test_only_declared_fields_are_read(self, posted: dict[str, list[str]]) -> None:
        """Whatever is posted along, no undeclared field reaches an operation, and nothing crashes."""
        bound = bind(Event, posted, TUNIS)

        assert set(bound.data) <= set(Event.__struct_fields__)

    @given(
        st.fixed_dictionaries(
            {},
            optional={
                name: st.lists(st.text(max_size=20), min_size=1, max_size=2)
                for name in (
                    "name",
                    "starts_at",
                    "capacity",
                    "price",
                    "state",
                    "tags",
                    "open",
                    "address.street",
                    "opens_on",
                )
            },
        )
    )
    def test_without_problems_the_data_is_accepted(self, posted: dict[str, list[str]]) -> None:
        """Binding is never laxer than the struct: what it passes, the pipeline's own check passes."""
        bound = bind(Event, posted, TUNIS)

        if not bound.problems:
            msgspec.convert(bound.data, Event)

    @given(st.sampled_from(["nan", "inf", "-inf", "1e999", "0x10", "١٢", "--1", "1.5"]))
    def test_what_is_no_whole_number_is_refused(self, text: str) -> None:
        """No infinity and no half seat."""
        codes = {
            problem.code for problem in bind(Event, {**GOOD, "capacity": [text]}, TUNIS).problems
        }

        assert codes <= {"not_a_whole_number"}
        assert codes or text == "١٢"


class TestPlace:
    def test_faults_stand_beside_their_fields_in_the_reader_s_language(self) -> None:
        """The pipeline's faults and ours look the same."""
        problems = (
            FieldProblem("/capacity", "too_large", "90000 is more than 80000"),
            FieldProblem("/tags/2", "bad_format", "x"),
            FieldProblem("/nowhere", "quota", "The plan holds ten events."),
        )
        fields, others = place(describe(Event, FRENCH), problems, FRENCH)
        faults = {field.name: field.error for field in fields if field.error}

        assert faults["capacity"].replace("\u202f", " ") == "Saisissez un nombre d’au plus 80 000."
        assert "tags" in faults
        assert others == ("The plan holds ten events.",)

    def test_no_field_is_lost_by_sections(self) -> None:
        """A field no section names still appears, at the end."""
        fields = describe(Event, ENGLISH)
        sections = arrange(fields, (Section("Sale", fields=("capacity", "price", "unknown")),))

        assert [field.name for field in sections[0].fields] == ["capacity", "price"]
        assert {field.name for section in sections for field in section.fields} == {
            field.name for field in fields
        }
