"""`vmm uninstall` on a host that others use too: ours goes, theirs stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from lab import STORE, Lab, missing_for_guests

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]
MANIFEST = """
defaults: {image: tiny, memory: 128MiB}
vms:
  web: {ports: ["8080:80"]}
"""
THEIRS = (
    "-A FORWARD -s 172.16.0.0/24 -j ACCEPT",
    "-A PREROUTING -p tcp -m tcp --dport 443 -j DNAT --to-destination 172.16.0.9:443",
    "-A VMM-PRE-other0 -j RETURN",
)


@pytest.fixture
def shared() -> Iterator[tuple[Lab, subprocess.Popen[bytes]]]:
    """A host with a project up, and links, rules, a process and files of others that look much like ours."""
    with Lab() as lab:
        (lab.data / "images").unlink()  # a link to the tests' store: a copy of our own may be removed
        for part in ("rootfs/tiny.ext4", "rootfs/tiny.json"):
            target = lab.data / "images" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "--sparse=always", f"{STORE}/images/{part}", target], check=True)
        shutil.copytree(f"{STORE}/images/kernels", lab.data / "images" / "kernels", symlinks=True)
        lab.run("ip", "link", "add", "vmm-br9", "type", "bridge")
        lab.run("ip", "tuntap", "add", "vmm-0123456789a", "mode", "tap")
        lab.run("ip", "tuntap", "add", "vmm-other", "mode", "tap")
        lab.run("ip", "link", "set", "vmm-other", "alias", "vmm:aaaaaaaaaaaa", "master", "vmm-br9")
        for chain, rule in (("filter", THEIRS[0]), ("nat", THEIRS[1])):
            lab.run("iptables", "-t", chain, *rule.split())
        lab.run("iptables", "-t", "nat", "-N", "VMM-PRE-other0")
        lab.run("iptables", "-t", "nat", *THEIRS[2].split())
        lab.write(MANIFEST)
        lab.vmm("up")
        (lab.data / "notes.txt").write_text("mine")
        (lab.data / "images" / "rootfs" / "ubuntu.ext4").write_text("another tool's, without a sidecar")
        argv = ["firecracker", "--api-sock", f"{lab.root}/elsewhere/0123456789ab.sock", "300"]
        stranger = subprocess.Popen(["bash", "-c", 'exec -a "$0" sleep infinity', " ".join(argv)])
        try:
            yield lab, stranger
        finally:
            stranger.kill()
            stranger.wait()


def theirs_is_there(lab: Lab, stranger: subprocess.Popen[bytes]) -> None:
    left = lab.traces()
    assert left["links"] == ["lo", "vmm-0123456789a", "vmm-br9", "vmm-other"]
    assert sorted(left["rules"]) == sorted([*THEIRS, ":VMM-PRE-other0 - [0:0]"])
    assert stranger.poll() is None


def test_everything_of_ours_goes_and_nothing_else(shared: tuple[Lab, subprocess.Popen[bytes]]) -> None:
    lab, stranger = shared
    refused = lab.vmm("uninstall", code=1)
    assert "VM lab-web is shut down" in refused.stderr
    assert "nobody can be asked here" in refused.stderr
    assert lab.vmm("exec", "web", "--", "echo", "here").stdout == "here\n"

    lab.vmm("uninstall", "--yes")
    theirs_is_there(lab, stranger)
    assert (lab.data / "vms" / "lab-web" / "root.ext4").exists()
    assert "nothing to do" in lab.vmm("uninstall", "--yes").stderr

    lab.vmm("up")
    shown = lab.vmm("uninstall", "--purge", code=1).stderr
    assert "VM lab-web with its disks (" in shown
    assert "images/rootfs/tiny.ext4 (" in shown
    assert "ubuntu.ext4" not in shown
    done = lab.vmm("uninstall", "--purge", "--yes")
    theirs_is_there(lab, stranger)
    files = sorted(str(path.relative_to(lab.data)) for path in lab.data.rglob("*") if path.is_file())
    assert files == ["images/rootfs/ubuntu.ext4", "notes.txt"]
    assert "notes.txt" in done.stderr
    assert "nothing to do" in lab.vmm("uninstall", "--purge", "--yes").stderr


def test_it_goes_on_where_it_was_killed(shared: tuple[Lab, subprocess.Popen[bytes]]) -> None:
    lab, stranger = shared
    for pause in (0.35, 0.5, 0.8, 1.2):
        running = lab.start("uninstall", "--purge", "--yes", "--grace", "1")
        time.sleep(pause)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    lab.vmm("uninstall", "--purge", "--yes")
    theirs_is_there(lab, stranger)
    assert sorted(os.listdir(lab.data)) == ["images", "notes.txt"]


def test_another_data_folders_vms_run_on(shared: tuple[Lab, subprocess.Popen[bytes]]) -> None:
    lab, _ = shared
    other = lab.root / "other"
    with lab.net.inside():
        command = [
            sys.executable,
            "-m",
            "vmmcompose",
            "--data-dir",
            str(other),
            "uninstall",
            "--purge",
            "--yes",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, "nothing to do" in done.stderr) == (0, True)
    assert not other.exists()
    assert lab.vmm("exec", "web", "--", "echo", "here").stdout == "here\n"
    assert lab.get("http://127.0.0.1:8080/")


def test_a_damaged_record_is_told_before_anything_is_removed(
    shared: tuple[Lab, subprocess.Popen[bytes]],
) -> None:
    lab, _ = shared
    (lab.data / "vms" / "lab-old.json").write_text(json.dumps({"schema_version": 1}))
    assert "the record of VM lab-old" in lab.vmm("uninstall", "--purge", "--yes", code=1).stderr
    assert lab.vmm("exec", "web", "--", "echo", "here").stdout == "here\n"
