"""Locks between real processes: one at a time, the holder named, freed by death."""

import os
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.errors import Locked
from vmmcompose.host.locks import hold

HOLDER = """
import sys
from pathlib import PurePosixPath
from vmmcompose.host.locks import hold
with hold(PurePosixPath(sys.argv[1]), "project shop"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> PurePosixPath:
    return PurePosixPath(tmp_path) / "state" / "project-shop.lock"


def start_holder(lock: PurePosixPath) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_who_waits_is_told_who_holds_it(lock: PurePosixPath) -> None:
    child = start_holder(lock)
    heard: list[str] = []
    with (
        pytest.raises(Locked, match=f"project shop is locked by pid {child.pid}"),
        hold(lock, "project shop", timeout_s=0.2, on_wait=heard.append),
    ):
        pytest.fail("two hold one lock")
    assert [f"pid {child.pid}" in words for words in heard] == [True]
    child.communicate("")


def test_a_killed_holder_blocks_nobody(lock: PurePosixPath) -> None:
    child = start_holder(lock)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with hold(lock, "project shop", timeout_s=0):
        pass


def test_a_lock_is_free_after_its_block_and_after_an_error_in_it(lock: PurePosixPath) -> None:
    with pytest.raises(ZeroDivisionError), hold(lock, "it"):
        raise ZeroDivisionError
    with hold(lock, "it", timeout_s=0):
        pass
