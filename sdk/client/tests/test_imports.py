"""Bulk imports through both clients: uploading, waiting, progress and outcome."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import threading
from datetime import date
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix import ConnectionFailed, ImportFailed, ImportUnfinished, InvalidArgument
from trophenix.exchange import Exchange, Response, Send, Tell
from trophenix.imports import bulk_import, wait_for
from trophenix.keys import ApiKey
from trophenix.retry import RetryPolicy
from trophenix.uploads import Order

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import FaultKinds, Platform, Surface

CSV = "first_name,last_name\nOns,Jabeur\nNo,\nZoé,Élan\nBad,\nWorse,\n".encode()


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "athletes_2024.csv"
    path.write_bytes(CSV)
    return path


class TestFile:
    def test_the_documents_example(
        self, csv_file: Path, platform: Platform, surface: Surface
    ) -> None:
        heard: list[int] = []

        athletes = surface.call(
            lambda client: client.athletes.bulk_import(
                source="csv", file_path=csv_file, batch_size=1000, on_progress=heard.append
            )
        )

        assert (athletes.total, athletes.imported, athletes.errors) == (5, 2, 3)
        assert (athletes.status, athletes.rejected) == ("applied_with_errors", 3)
        assert (athletes.batch_id, athletes.duration_ms) == ("batch-1", 12)
        assert athletes.duplicates_proposed == 0
        assert heard == [0, 10, 55, 99, 100]
        upload = platform.received[0]
        assert upload.path == "/api/v1/athletes/imports"
        assert upload.fields == {"source": "csv", "batch_size": "1000", "mode": "apply"}
        assert (upload.filename, upload.file_size) == ("athletes_2024.csv", len(CSV))

    def test_rows_walks_every_page(self, csv_file: Path, surface: Surface) -> None:
        result = surface.call(lambda client: client.athletes.bulk_import(file_path=csv_file))

        rows = surface.items(result.rows())

        assert [(row.line, row.column, row.code) for row in rows] == [
            (3, "last_name", "missing"),
            (5, "last_name", "missing"),
            (6, "last_name", "missing"),
        ]

    def test_a_page_of_rows_can_be_asked_for(self, csv_file: Path, surface: Surface) -> None:
        client = surface.client()
        result = surface.settle(client.athletes.bulk_import(file_path=csv_file))

        page = surface.settle(client.athletes.imports.rows(result.batch_id, limit=1))

        assert (len(page), page.has_more) == (1, True)

    def test_a_preview_changes_nothing_until_applied_and_can_be_reverted(
        self, csv_file: Path, platform: Platform, surface: Surface
    ) -> None:
        client = surface.client()
        preview = surface.settle(
            client.athletes.bulk_import(
                file_path=csv_file, mode="preview", mapping={"Nom": "last_name"}
            )
        )
        before = len(platform.athletes)
        applied = surface.settle(client.athletes.imports.apply(preview.batch_id))
        reverted = surface.settle(client.athletes.imports.revert(preview.batch_id, wait=False))
        end = surface.settle(client.athletes.imports.wait(preview.batch_id))

        assert (preview.status, before) == ("previewed", 0)
        assert platform.received[0].fields["mapping"] == '{"Nom":"last_name"}'
        assert (applied.status, applied.finished) == ("applied", True)
        assert (reverted.status, reverted.finished) == ("running", False)
        assert end.status == "reverted"

    def test_waiting_backs_off_within_bounds(
        self, csv_file: Path, platform: Platform, surface: Surface
    ) -> None:
        platform.progress = [1] * 12

        surface.call(lambda client: client.athletes.bulk_import(file_path=csv_file))

        assert surface.waits == sorted(surface.waits)
        assert surface.waits[0] == 0.25
        assert surface.waits[-1] == 5

    def test_without_waiting_the_batch_can_be_picked_up_later(
        self, csv_file: Path, surface: Surface
    ) -> None:
        client = surface.client()

        begun = surface.settle(client.athletes.bulk_import(file_path=csv_file, wait=False))
        seen = surface.settle(client.athletes.imports.get(begun.batch_id))
        ended = surface.settle(client.athletes.imports.wait(begun.batch_id))

        assert (begun.finished, begun.total, begun.progress) == (False, 0, 0)
        assert (seen.finished, seen.progress) == (False, 10)
        assert (ended.finished, ended.total, ended.progress) == (True, 5, 100)

    def test_patience_ends_with_what_is_needed_to_go_on(
        self, csv_file: Path, platform: Platform, surface: Surface
    ) -> None:
        platform.progress = [3] * 1000

        with pytest.raises(ImportUnfinished) as unfinished:
            surface.call(
                lambda client: client.athletes.bulk_import(file_path=csv_file, wait_timeout=60)
            )

        assert unfinished.value.batch_id == "batch-1"
        assert sum(surface.waits) == pytest.approx(60)

    def test_a_failed_import_is_an_error_that_names_the_batch(
        self, csv_file: Path, platform: Platform, surface: Surface
    ) -> None:
        platform.final_status = "failed"
        heard: list[int] = []

        with pytest.raises(ImportFailed) as failed:
            surface.call(
                lambda client: client.athletes.bulk_import(
                    file_path=csv_file, on_progress=heard.append
                )
            )

        assert (failed.value.batch_id, failed.value.code) == ("batch-1", "import_failed")
        assert 100 not in heard

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, asyncio.CancelledError, ConnectionFailed])
    def test_the_file_is_closed_when_the_upload_is_broken_off(
        self, stop: type[BaseException], csv_file: Path
    ) -> None:
        exchange = Exchange(ApiKey.unchecked("key"), RetryPolicy(max_retries=0), lambda: 0.0, ())
        plan = bulk_import(
            exchange,
            Order(
                source=None,
                file_path=csv_file,
                file=None,
                athletes=None,
                batch_size=1,
                mode="apply",
                mapping=None,
                on_progress=None,
                wait=True,
                wait_timeout=1,
                idempotency_key=None,
            ),
        )
        step = next(plan)
        assert isinstance(step, Send)
        assert step.request.upload is not None
        file = step.request.upload.file
        assert not file.closed

        with pytest.raises(stop):
            plan.throw(stop("stop"))

        assert file.closed

    def test_an_error_of_the_listener_reaches_the_caller(
        self, csv_file: Path, surface: Surface
    ) -> None:
        class StoppedByUser(Exception):
            pass

        def listen(percent: int) -> None:
            if percent >= 10:
                raise StoppedByUser

        with pytest.raises(StoppedByUser):
            surface.call(
                lambda client: client.athletes.bulk_import(file_path=csv_file, on_progress=listen)
            )

    @pytest.mark.parametrize("surface", ["async"], indirect=True)
    def test_the_asynchronous_client_awaits_the_listener(
        self, csv_file: Path, surface: Surface
    ) -> None:
        heard: list[int] = []

        async def listen(percent: int) -> None:
            heard.append(percent)

        surface.call(
            lambda client: client.athletes.bulk_import(file_path=csv_file, on_progress=listen)
        )

        assert heard[0] == 0
        assert heard[-1] == 100

    @pytest.mark.parametrize("kind", ["memory", "disk", "gzip", "buffered gzip"])
    def test_every_kind_of_open_file_arrives_whole(
        self, kind: str, tmp_path: Path, csv_file: Path, platform: Platform, surface: Surface
    ) -> None:
        """The size on disk is not the size of what is read; rewinding works for all of these."""
        packed = tmp_path / "athletes.csv.gz"
        packed.write_bytes(gzip.compress(CSV))
        opened = {
            "memory": lambda: io.BytesIO(CSV),
            "disk": lambda: csv_file.open("rb"),
            "gzip": lambda: gzip.open(packed),
            "buffered gzip": lambda: io.BufferedReader(gzip.open(packed)),  # type: ignore[arg-type]
        }[kind]()
        with cast("BinaryIO", opened) as file:
            file.read(3)

            result = surface.call(
                lambda client: client.athletes.bulk_import(source="csv", file=file)
            )

            assert not file.closed
        assert result.total == 5
        assert platform.received[0].file_size == len(CSV)

    def test_a_pipe_is_sent_as_it_comes(self, platform: Platform, surface: Surface) -> None:
        read_end, write_end = os.pipe()

        def write() -> None:
            with os.fdopen(write_end, "wb") as out:
                out.write(CSV)

        writer = threading.Thread(target=write)
        writer.start()
        with os.fdopen(read_end, "rb") as file:
            result = surface.call(
                lambda client: client.athletes.bulk_import(source="csv", file=file)
            )
        writer.join()

        assert result.total == 5
        assert platform.received[0].filename == "athletes.csv"

    def test_a_pipe_is_never_sent_twice(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        """What has been read is gone: another try would import an empty file."""

        class Once(io.BytesIO):
            def seekable(self) -> bool:
                return False

        platform.faults.append(faults.Reply(503, document={}))
        stream = io.BufferedReader(Once(CSV))  # type: ignore[type-var]

        with pytest.raises(Exception, match="503"):
            surface.call(lambda client: client.athletes.bulk_import(source="csv", file=stream))

        assert len(platform.received) == 1

    def test_a_retry_sends_the_same_bytes_under_the_same_key(
        self, csv_file: Path, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        """The answer was lost after the work: the platform recognises the second try."""
        platform.faults.append(faults.Drop(after_work=True))

        result = surface.call(lambda client: client.athletes.bulk_import(file_path=csv_file))

        first, second = platform.received[:2]
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert first.headers["content-type"] == second.headers["content-type"]
        assert (first.length, first.file_size) == (second.length, second.file_size)
        assert list(platform.imports) == ["batch-1"]
        assert result.total == 5


class TestList:
    def test_a_list_goes_in_one_call(self, platform: Platform, surface: Surface) -> None:
        heard: list[int] = []
        athletes = [
            {"first_name": "Pierre", "last_name": "Durant", "birth_date": date(1998, 5, 12)},
            {"first_name": "Ons", "last_name": "Jabeur"},
        ]

        result = surface.call(
            lambda client: client.athletes.bulk_import(
                source="csv", athletes=athletes, batch_size=500, on_progress=heard.append
            )
        )

        assert (result.status, result.imported, result.errors) == ("success", 2, 0)
        assert (result.total, result.duration_ms, heard) == (2, 12, [0, 100])
        [call] = platform.received
        assert call.path == "/api/v1/athletes/bulk-import"
        assert (call.document["source"], call.document["batch_size"]) == ("csv", 500)
        assert call.document["athletes"][0]["birth_date"] == "1998-05-12"

    def test_a_list_to_preview_goes_up_as_a_file(
        self, platform: Platform, surface: Surface
    ) -> None:
        platform.parses = False

        result = surface.call(
            lambda client: client.athletes.bulk_import(
                athletes=[{"last_name": "Durant"}], mode="preview"
            )
        )

        upload = platform.received[0]
        assert result.status == "previewed"
        assert (upload.filename, upload.fields["source"]) == ("athletes.json", "json")
        assert upload.file_size == len(b'[{"last_name":"Durant"}]')

    def test_a_failed_list_is_an_error(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        gone = {"batch_id": "b", "status": "failed", "detail": "The disk is full"}
        platform.faults.append(faults.Reply(200, document=gone))

        with pytest.raises(ImportFailed, match=r"The disk is full\."):
            surface.call(lambda client: client.athletes.bulk_import(athletes=[]))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"file_path": "a.csv", "athletes": []},
        {"file": io.BytesIO(), "file_path": "a.csv"},
        {"athletes": [], "batch_size": 0},
        {"athletes": [], "mode": "try"},
        {"file": io.StringIO("x"), "source": "csv"},
        {"file": io.BytesIO()},
        {"file_path": "athletes.pdf"},
    ],
)
def test_contradictory_orders_are_refused_before_anything_is_sent(
    arguments: dict[str, object], platform: Platform, surface: Surface
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        surface.call(lambda client: client.athletes.bulk_import(**arguments))  # type: ignore[arg-type]

    assert refused.value.next_step
    assert platform.received == []


@given(
    st.lists(st.none() | st.floats(-50, 500)), st.sampled_from(["applied", "previewed", "reverted"])
)
def test_progress_only_ever_rises_and_ends_at_100(reported: list[float | None], end: str) -> None:
    """Whatever the platform reports, the listener hears rising whole numbers from 0 to 100."""
    exchange = Exchange(
        ApiKey.unchecked("key"), RetryPolicy(max_retries=0), random=lambda: 0.0, headers=()
    )
    documents = [
        f'{{"batch_id":"b","status":"running","progress":{"null" if p is None else p}}}'
        for p in reported
    ]
    documents.append(f'{{"batch_id":"b","status":"{end}","progress":7}}')
    answers = iter(documents)
    heard: list[int] = []
    plan = wait_for(exchange, "b", heard.append, 1e9)
    reply: Response | None = None

    with pytest.raises(StopIteration):  # noqa: PT012 - until the plan ends
        while True:
            step = plan.send(reply)
            reply = None
            if isinstance(step, Send):
                reply = Response(200, {}, next(answers).encode())
            elif isinstance(step, Tell):
                step.listener(step.percent)
                assert step.percent < 100 or next(answers, None) is None  # not before the end

    assert heard == sorted(set(heard))
    assert heard[-1] == 100
    assert all(0 <= percent < 100 for percent in heard[:-1])
