"""VMs of baremetalvmm, as it leaves them behind, become ours with what is on their disks."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import STORE, Lab, missing_for_guests
from old_records import old_record

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]


@pytest.fixture
def old() -> Iterator[Lab]:
    with Lab() as lab:
        (lab.root / "code").mkdir()
        (lab.root / "code" / "index.html").write_text("from the old days\n")
        record = old_record(lab, "my_vm")
        shutil.copyfile(Path(STORE) / "images" / "rootfs" / "tiny.ext4", record["rootfs_path"])
        (lab.root / "precious").write_text("kept")
        write = f"write {lab.root}/precious /precious"
        subprocess.run(["debugfs", "-w", "-R", write, record["rootfs_path"]], check=True, capture_output=True)
        yield lab


def test_a_stopped_vm_is_taken_over_with_all_it_has(old: Lab) -> None:
    listed = old.vmm("list")
    assert "my_vm: a VM of baremetalvmm, left alone" in listed.stderr
    done = old.vmm("adopt")
    assert done.stdout == "my-vm\n"
    assert "vmm autostart enable my-vm" in done.stderr
    old.vmm("start", "my-vm")
    (row,) = json.loads(old.vmm("list", "--json").stdout)["vms"]
    assert (row["name"], row["ip"], row["state"]) == ("my-vm", "172.16.0.9", "running")
    assert old.vmm("exec", "my-vm", "--", "cat", "/precious").stdout == "kept"
    assert old.get("http://127.0.0.1:8085/") == "from the old days\n"
    left = sorted(path.name for path in (old.data / "vms").iterdir())
    assert left == ["my-vm", "my-vm.json"]
    assert json.loads((old.data / "vms" / "my-vm" / "baremetalvmm.json").read_text())["name"] == "my_vm"
    assert "there are no VMs of baremetalvmm" in old.vmm("adopt", code=1).stderr


def test_a_running_vm_is_left_alone(old: Lab) -> None:
    socket = f"{old.data}/sockets/my_vm.sock"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", socket]) as firecracker:
        try:
            old_record(old, "my_vm", pid=firecracker.pid)
            before = (old.data / "vms" / "my_vm.json").read_bytes()
            done = old.vmm("adopt", code=1)
        finally:
            firecracker.kill()
    assert "my_vm run under baremetalvmm" in done.stderr
    assert (old.data / "vms" / "my_vm.json").read_bytes() == before


def test_a_manifest_for_them_is_a_manifest(old: Lab) -> None:
    old_record(old, "broken", cpus="two")
    done = old.vmm("adopt", "--print")
    assert "broken.json is not understood" in done.stderr
    (old.project / "vmm.yaml").write_text(done.stdout)
    plan = json.loads(old.vmm("plan", "--json", code=None).stdout)
    assert plan["project"] == "moved"
    assert [problem["code"] for problem in plan["problems"] if problem["severity"] == "error"] == ["no-image"]
    assert sorted(path.name for path in (old.data / "vms").iterdir()) == [
        "broken.json",
        "my_vm.ext4",
        "my_vm.json",
    ]


def test_an_interrupted_take_over_is_finished_by_the_next(old: Lab) -> None:
    """Killed after the disk got its second name: the old record is still there, and says so."""
    folder = old.data / "vms" / "my-vm"
    folder.mkdir()
    (folder / "root.ext4").hardlink_to(old.data / "vms" / "my_vm.ext4")
    old.vmm("adopt", "my_vm")
    assert sorted(path.name for path in (old.data / "vms").iterdir()) == ["my-vm", "my-vm.json"]


def test_an_address_that_is_taken_or_elsewhere_is_said(old: Lab) -> None:
    old_record(old, "my_vm", ip_address="10.9.9.9")
    assert "it gets another" in old.vmm("adopt").stderr
    assert json.loads(old.vmm("list", "--json").stdout)["vms"][0]["ip"] == "172.16.0.2"


def test_a_refused_take_over_leaves_everything_as_it_was(old: Lab) -> None:
    mount = {"host_path": f"{old.root}/gone", "guest_tag": "gone", "read_only": False}
    record = old_record(old, "my_vm", mounts=[mount])
    before = (old.data / "vms" / "my_vm.json").read_bytes()
    assert f"{old.root}/gone does not exist" in old.vmm("adopt", code=1).stderr
    assert sorted(path.name for path in (old.data / "vms").iterdir()) == ["my_vm.ext4", "my_vm.json"]
    assert (old.data / "vms" / "my_vm.json").read_bytes() == before
    assert Path(record["rootfs_path"]).stat().st_nlink == 1
