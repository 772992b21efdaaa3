"""What the contract suite needs to know of a driver: one `DriverCase` each, in `case_<driver>.py` here."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from shutil import rmtree

from vmmcompose.drivers.base import Driver, Launch
from vmmcompose.host.process import scan, signal_process, wait_gone
from vmmcompose.model.paths import Paths, tap_name
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

VM_ID = "0123456789ab"


@dataclass(frozen=True, slots=True)
class DriverCase:
    """How to run one driver's VMs in a test, with a guest of the test's own."""

    name: str
    missing: Callable[[], str]
    """What is missing to run it here; empty when nothing is."""
    launch: Callable[[VmSpec, Paths, Path, bool], Launch]
    """A launch of a guest that prints a line and, when the last argument is true, ends on Ctrl+Alt+Del.

    The path is a folder for its kernel and the like.
    """
    guest_text: str = "tiny kernel: up"
    """What the guest prints."""
    locks_disks: bool = False
    """Whether the VMM refuses a disk that another one writes to."""


def make_spec(driver: str, vm_id: str = VM_ID, **changes: object) -> VmSpec:
    spec = VmSpec(
        name=f"shop-{vm_id[:4]}",
        id=vm_id,
        project="shop",
        vm=vm_id[:4],
        driver=driver,
        image="tiny",
        kernel="default",
        boot_args="",
        cpus=1,
        memory_mib=64,
        disk_mib=16,
        hostname=vm_id[:4],
        ip="172.16.0.2",
        prefix_len=16,
        gateway="172.16.0.1",
        mac="06:00:ac:10:00:02",
        tap=tap_name(vm_id),
    )
    return replace(spec, **changes)  # type: ignore[arg-type]  # the caller names fields


def add_tap(spec: VmSpec) -> None:
    """A TAP for this VM, in the namespace of the calling thread."""
    subprocess.run(["ip", "tuntap", "add", spec.tap, "mode", "tap", "vnet_hdr"], check=True)
    subprocess.run(["ip", "link", "set", spec.tap, "up"], check=True)


class Bench:
    """A data folder for VMs of one driver; whatever a test leaves running ends with it."""

    def __init__(self, case: DriverCase, driver: Driver, root: Path) -> None:
        self.case = case
        self.driver = driver
        self.root = root
        self.paths = Paths(PurePosixPath(root / "data"))

    def launch(self, *, vm_id: str = VM_ID, reacts: bool = True, tap: bool = True) -> Launch:
        """Everything for a start: a disk, a TAP, a guest."""
        spec = make_spec(self.case.name, vm_id)
        disk = Path(self.paths.disk(spec.name))
        disk.parent.mkdir(parents=True, exist_ok=True)
        disk.touch()
        os.truncate(disk, spec.disk_mib << 20)
        if tap:
            add_tap(spec)
        folder = self.root / vm_id
        folder.mkdir(exist_ok=True)
        return self.case.launch(spec, self.paths, folder, reacts)

    def stop(self, process: Process, grace_s: float = 20.0, vm_id: str = VM_ID) -> None:
        self.driver.stop(self.paths, vm_id, process, grace_s)

    def socket(self, vm_id: str = VM_ID) -> Path:
        return Path(self.paths.socket(vm_id))

    def running(self) -> list[Process]:
        """VMM processes of this data folder, whoever knows of them."""
        return [found.process for found in scan(str(self.paths.sockets()))]


@contextmanager
def bench(case: DriverCase, driver: Driver) -> Iterator[Bench]:
    # Short, because a Unix socket's path is limited to 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="vmm-case-"))
    made = Bench(case, driver, root)
    try:
        yield made
    finally:
        for process in made.running():
            signal_process(process, signal.SIGKILL)
            wait_gone(process, 10)
        rmtree(root)
