"""Drivers: one folder each, with pure `argv.py`/`config.py`, a thin protocol client and `driver.py`."""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import cast

from vmmcompose.drivers.base import Driver, Snapshotter, Swapper
from vmmcompose.errors import DriverError, UsageError
from vmmcompose.model.capabilities import Capabilities

DRIVERS: Mapping[str, str] = {
    "firecracker": "vmmcompose.drivers.firecracker.driver:FirecrackerDriver",
    "qemu": "vmmcompose.drivers.qemu.driver:QemuDriver",
}
"""Every driver's class by its name, best first. Loaded when it is asked for."""


@cache
def driver(name: str) -> Driver:
    """The driver of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in DRIVERS:
        raise UsageError(f"there is no hypervisor {name!r}", hint=f"known: {', '.join(DRIVERS)}")
    module, _, class_name = DRIVERS[name].partition(":")
    return cast("Driver", getattr(importlib.import_module(module), class_name)())


def snapshotter(name: str) -> Snapshotter:
    """The driver of this name, for its memory snapshots.

    Raises:
        DriverError: it cannot make any.
    """
    found = driver(name)
    if not found.capabilities.snapshot:
        raise DriverError(
            f"hypervisor {name} cannot make memory snapshots; firecracker can",
            hint="`vmm image snapshot` keeps a stopped VM's disk as an image, whatever the hypervisor",
        )
    return cast("Snapshotter", found)


def swapper(name: str) -> Swapper:
    """The driver of this name, for the drives of running guests.

    Raises:
        DriverError: it cannot give them other files.
    """
    found = driver(name)
    if not found.capabilities.swap_drive:
        raise DriverError(f"hypervisor {name} cannot give a running guest's drive another file")
    return cast("Swapper", found)


class _Capabilities(Mapping[str, Capabilities]):
    """What each driver can do, asked of the driver itself when it is looked up."""

    def __getitem__(self, name: str) -> Capabilities:
        if name not in DRIVERS:
            raise KeyError(name)
        return driver(name).capabilities

    def __iter__(self) -> Iterator[str]:
        return iter(DRIVERS)

    def __len__(self) -> int:
        return len(DRIVERS)


CAPABILITIES: Mapping[str, Capabilities] = _Capabilities()
