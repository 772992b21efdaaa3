"""The drivers' contract once more, with a real firecracker: every test of test_driver_contract.py."""

import importlib
from collections.abc import Iterator

import pytest
from case_firecracker import REAL
from driver_case import Bench, bench
from namespaces import Namespace

from vmmcompose.drivers.firecracker.driver import FirecrackerDriver

pytestmark = pytest.mark.root

_suite = vars(importlib.import_module("test_driver_contract"))
globals().update({name: test for name, test in _suite.items() if name.startswith("test_")})


@pytest.fixture
def vmm(netns: Namespace) -> Iterator[Bench]:
    """In place of the fixture that goes through all drivers."""
    missing = REAL.missing()
    if missing:
        pytest.skip(missing)
    with bench(REAL, FirecrackerDriver()) as made:
        yield made
