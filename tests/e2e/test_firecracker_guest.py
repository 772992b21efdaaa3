"""`vmm` with the real firecracker: an ordinary guest where KVM is usable, a halting one wherever /dev/kvm opens.

The halting guest has a kernel of a few instructions, which even a host whose KVM cannot run ordinary kernels
takes.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from case_firecracker import real_binary, real_missing
from lab import STORE, Lab, eventually, missing_for_guests
from tiny_kernel import write_tiny_kernel

from vmmcompose.host.kvm import kvm_usable

pytestmark = [pytest.mark.root, pytest.mark.guest]

GUEST = """
defaults: {hypervisor: firecracker, image: tiny, memory: 128MiB, disk: 64MiB}
vms:
  db: {}
  web:
    cpus: 2
    mounts: ["./site:site:ro", "./data:data:rw"]
    ports: ["8080:80"]
    depends_on: [db]
"""
HALTING = """
defaults: {hypervisor: firecracker, image: tiny, kernel: halting, memory: 64MiB, disk: 32MiB}
vms:
  one: {}
  two: {mounts: ["./site:site:ro"]}
"""


@pytest.fixture(scope="module")
def up() -> Iterator[Lab]:
    usable, reason = kvm_usable()
    missing = missing_for_guests() or ("" if real_binary() else "no real firecracker") or reason
    if missing or not usable:
        pytest.skip(missing)
    with Lab() as lab:
        lab.env["VMM_FIRECRACKER"] = real_binary()
        for folder, text in (("site", "a page\n"), ("data", "some data\n")):
            (lab.project / folder).mkdir()
            (lab.project / folder / "index.html").write_text(text)
        lab.write(GUEST)
        lab.vmm("up", "--timeout", "280")
        yield lab
        lab.vmm("down")
        assert lab.traces()["processes"] == []


def in_guest(lab: Lab, script: str, vm: str = "web") -> str:
    return lab.vmm("exec", vm, "--", "sh", "-c", script).stdout.strip()


def test_the_guest_is_as_the_manifest_says(up: Lab) -> None:
    assert up.record("web")["spec"]["driver"] == "firecracker"
    assert in_guest(up, "hostname") == "web"
    assert in_guest(up, "cat /mnt/site/index.html /mnt/data/index.html") == "a page\nsome data"
    assert in_guest(up, "nproc") == "2"
    assert in_guest(up, "touch /mnt/data/new && echo written") == "written"
    up.vmm("exec", "web", "--", "touch", "/mnt/site/new", code=1)
    assert in_guest(up, "ping -c 1 -w 10 db >/dev/null && echo reached") == "reached"
    up.vmm("plan", "--detailed-exitcode", code=0)


def test_a_forward_leads_into_it(up: Lab) -> None:
    """The image's own web server shows what is mounted."""
    assert up.get("http://127.0.0.1:8080/") == "a page\n"


def test_it_ends_when_asked_and_keeps_its_disk(up: Lab) -> None:
    in_guest(up, "echo kept > /root/kept && sync", "db")
    begin = time.monotonic()
    up.vmm("stop", "--grace", "200", "db")
    assert time.monotonic() - begin < 190, "the guest did not hear Ctrl+Alt+Del"
    up.vmm("up", "--timeout", "280")
    assert in_guest(up, "cat /root/kept", "db") == "kept"


@pytest.fixture
def halting() -> Iterator[Lab]:
    missing = missing_for_guests() or real_missing()
    if missing:
        pytest.skip(missing)
    with Lab() as lab:
        lab.env["VMM_FIRECRACKER"] = real_binary()
        images = lab.data / "images"
        images.unlink()
        (images / "kernels" / "halting").mkdir(parents=True)
        (images / "rootfs").symlink_to(Path(STORE) / "images" / "rootfs")
        write_tiny_kernel(images / "kernels" / "halting" / "vmlinux")
        (lab.project / "site").mkdir()
        lab.write(HALTING)
        yield lab


def test_the_whole_way_with_a_guest_that_halts(halting: Lab) -> None:
    lab = halting
    before = lab.traces()
    lab.vmm("up", "--no-wait")
    assert len(lab.traces()["processes"]) == 2
    lab.vmm("plan", "--detailed-exitcode", code=0)
    one, two = lab.pid("one"), lab.pid("two")
    assert os.readlink(f"/proc/{one}/exe") == str(Path(real_binary()).resolve())
    console = lab.data / "logs" / "lab-one" / "console.log"
    eventually(lambda: "tiny kernel: up" in console.read_text(), "the guest prints its line")

    os.kill(one, signal.SIGKILL)
    eventually(lambda: lab.vmm("plan", "--detailed-exitcode", code=None).returncode == 2, "the plan sees it")
    lab.vmm("up", "--no-wait")
    assert lab.pid("one") != one
    assert lab.pid("two") == two

    begin = time.monotonic()
    lab.vmm("stop", "--grace", "1")
    assert time.monotonic() - begin >= 1, "guests that do not react are given their time"
    assert lab.traces()["processes"] == []
    lab.vmm("down")
    assert lab.traces() == before
