"""Published athlete data beside the checkout."""

from datetime import date
from pathlib import Path

import pytest

TODAY = date(2026, 11, 20)


@pytest.fixture(scope="session")
def today() -> date:
    return TODAY


@pytest.fixture(scope="session")
def athletes_folder() -> Path:
    for folder in Path(__file__).resolve().parents:
        found = folder / "shared" / "data" / "athletes"
        if found.is_dir():
            return found
    pytest.skip("no folder shared/data/athletes beside the checkout")
