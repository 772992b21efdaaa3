"""A process of several threads, such as a VMM, ends with the last of them and not with the first."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmmcompose.host.process import alive, exited, identify, open_pidfd, wait_gone

FIRST_THREAD_ENDS = """
import ctypes, sys, threading
threading.Thread(target=sys.stdin.readline).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall(60, 0)
"""
"""System call 60 of x86-64 is exit, which ends the calling thread alone."""


def until_zombie(pid: int) -> None:
    for _ in range(500):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    pytest.fail("the first thread did not end")


def test_a_zombie_whose_other_threads_run_is_alive() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FIRST_THREAD_ENDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        process = identify(child.pid)
        assert process is not None
        child.stdout.readline()
        until_zombie(child.pid)
        assert alive(process)
        assert identify(child.pid) == process
        assert not wait_gone(process, 0)
        pidfd = open_pidfd(process)
        assert pidfd is not None
        assert not exited(pidfd, 0)
        child.stdin.close()
        assert exited(pidfd, 10)
        assert not alive(process)
        assert wait_gone(process, 0)
        os.close(pidfd)
