"""Work in a process of its own: what comes back from it, and who hears a signal meanwhile."""

import errno
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vmmcompose.errors import HostError, Refused
from vmmcompose.model.problem import Problem
from vmmcompose.watch.apart import apart


def test_what_it_returns_comes_back_and_what_it_loads_stays_there() -> None:
    def work() -> tuple[int, bool]:
        sys.modules["loaded_there"] = sys
        return os.getpid(), True

    pid, done = apart(work)
    assert done
    assert pid != os.getpid()
    assert "loaded_there" not in sys.modules


def test_errors_come_back_with_their_hints_and_problems() -> None:
    def work() -> None:
        raise Refused("no", hint="do that", problems=[Problem("code", "message")])

    with pytest.raises(Refused) as caught:
        apart(work)
    assert (caught.value.message, caught.value.hint) == ("no", "do that")
    assert caught.value.problems == (Problem("code", "message"),)


def test_one_that_is_killed_is_an_error() -> None:
    with pytest.raises(HostError, match="killed"):
        apart(lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_no_process_and_no_descriptor_is_left() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        apart(lambda: None)
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


SCRIPT = """
import signal, time
from vmmcompose.watch.apart import apart
got = []
signal.signal(signal.SIGTERM, lambda *_: got.append(1))
def work():
    there = []
    signal.signal(signal.SIGTERM, lambda *_: there.append(1))
    print("ready", flush=True)
    deadline = time.monotonic() + 10
    while not there and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    return len(there)
print(apart(work), len(got), flush=True)
"""


def test_a_signal_is_heard_by_both_and_what_is_done_is_finished_first() -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.stdout.readline() == "1 1\n"
    assert process.wait(10) == 0


WAITING = """
import signal, time
from vmmcompose.errors import Interrupted
from vmmcompose.watch.apart import apart
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
def work():
    print("ready", flush=True)
    time.sleep(60)
try:
    apart(work)
except Interrupted:
    print("interrupted", len(got), flush=True)
"""


def test_work_that_only_waits_ends_at_once() -> None:
    """As for a lock that another vmm holds. Ctrl-C reaches both processes, and the other one twice."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "interrupted 1\n"
    assert process.wait(10) == 0


def test_a_host_without_room_for_a_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(HostError, match="temporarily unavailable"):
        apart(lambda: None)
    assert len(os.listdir("/proc/self/fd")) == before


def test_other_threads_do_no_harm() -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            time.sleep(0)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert [apart(lambda: 7) for _ in range(20)] == [7] * 20
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_something_else_is_done_until_the_answer_is_there(tmp_path: Path) -> None:
    may_end = tmp_path / "may_end"
    os.mkfifo(may_end)
    waited: list[int] = []

    def meanwhile(answers: int) -> None:
        if not waited:
            may_end.write_text("go")
        waited.append(answers)
        select.select([answers], [], [])

    assert apart(may_end.read_text, meanwhile) == "go"
    assert waited


def test_what_fails_meanwhile_leaves_no_process(tmp_path: Path) -> None:
    def meanwhile(_answers: int) -> None:
        raise HostError("too many folders")

    with pytest.raises(HostError, match="folders"):
        apart(lambda: time.sleep(0.1), meanwhile)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
