"""Drivers are found by name and loaded when asked for."""

import subprocess
import sys

import pytest

from vmmcompose.drivers import CAPABILITIES, DRIVERS, driver
from vmmcompose.errors import UsageError


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_knows_its_name_and_limits(name: str) -> None:
    assert driver(name).name == name
    assert CAPABILITIES[name] is driver(name).capabilities
    assert CAPABILITIES[name].driver == name
    assert driver(name) is driver(name)


def test_an_unknown_driver_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as failure:
        driver("xen")
    assert "qemu" in failure.value.hint
    assert CAPABILITIES.get("xen") is None
    assert list(CAPABILITIES) == list(DRIVERS)


def test_nothing_heavy_is_loaded() -> None:
    code = "import sys, vmmcompose.drivers as d; d.CAPABILITIES['qemu']; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"requests", "pyroute2", "jsonschema", "vmmcompose.drivers.firecracker.driver"}.isdisjoint(loaded)
