"""Labs for the tests that damage, fill and interrupt."""

from collections.abc import Iterator

import pytest
from lab import Lab, missing_for_guests


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A host of its own for one test."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab() as lab:
        yield lab
