"""Labs for the tests with real guests."""

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


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    """A host of its own for all tests of a module, which run one after the other."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab() as lab:
        yield lab
