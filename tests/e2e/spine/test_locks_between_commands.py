"""Two commands on one project take turns and the waiting one says whom it waits for; two projects do not wait.

With the stand-in for Firecracker: it is the commands that meet here and not the guests.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host

pytestmark = pytest.mark.root

HOLDER = """
import fcntl, sys
with open(sys.argv[1], "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        lab.write(DEFAULTS + "vms: {web: {}}\n")
        (lab.root / "blog").mkdir()
        (lab.root / "blog" / "vmm.yaml").write_text(DEFAULTS + "vms: {www: {}}\n")
        lab.vmm("down")  # makes the folder of the locks
        yield lab


@contextmanager
def host_busy(lab: Lab) -> Iterator[None]:
    """Meanwhile somebody holds the host's own lock, so that a command that has its project's goes no further."""
    lock = str(lab.data / "state" / "host.lock")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.communicate("")


def test_two_ups_of_one_project_take_turns_and_the_waiting_one_names_the_holder(host: Lab) -> None:
    lock = host.data / "state" / "project-lab.lock"
    with host_busy(host):
        first = host.start("up", "--no-wait")
        eventually(lambda: f"pid {first.pid}" in lock.read_text(), "the first has the lock")
        second = host.start("up", "--no-wait")
        assert second.stdout is not None
        said = second.stdout.readline()
        refused = host.vmm("up", "--lock-timeout", "0", code=75).stderr
        host.vmm("down", "--lock-timeout", "0.5", code=75)  # the first still has it
    words = rf"pid {first.pid} \(vmm --data-dir .* up --no-wait\)"
    assert re.match(rf"waiting for {words}, which works on project lab\n", said)
    assert re.search(rf"project lab is locked by {words}", refused)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert first.stdout is not None
    assert "1 VM created" in first.stdout.read()
    assert "nothing to do: 1 VM as the manifest says" in second.stdout.read()


def test_another_project_does_not_wait(host: Lab) -> None:
    first = host.start("up", "--timeout", "20")  # nobody answers there
    eventually(lambda: "waiting for an answer" in host.vmm("events").stdout, "the first waits for its guest")
    host.vmm("-f", str(host.root / "blog"), "up", "--no-wait")
    assert first.poll() is None, "the second came up while the first was at work"
    first.terminate()
    first.wait(60)
    assert "interrupted" in host.vmm("history").stdout


def test_events_are_followed_across_processes_and_end_with_ctrl_c(host: Lab) -> None:
    follower = host.start("events", "-f", "--since", datetime.now(UTC).isoformat())
    host.vmm("up", "--no-wait")
    host.vmm("-f", str(host.root / "blog"), "up", "--no-wait")
    assert follower.stdout is not None
    seen = [follower.stdout.readline() for _ in range(4)]
    assert re.search(r"  lab run [0-9a-f]{12} begun: 2 create\n", seen[0])
    last = ""
    while "blog run" not in last or " done" not in last:
        last = follower.stdout.readline()
        seen.append(last)
    assert any("blog www: starting, done" in line for line in seen)
    follower.send_signal(2)
    assert follower.wait(10) == 130
    assert "Traceback" not in follower.stdout.read()
