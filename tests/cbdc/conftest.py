"""What every test of the institutions gets."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collections_as_before() -> Iterator[None]:
    """Tests that leave a pipeline open leave nothing behind."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
