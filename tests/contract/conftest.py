"""Every driver that has a `case_<driver>.py` among the fakes takes part in the contract suite."""

import importlib
from collections.abc import Iterator

import pytest
from driver_case import Bench, DriverCase, bench
from namespaces import Namespace

from vmmcompose.drivers import DRIVERS, driver


@pytest.fixture(params=list(DRIVERS))
def vmm(request: pytest.FixtureRequest, netns: Namespace) -> Iterator[Bench]:
    """A driver with a data folder of its own, in an empty network namespace."""
    case: DriverCase = importlib.import_module(f"case_{request.param}").CASE
    missing = case.missing()
    if missing:
        pytest.skip(missing)
    with bench(case, driver(case.name)) as made:
        yield made
