"""The drivers' contract once more, with a real firecracker: every test of test_driver_contract.py."""

from collections.abc import Iterator

import pytest
from case_firecracker import REAL
from driver_case import Bench, bench
from namespaces import Namespace
from test_driver_contract import *  # noqa: F403 - its tests are collected here a second time
from test_driver_contract import pytestmark  # noqa: F401 - and they need root here too

from vmmcompose.drivers.firecracker.driver import FirecrackerDriver


@pytest.fixture
def vmm(netns: Namespace) -> Iterator[Bench]:
    """In place of the fixture that goes through all drivers."""
    missing = REAL.missing()
    if missing:
        pytest.skip(missing)
    with bench(REAL, FirecrackerDriver()) as made:
        yield made
