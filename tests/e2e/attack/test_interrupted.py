"""Ctrl-C, `kill` and a closed terminal: one exit code, the guests keep running, the next command goes on."""

import os
import signal
import subprocess
import time

import pytest
from lab import Lab, eventually

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = "vms: {web: {image: tiny, memory: 128MiB, disk: 64MiB, ports: ['8080:80']}}"


def begin(lab: Lab, *args: str) -> subprocess.Popen[str]:
    """A command in a process group of its own, as a shell starts it."""
    with lab.net.inside():
        return subprocess.Popen(
            lab.command(*args),
            cwd=lab.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_up_is_interrupted_and_gone_on_with(lab: Lab, signum: signal.Signals) -> None:
    lab.write(MANIFEST)
    before = lab.traces()
    up = begin(lab, "up")
    eventually(lambda: bool(lab.traces()["processes"]), "the guest is started")
    os.killpg(up.pid, signum)
    said = up.communicate(timeout=60)[0]
    assert (up.returncode, "Traceback" in said) == (130, False), said
    assert "vmm: interrupted" in said
    pid = lab.pid("web")
    assert os.path.exists(f"/proc/{pid}/exe")
    lab.vmm("up")
    assert lab.pid("web") == pid
    lab.vmm("down")
    assert lab.traces() == before


def test_the_code_is_the_same_at_any_moment(lab: Lab) -> None:
    lab.write(MANIFEST)
    for moment in (0.03, 0.06, 0.09, 0.12, 0.15, 0.2):
        for signum in (signal.SIGINT, signal.SIGTERM):
            up = begin(lab, "up", "--no-wait")
            time.sleep(moment)
            os.killpg(up.pid, signum)
            said = up.communicate(timeout=60)[0]
            # The first hundredths of a second are Python's own: there a signal still ends it.
            assert up.returncode in (0, 130, -signum), said
            assert up.returncode != -signum or "interrupted" not in said
    lab.vmm("down")


def test_down_killed_at_any_moment_is_finished_by_the_next(lab: Lab) -> None:
    lab.write(MANIFEST)
    before = lab.traces()
    for moment in (0.2, 0.3, 0.4):
        lab.vmm("up", "--no-wait")
        down = begin(lab, "down", "--grace", "1")
        time.sleep(moment)
        down.kill()
        down.communicate()
        lab.vmm("down", "--grace", "0")
        assert lab.traces() == before, f"killed after {moment} s"
