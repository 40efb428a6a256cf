"""A JSON body becomes drafts element by element, like a file but faster."""

import json
from datetime import date
from typing import Any

import msgspec
import pytest

from trophenix_recruitment.documents import drafts_from_json
from trophenix_recruitment.imports import AthleteImport
from trophenix_recruitment.problems import FileRefused, FileTooLarge
from trophenix_recruitment.reading import Limits

TODAY = date(2026, 11, 20)
ATHLETES: list[Any] = [
    {
        "first_name": f"Given{n}",
        "last_name": f"Family{n}",
        "sport": "tennis",
        "ranking": n + 1,
        "birth_date": f"{1980 + n % 20}-05-12",
        "license_number": f"FRA-TEN-2024-{n:03}",
        "country": ["FR", "DE", "TN"][n % 3],
        "height_cm": 180 + n % 5,
        "followers": n,
    }
    for n in range(50)
]


def test_body_list_and_raw_elements_give_the_same_drafts() -> None:
    plain = drafts_from_json(json.dumps(ATHLETES).encode(), TODAY)
    wrapped = drafts_from_json(json.dumps({"source": "api", "athletes": ATHLETES}).encode(), TODAY)
    raw = msgspec.json.decode(json.dumps(ATHLETES).encode(), type=list[msgspec.Raw])

    assert len(plain.drafts) == plain.counters.accepted == 50
    assert plain.drafts == wrapped.drafts == drafts_from_json(raw, TODAY).drafts


def test_the_fast_path_and_the_file_agree() -> None:
    rows = [*ATHLETES, {**ATHLETES[0], "country": "BRN"}, {"ranking": 1}, ATHLETES[3]]
    document = "[" + ",\n".join(json.dumps(row) for row in rows) + "]"

    fast = drafts_from_json(document.encode(), TODAY)
    file = AthleteImport(document.encode(), TODAY)

    assert fast.mapping == file.mapping
    assert fast.outcomes == list(file.outcomes())
    assert fast.counters == file.counters


def test_elements_are_told_by_their_position() -> None:
    found = drafts_from_json(b'[{"last_name": "A"}, 7, {"last_name": ""}]', TODAY)

    assert [(outcome.line, outcome.status) for outcome in found.outcomes] == [
        (1, "accepted"),
        (2, "rejected"),
        (3, "rejected"),
    ]
    assert found.outcomes[1].problems[0].code == "row.not_object"


@pytest.mark.parametrize(
    "body", [b"", b"[", b'"x"', b"{}", b'{"athletes": 3}', b"\xff", b"[" * 5000]
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        drafts_from_json(body, TODAY)

    assert refused.value.code in {"json.broken", "json.no_list"}


def test_the_limits_hold() -> None:
    with pytest.raises(FileTooLarge):
        drafts_from_json(json.dumps(ATHLETES).encode(), TODAY, limits=Limits(rows=49))


def test_names_beyond_the_limit_are_kept_as_attributes() -> None:
    found = drafts_from_json(json.dumps(ATHLETES).encode(), TODAY, limits=Limits(columns=8))

    assert found.drafts[3].attributes == {"followers": 3}


def test_a_stored_mapping_fits_a_body_that_lacks_some_names() -> None:
    mapping = drafts_from_json(json.dumps(ATHLETES).encode(), TODAY).mapping
    body = b'[{"last_name": "A", "license_number": "FR-1"}]'

    (fast,) = drafts_from_json(body, TODAY, mapping=mapping).drafts
    (file,) = AthleteImport(body, TODAY, mapping=mapping).outcomes()

    assert fast == file.draft
    assert (fast.family_name, fast.external_ids[0].value) == ("A", "FR-1")


def test_empty_objects_are_accounted_for() -> None:
    found = drafts_from_json(b"[{}, 7]", TODAY)

    assert [outcome.problems[0].code for outcome in found.outcomes] == [
        "name.missing",
        "row.not_object",
    ]
    assert found.counters.rejected == 2


def test_an_empty_list_is_no_error() -> None:
    assert drafts_from_json(b"[]", TODAY).outcomes == []
