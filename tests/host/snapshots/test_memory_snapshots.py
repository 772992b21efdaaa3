"""Snapshots of a VM with real files and a stand-in for firecracker: kept whole or not at all, and it runs on."""

import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from case_firecracker import CASE
from driver_case import VM_ID, Bench, bench
from namespaces import Namespace

from vmmcompose.apply.snapshots import Taken, take_snapshot
from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
from vmmcompose.errors import HostError, Interrupted, NoSpace, VmmError
from vmmcompose.host import records, snapshots, stored
from vmmcompose.host.files import remove_tree
from vmmcompose.model.desired import Attachment, Mount
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.snapshot import Snapshot, UnreadableSnapshot

pytestmark = pytest.mark.root

DRIVER = FirecrackerDriver()
MIB = 1 << 20


@dataclass
class Vm:
    """A running VM with a mount, and its record."""

    vmm: Bench
    name: str
    process: Process

    @property
    def paths(self) -> Paths:
        return self.vmm.paths

    @property
    def status(self) -> str:
        return DRIVER.probe(self.paths, VM_ID, self.process)

    @property
    def record(self) -> Record:
        record = records.read_record(self.paths, self.name)
        assert isinstance(record, Record)
        return record

    def take(self, snapshot: str = "kept") -> Taken:
        return take_snapshot(self.paths, self.name, snapshot, lambda _words: None)

    def folders(self) -> list[str]:
        folder = Path(self.paths.snapshots(self.name))
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def runs_on_without_a_snapshot(self) -> None:
        assert self.status == "running"
        assert self.record.state == "running"
        assert self.folders() == []


@pytest.fixture
def vm(netns: Namespace) -> Iterator[Vm]:
    with bench(CASE, DRIVER) as vmm:
        launch = vmm.launch()
        spec = replace(
            launch.spec,
            mounts=(Mount("site", "/srv/site", "ro"),),
            ip="127.0.0.9",
            env=(("TOKEN", "s3cret"),),
        )
        disk = Path(vmm.paths.disk(spec.name))
        with disk.open("r+b") as file:
            file.write(b"root" * 1024)
        disk.with_name("root.json").write_text("{}")
        image = Path(vmm.paths.mount(spec.name, "site"))
        image.parent.mkdir(parents=True)
        image.write_bytes(b"site" * MIB)
        image.with_suffix(".json").write_text('{"source": "/srv/site"}')
        image.with_name("old.ext4").write_bytes(b"a tag no longer there")
        process = DRIVER.start(replace(launch, spec=spec))
        records.write_record(vmm.paths, Record(spec, "running", process, created="2026-01-01T00:00:00Z"))
        yield Vm(vmm, spec.name, process)


def test_everything_of_a_vm_is_kept_and_it_runs_on(vm: Vm) -> None:
    taken = vm.take()
    assert taken.paused_s > 0
    assert vm.status == "running"
    assert vm.record.state == "running"
    folder = Path(vm.paths.snapshot(vm.name, "kept"))
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == [
        "memory",
        "mounts/site.ext4",
        "mounts/site.json",
        "root.ext4",
        "root.json",
        "secrets.json",
        "snapshot.json",
        "state",
    ]
    for file, source in (
        ("root.ext4", vm.paths.disk(vm.name)),
        ("mounts/site.ext4", vm.paths.mount(vm.name, "site")),
    ):
        assert (folder / file).read_bytes() == Path(source).read_bytes()
    assert (folder / "root.ext4").stat().st_blocks * 512 < MIB, "a hole was filled"
    assert (folder / "memory").stat().st_size == vm.record.spec.memory_mib * MIB
    (found,) = snapshots.read_snapshots(vm.paths, vm.name)
    assert found == taken.snapshot
    assert found.record == replace(vm.record, process=None)


def test_what_is_secret_is_for_root_alone(vm: Vm) -> None:
    vm.take()
    folder = Path(vm.paths.snapshot(vm.name, "kept"))
    for name in ("memory", "state", "secrets.json", "root.ext4", "mounts/site.ext4"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name
    assert "s3cret" not in (folder / "snapshot.json").read_text()


def test_a_paused_vm_stays_paused(vm: Vm) -> None:
    DRIVER.pause(vm.paths, VM_ID)
    records.write_record(vm.paths, replace(vm.record, state="paused"))
    assert vm.take().paused_s == 0
    assert vm.status == "paused"
    assert vm.record.state == "paused"


def test_a_second_one_of_that_name_is_refused_and_the_first_stays(vm: Vm) -> None:
    first = vm.take()
    with pytest.raises(VmmError, match="has a snapshot kept already"):
        vm.take()
    assert snapshots.read_snapshots(vm.paths, vm.name) == (first.snapshot,)


def test_a_vm_that_does_not_run_has_nothing_to_keep(vm: Vm) -> None:
    vm.vmm.stop(vm.process, grace_s=0)
    with pytest.raises(VmmError, match="does not run"):
        vm.take()
    assert vm.folders() == []


def test_what_cannot_be_kept_is_not_begun(vm: Vm) -> None:
    for words, spec in (
        ("MiB free", replace(vm.record.spec, memory_mib=1 << 30)),
        ("has volumes", replace(vm.record.spec, volumes=(Attachment("data", "/data"),))),
    ):
        records.write_record(vm.paths, replace(vm.record, spec=spec))
        with pytest.raises(VmmError, match=words):
            vm.take()
        vm.runs_on_without_a_snapshot()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk: this process cannot write beyond `size` bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_while_copying(vm: Vm) -> None:
    with files_of_at_most(2 * MIB), pytest.raises(NoSpace):
        vm.take()
    vm.runs_on_without_a_snapshot()
    vm.take()


def test_a_disk_so_full_that_not_even_the_record_can_be_written(
    vm: Vm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The half-made snapshot goes, and makes the room in which the record says that the VM runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(words: str) -> None:
        if words.startswith("copying"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))

    def make_room(path: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        remove_tree(path)

    monkeypatch.setattr("vmmcompose.apply.snapshots.remove_tree", make_room)
    with pytest.raises(NoSpace):
        take_snapshot(vm.paths, vm.name, "kept", fill_up)
    vm.runs_on_without_a_snapshot()


def test_a_vmm_that_cannot_write_the_memory(vm: Vm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MEMORY", "no/such/folder")
    with pytest.raises(HostError, match="snapshot/create"):
        vm.take()
    vm.runs_on_without_a_snapshot()


@pytest.mark.parametrize("at", ["writing", "copying"])
def test_ctrl_c_waits_for_the_moment_and_leaves_nothing(vm: Vm, at: str) -> None:
    def press(words: str) -> None:
        if words.startswith(at):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        take_snapshot(vm.paths, vm.name, "kept", press)
    vm.runs_on_without_a_snapshot()


@pytest.mark.parametrize("at", ["writing", "copying"])
def test_killed_in_the_middle_the_vm_is_known_to_be_paused(vm: Vm, at: str) -> None:
    """What is left is swept, and whoever resumes paused VMs resumes this one."""
    child = os.fork()
    if child == 0:

        def die(words: str) -> None:
            if words.startswith(at):
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            take_snapshot(vm.paths, vm.name, "kept", die)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert (vm.record.state, vm.status) == ("paused", "paused")
    assert snapshots.read_snapshots(vm.paths, vm.name) == ()
    left = [path for path in stored.leftovers(vm.paths) if "/snapshots/" in path]
    assert [Path(path).name for path in left] == [f"kept.tmp.{child}"]


def test_deleting_leaves_the_others_and_in_the_end_no_folder(vm: Vm) -> None:
    for name in ("a", "b"):
        vm.take(name)
    snapshots.delete_snapshot(vm.paths, vm.name, "a")
    assert vm.folders() == ["b"]
    snapshots.delete_snapshot(vm.paths, vm.name, "a")
    snapshots.delete_snapshot(vm.paths, vm.name, "b")
    assert not Path(vm.paths.snapshots(vm.name)).exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema_version": 2}', '{"schema_version": 1, "name": 5}', "\xff", "[" * 99999]
)
def test_a_broken_description_is_told_and_can_be_deleted(vm: Vm, text: str) -> None:
    good = vm.take("good").snapshot
    vm.take("bad")
    Path(vm.paths.snapshot(vm.name, "bad") / "snapshot.json").write_text(text, encoding="latin-1")
    bad, other = snapshots.read_snapshots(vm.paths, vm.name)
    assert isinstance(bad, UnreadableSnapshot)
    assert isinstance(other, Snapshot)
    assert (bad.name, other) == ("bad", good)
    snapshots.delete_snapshot(vm.paths, vm.name, "bad")
    assert vm.folders() == ["good"]


def staged(vm: Vm) -> list[Path]:
    return [path for path in Path(vm.paths.root).rglob("*") if ".tmp." in path.name]


def test_disks_go_back_in_two_moves(vm: Vm) -> None:
    kept = vm.take().snapshot
    disk, image = Path(vm.paths.disk(vm.name)), Path(vm.paths.mount(vm.name, "site"))
    before = disk.read_bytes(), image.read_bytes()
    disk.write_bytes(b"new")
    image.write_bytes(b"new")
    disk.with_name("root.json").write_text('{"image": "another"}')
    snapshots.stage_disks(vm.paths, vm.name, kept, lambda: None)
    assert (disk.read_bytes(), image.read_bytes()) == (b"new", b"new")
    snapshots.put_in_place(vm.paths, vm.name, kept)
    assert (disk.read_bytes(), image.read_bytes()) == before
    assert disk.with_name("root.json").read_text() == "{}"
    assert staged(vm) == []
    assert Path(vm.paths.snapshot(vm.name, "kept") / "root.ext4").read_bytes() == before[0]


def test_a_disk_that_fills_up_on_the_way_back_changes_nothing(vm: Vm) -> None:
    kept = vm.take().snapshot
    disk = Path(vm.paths.disk(vm.name))
    disk.write_bytes(b"new")
    with files_of_at_most(2 * MIB), pytest.raises(NoSpace):
        snapshots.stage_disks(vm.paths, vm.name, kept, lambda: None)
    assert disk.read_bytes() == b"new"
    assert staged(vm) == []


def test_a_snapshot_without_a_disk_is_no_way_back(vm: Vm) -> None:
    kept = vm.take().snapshot
    Path(vm.paths.snapshot(vm.name, "kept") / "mounts" / "site.ext4").unlink()
    with pytest.raises(HostError, match=r"site\.ext4"):
        snapshots.stage_disks(vm.paths, vm.name, kept, lambda: None)
    assert staged(vm) == []
