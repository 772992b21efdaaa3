"""What every driver with the capability `swap_drive` promises, tried as in `test_driver_contract`."""

from dataclasses import replace
from pathlib import Path

import pytest
from driver_case import VM_ID, Bench

from vmmcompose.drivers import swapper
from vmmcompose.errors import DriverError
from vmmcompose.model.desired import Mount
from vmmcompose.model.record import Process

pytestmark = pytest.mark.root


def open_files(process: Process) -> set[tuple[int, int]]:
    """Device and inode of what a VMM has open."""
    folder = Path(f"/proc/{process.pid}/fd")
    return {(status.st_dev, status.st_ino) for status in (fd.stat() for fd in folder.iterdir())}


def identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def test_a_running_guests_read_only_drive_gets_another_file(vmm: Bench) -> None:
    if not vmm.driver.capabilities.swap_drive:
        pytest.skip(f"{vmm.case.name} cannot")
    launch = vmm.launch()
    mounts = (Mount("data", "/srv/data", "rw"), Mount("site", "/srv/site", "ro"))
    launch = replace(launch, spec=replace(launch.spec, mounts=mounts))
    images = [Path(vmm.paths.mount(launch.spec.name, mount.tag)) for mount in mounts]
    images[0].parent.mkdir(parents=True)
    for image in images:
        image.write_bytes(bytes(1 << 20))
    process = vmm.driver.start(launch)
    swap = swapper(vmm.case.name).swap_drive
    for size in (2, 1, 3):
        before = identity(images[1])
        fresh = images[1].with_suffix(".new")
        fresh.write_bytes(bytes(size << 20))
        fresh.rename(images[1])
        swap(vmm.paths, VM_ID, 1, str(images[1]))
        assert identity(images[1]) in open_files(process)
        assert before not in open_files(process)
    for position, path in ((1, vmm.root / "none"), (2, images[1])):
        with pytest.raises(DriverError) as failure:
            swap(vmm.paths, VM_ID, position, str(path))
        assert str(path) in failure.value.message or f"mount{position}" in failure.value.message
    assert {identity(image) for image in images} <= open_files(process)
    assert vmm.driver.probe(vmm.paths, VM_ID, process) == "running"
    vmm.stop(process, grace_s=0)


def test_no_drive_of_what_does_not_run_gets_another_file(vmm: Bench) -> None:
    if vmm.driver.capabilities.swap_drive:
        with pytest.raises(DriverError):
            swapper(vmm.case.name).swap_drive(vmm.paths, VM_ID, 0, "/dev/null")
