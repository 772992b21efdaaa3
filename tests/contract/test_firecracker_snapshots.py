"""Memory snapshots and drives of a running guest, with the stand-in and with a real firecracker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from case_firecracker import CASE, REAL
from driver_case import VM_ID, Bench, bench
from firecracker_lab import gone
from namespaces import Namespace

from vmmcompose.drivers import snapshotter
from vmmcompose.drivers.base import Launch, MemoryFiles
from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
from vmmcompose.errors import DriverError
from vmmcompose.model.record import Process

pytestmark = pytest.mark.root

DRIVER = FirecrackerDriver()
MIB = 1 << 20


@pytest.fixture(params=[CASE, REAL], ids=["stand-in", "real"])
def vmm(request: pytest.FixtureRequest, netns: Namespace) -> Iterator[Bench]:
    if request.param.missing():
        pytest.skip(request.param.missing())
    with bench(request.param, DRIVER) as made:
        yield made


def files_in(vmm: Bench) -> MemoryFiles:
    return MemoryFiles(str(vmm.root / "state"), str(vmm.root / "memory"))


def status(vmm: Bench, process: Process) -> str:
    return DRIVER.probe(vmm.paths, VM_ID, process)


def snapshot(vmm: Bench, launch: Launch) -> MemoryFiles:
    """Of a guest that was started, paused and has ended."""
    process = DRIVER.start(launch)
    DRIVER.pause(vmm.paths, VM_ID)
    DRIVER.snapshot(vmm.paths, VM_ID, files_in(vmm))
    vmm.stop(process, grace_s=0)
    return files_in(vmm)


def failure(vmm: Bench, launch: Launch, files: MemoryFiles) -> DriverError:
    with pytest.raises(DriverError) as caught:
        DRIVER.load(launch, files)
    gone(launch)
    return caught.value


def test_pausing_and_resuming_may_be_repeated(vmm: Bench) -> None:
    process = DRIVER.start(vmm.launch())
    for act, state in ((DRIVER.pause, "paused"), (DRIVER.resume, "running")):
        for _ in range(2):
            act(vmm.paths, VM_ID)
            assert status(vmm, process) == state
    vmm.stop(process, grace_s=0)


def test_a_guest_goes_on_where_it_was(vmm: Bench) -> None:
    """It is not booted again: nothing is printed, and it still hears Ctrl+Alt+Del."""
    launch = vmm.launch()
    files = snapshot(vmm, launch)
    assert Path(files.memory).stat().st_size == launch.spec.memory_mib * MIB
    process = DRIVER.load(launch, files)
    assert status(vmm, process) == "running"
    vmm.stop(process, grace_s=60)
    assert Path(vmm.paths.console(launch.spec.name)).read_text() == ""


def test_a_snapshot_can_be_loaded_again_and_a_loaded_guest_kept_once_more(vmm: Bench) -> None:
    launch = vmm.launch()
    files = snapshot(vmm, launch)
    other = MemoryFiles(files.state + "2", files.memory + "2")
    first = DRIVER.load(launch, files)
    DRIVER.pause(vmm.paths, VM_ID)
    DRIVER.snapshot(vmm.paths, VM_ID, other)
    vmm.stop(first, grace_s=0)
    for kept in (files, other):
        process = DRIVER.load(launch, kept)
        assert status(vmm, process) == "running"
        vmm.stop(process, grace_s=0)


def test_files_of_a_running_guest_may_be_unlinked(vmm: Bench) -> None:
    launch = vmm.launch()
    files = snapshot(vmm, launch)
    process = DRIVER.load(launch, files)
    for file in (files.state, files.memory):
        Path(file).unlink()
    assert status(vmm, process) == "running"
    vmm.stop(process, grace_s=60)


def test_only_a_paused_guest_is_kept(vmm: Bench) -> None:
    process = DRIVER.start(vmm.launch())
    with pytest.raises(DriverError, match="snapshot/create"):
        DRIVER.snapshot(vmm.paths, VM_ID, files_in(vmm))
    assert status(vmm, process) == "running"
    vmm.stop(process, grace_s=0)


def test_where_there_is_no_room_the_guest_stays_paused_and_can_be_resumed(vmm: Bench) -> None:
    process = DRIVER.start(vmm.launch())
    DRIVER.pause(vmm.paths, VM_ID)
    with pytest.raises(DriverError, match="snapshot/create"):
        DRIVER.snapshot(vmm.paths, VM_ID, MemoryFiles("/dev/full", str(vmm.root / "memory")))
    assert status(vmm, process) == "paused"
    DRIVER.resume(vmm.paths, VM_ID)
    assert status(vmm, process) == "running"
    vmm.stop(process, grace_s=0)


@pytest.mark.parametrize("spoilt", ["no state", "half a state", "no memory", "half the memory", "no disk"])
def test_a_load_that_fails_leaves_nothing(vmm: Bench, spoilt: str) -> None:
    launch = vmm.launch()
    files = snapshot(vmm, launch)
    what, _, thing = spoilt.partition(" ")
    path = Path({"disk": str(vmm.paths.disk(launch.spec.name))}.get(thing.split()[-1], ""))
    path = path if path.name else Path(files.state if thing.endswith("state") else files.memory)
    if what == "no":
        path.unlink()
    else:
        with path.open("rb+") as file:
            file.truncate(path.stat().st_size // 2)
    error = failure(vmm, launch, files)
    assert "PUT /snapshot/load" in error.message
    assert launch.spec.vm in error.message


def test_a_second_load_beside_a_running_guest_is_refused(vmm: Bench) -> None:
    launch = vmm.launch()
    files = snapshot(vmm, launch)
    process = DRIVER.load(launch, files)
    with pytest.raises(DriverError, match="runs already"):
        DRIVER.load(launch, files)
    assert status(vmm, process) == "running"
    vmm.stop(process, grace_s=0)


def test_the_program_knows_its_own_snapshots(vmm: Bench) -> None:
    launch = vmm.launch()
    files = snapshot(vmm, launch)
    assert DRIVER.snapshot_fault(launch.binary, files) == ""
    for wrong in ("/nowhere/firecracker", "/bin/true"):
        assert "does not say" in DRIVER.snapshot_fault(wrong, files)
    Path(files.state).write_bytes(b"something else")
    assert "cannot read" in DRIVER.snapshot_fault(launch.binary, files)


@pytest.mark.parametrize(
    ("reads", "well"), [("10.0.0", True), ("10.4.0", True), ("9.9.0", False), ("11.0.0", False)]
)
def test_a_program_of_another_series_says_so(
    netns: Namespace, monkeypatch: pytest.MonkeyPatch, reads: str, *, well: bool
) -> None:
    with bench(CASE, DRIVER) as fake:
        launch = fake.launch()
        files = snapshot(fake, launch)
        monkeypatch.setenv("FAKE_FC_FORMAT", reads)
        fault = DRIVER.snapshot_fault(launch.binary, files)
        assert fault == "" if well else f"format is 10.0.0, and {launch.binary} reads {reads}" in fault


@pytest.mark.parametrize("version", ["1.7.0", "1.14.0", "1.15.1", "1.16.0"])
def test_older_programs_load_as_well(netns: Namespace, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("FAKE_FC_VERSION", version)
    with bench(CASE, DRIVER) as fake:
        launch = fake.launch()
        process = DRIVER.load(launch, snapshot(fake, launch))
        assert status(fake, process) == "running"


def test_a_snapshot_without_the_time_is_loaded_without_it(
    netns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Firecracker refuses to move the guest's clock on where KVM did not note the time, and ends."""
    monkeypatch.setenv("FAKE_FC_NO_CLOCK", "1")
    with bench(CASE, DRIVER) as fake:
        launch = fake.launch()
        process = DRIVER.load(launch, snapshot(fake, launch))
        assert status(fake, process) == "running"


def test_qemu_has_no_snapshots_and_says_what_to_do() -> None:
    with pytest.raises(DriverError, match="qemu cannot") as caught:
        snapshotter("qemu")
    assert "vmm image snapshot" in caught.value.hint
