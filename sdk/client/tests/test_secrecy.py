"""The key is in the Authorization header and nowhere else a person or a log would look."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from trophenix import ConfigurationError, TrophenixClient, TrophenixError

if TYPE_CHECKING:
    from .conftest import FaultKinds, Platform, Surface

LIBRARIES = ("trophenix", "httpx", "httpcore", "h11", "anyio")


def test_representations_hide_the_key(platform: Platform, surface: Surface) -> None:
    client = surface.client()
    platform.add()
    results = surface.settle(client.athletes.search())

    for thing in (client, client.athletes, client.tenant, results, vars(client)):
        assert platform.key not in f"{thing} {thing!r}"
    assert "troph_sk_live_[hidden]" in repr(client)
    assert "olympic-france" in repr(client)


@pytest.mark.parametrize(
    "trouble", ["refused", "echoed", "dropped", "stalled", "nonsense", "redirect", "no route"]
)
def test_no_failure_shows_the_key(
    trouble: str,
    platform: Platform,
    surface: Surface,
    faults: type[FaultKinds],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in messages, notes, chained errors, log records, nor in the variables of any frame."""
    echo = f'{{"detail": "{platform.key} is not known", "code": "{platform.key}"}}'.encode()
    fault = {
        "refused": faults.Reply(422, document={"detail": "no"}),
        "echoed": faults.Reply(401, raw=echo),
        "dropped": faults.Drop(),
        "stalled": faults.Stall(),
        "nonsense": faults.Reply(200, raw=b"<pre>" + platform.key.encode()),
        "redirect": faults.Reply(302, {"Location": "/x"}),
        "no route": faults.Reply(404, raw=platform.key.encode()),
    }[trouble]
    platform.faults.append(fault)

    with caplog.at_level(logging.DEBUG), pytest.raises(TrophenixError) as raised:
        surface.call(
            lambda client: client.operations.call("ping", {}),
            timeout=0.05 if trouble == "stalled" else 30,
            max_retries=0,
        )

    error: BaseException | None = raised.value
    seen = 0
    while error is not None:
        assert platform.key not in f"{error} {error!r} {vars(error)}"
        for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
            if any(f"/{library}/" in frame.filename for library in LIBRARIES):
                seen += 1
                assert platform.key not in str(frame.locals)
        error = error.__cause__ or error.__context__
    assert seen > 0
    # The library's own frames hold the headers as they are written, so they are left behind.
    assert trouble not in {"dropped", "stalled"} or (
        raised.value.__cause__ is None and raised.value.__context__ is None
    )
    assert caplog.records
    assert platform.key not in caplog.text


def test_a_mistyped_key_is_not_repeated() -> None:
    """It may be one letter away from a good one."""
    mistyped = "troph_sk_live_" + "s3cr3t" * 6 + "xx"

    with pytest.raises(ConfigurationError) as refused:
        TrophenixClient(mistyped, "club", "https://sport.example")

    assert "s3cr3t" not in f"{refused.value} {refused.value!r} {vars(refused.value)}"
    assert refused.value.__cause__ is None
