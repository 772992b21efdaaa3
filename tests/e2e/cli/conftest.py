"""One host with the hello example for all tests of a module."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, missing_for_guests

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def hello() -> Iterator[Lab]:
    """The hello example, up."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab("hello") as lab:
        shutil.copytree(EXAMPLES / "hello", lab.project, dirs_exist_ok=True)
        lab.vmm("up")
        yield lab


@pytest.fixture
def two_tier() -> Iterator[Lab]:
    """The two-tier example, not up yet."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab("two-tier") as lab:
        shutil.copytree(EXAMPLES / "two-tier", lab.project, dirs_exist_ok=True)
        yield lab
