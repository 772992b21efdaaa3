"""Processes by boot, pid and start time, on real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from other_user import as_nobody, skip_unless_others_can_run

from vmmcompose.errors import HostError
from vmmcompose.host.process import (
    alive,
    boot_id,
    exited,
    identify,
    open_pidfd,
    signal_process,
    spawn,
    wait_gone,
)
from vmmcompose.model.record import Process


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    process = spawn(["sleep", "300"], log_path=str(tmp_path / "log"))
    yield process
    signal_process(process, signal.SIGKILL)
    assert wait_gone(process, 10)


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def until_zombie(pid: int) -> None:
    for _ in range(500):
        if state_of(pid) == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} did not end")


def test_this_process_is_itself() -> None:
    mine = identify(os.getpid())
    assert mine is not None
    assert mine.boot_id == boot_id()
    assert alive(mine)


def test_a_command_name_with_brackets_and_spaces_does_not_mislead(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    plain = spawn(["/bin/sleep", "300"], log_path=str(tmp_path / "log"))
    process = spawn([str(odd), "300"], log_path=str(tmp_path / "log"))
    try:
        for _ in range(500):
            if ") R 1 (b" in Path(f"/proc/{process.pid}/comm").read_text():
                break
            time.sleep(0.01)
        else:
            pytest.fail("the name was not taken")
        found = identify(process.pid)
        assert found == process
        assert abs(process.start_time - plain.start_time) < 500
    finally:
        for one in (plain, process):
            signal_process(one, signal.SIGKILL)
            assert wait_gone(one, 10)


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "another boot"}, {"pid": -1}, {"pid": 0}])
def test_a_process_that_differs_in_one_thing_is_another_one(
    sleeper: Process, change: dict[str, int | str]
) -> None:
    other = replace(sleeper, **change)  # type: ignore[arg-type]
    assert not alive(other)
    assert open_pidfd(other) is None
    assert signal_process(other, signal.SIGKILL) is False
    assert wait_gone(other, 0)
    assert alive(sleeper)


def test_a_reused_pid_is_told_apart(tmp_path: Path) -> None:
    """The kernel is told which pid to give next, so that a second process gets the first one's."""
    last_pid = Path("/proc/sys/kernel/ns_last_pid")
    if not os.access(last_pid, os.W_OK):
        pytest.skip("/proc/sys/kernel/ns_last_pid is not writable (takes root and CONFIG_CHECKPOINT_RESTORE)")
    first = spawn(["sleep", "300"], log_path=str(tmp_path / "log"))
    signal_process(first, signal.SIGKILL)
    assert wait_gone(first, 10)
    time.sleep(0.05)  # start times are counted in hundredths of a second
    for _ in range(50):
        last_pid.write_text(str(first.pid - 1))
        second = spawn(["sleep", "300"], log_path=str(tmp_path / "log"))
        try:
            if second.pid != first.pid:
                continue  # another process of this machine was quicker
            assert not alive(first)
            assert signal_process(first, signal.SIGKILL) is False
            assert wait_gone(first, 0)
            assert alive(second)
            return
        finally:
            signal_process(second, signal.SIGKILL)
            assert wait_gone(second, 10)
    pytest.skip("the pid was never given again")


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    """A VMM whose starter still runs, and has not waited for it, must not look alive."""
    process = spawn(["sleep", "300"], log_path=str(tmp_path / "log"))
    os.kill(process.pid, signal.SIGKILL)
    until_zombie(process.pid)
    assert not alive(process)
    assert identify(process.pid) is None
    assert signal_process(process, signal.SIGTERM) is False
    assert wait_gone(process, 0)
    assert state_of(process.pid) == "", "it was not reaped"


def test_spawning_reaps_those_that_ended_before(tmp_path: Path) -> None:
    first = spawn(["true"], log_path=str(tmp_path / "log"))
    until_zombie(first.pid)
    second = spawn(["true"], log_path=str(tmp_path / "log"))
    assert state_of(first.pid) == ""
    assert wait_gone(second, 10)


def test_a_child_that_ends_at_once_is_still_known(tmp_path: Path) -> None:
    for _ in range(50):
        process = spawn(["true"], log_path=str(tmp_path / "log"))
        assert process.start_time > 0
        assert wait_gone(process, 10)


def test_waiting_ends_with_the_process_or_the_time(sleeper: Process) -> None:
    assert not wait_gone(sleeper, 0.05)
    pidfd = open_pidfd(sleeper)
    assert pidfd is not None
    assert not exited(pidfd, 0)
    assert signal_process(sleeper, signal.SIGTERM)
    assert exited(pidfd, 10)
    os.close(pidfd)
    assert wait_gone(sleeper, 10)


def test_spawned_processes_stand_alone(tmp_path: Path) -> None:
    leaked = os.open(tmp_path / "leaked", os.O_CREAT | os.O_WRONLY)
    os.set_inheritable(leaked, True)
    script = (
        "import os, time; print(os.umask(0), os.getcwd(), sorted(os.listdir('/proc/self/fd')), flush=True)"
    )
    log, console = tmp_path / "log", tmp_path / "console"
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        process = spawn(
            [sys.executable, "-c", f"{script}; os.write(2, b'bad news'); time.sleep(60)"],
            log_path=str(log),
            console_path=str(console),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        os.close(leaked)
    try:
        for _ in range(500):
            if log.exists() and log.read_text() == "bad news":
                break
            time.sleep(0.01)
        # The fourth descriptor is the listing's own.
        assert console.read_text() == "63 / ['0', '1', '2', '3']\n"
        assert log.read_text() == "bad news"
        assert os.getsid(process.pid) == process.pid
        assert os.readlink(f"/proc/{process.pid}/fd/0") == "/dev/null"
        assert {path.stat().st_mode & 0o777 for path in (log, console)} == {0o600}
    finally:
        signal_process(process, signal.SIGKILL)
        assert wait_gone(process, 10)


def test_logs_are_appended_to_and_never_through_a_symlink(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("one", "two"):
        assert wait_gone(spawn(["echo", word], log_path=str(log)), 10)
    assert log.read_text() == "one\ntwo\n"
    (tmp_path / "link").symlink_to(log)
    with pytest.raises(HostError, match="link"):
        spawn(["echo", "three"], log_path=str(tmp_path / "link"))
    assert log.read_text() == "one\ntwo\n"


def test_a_missing_program_is_an_error_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="/nowhere/program cannot be started: No such file"):
        spawn(["/nowhere/program"], log_path=str(tmp_path / "log"))


@pytest.mark.root
def test_another_user_sees_roots_process_and_may_not_end_it(sleeper: Process) -> None:
    head = f"""
from vmmcompose.errors import HostError
from vmmcompose.host.process import *
from vmmcompose.model.record import Process
process = Process({sleeper.pid}, {sleeper.start_time}, {sleeper.boot_id!r})
"""
    assert as_nobody(f"{head}print(alive(process), wait_gone(process, 0))") == "True False"
    end = "try: signal_process(process, 15)\nexcept HostError as error: print(error.message)"
    assert "may not be signalled" in as_nobody(head + end)
    assert alive(sleeper)


# A new mount of proc: remounting the one that is there would change the machine's own.
HIDE = 'mount -t proc -o hidepid=2 proc /proc && exec "$0" -c "$1"'


@pytest.mark.root
def test_a_process_hidden_by_hidepid_counts_as_alive(sleeper: Process) -> None:
    """In a mount namespace of its own, /proc is mounted so that others' processes do not show."""
    skip_unless_others_can_run()
    mounts = Path("/proc/mounts").read_text()
    program = f"""
import os
from vmmcompose.host.process import *
from vmmcompose.model.record import Process
os.setgroups([]); os.setgid(65534); os.setuid(65534)
process = Process({sleeper.pid}, {sleeper.start_time}, boot_id())
assert identify({sleeper.pid}) is None
print(alive(process), alive(Process(2 ** 22 - 1, 1, boot_id())))
"""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", HIDE, sys.executable, program],
        capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    if "mount" in done.stderr:
        pytest.skip("/proc cannot be mounted with hidepid here")
    assert done.stdout.strip() == "True False", done.stderr
    assert Path("/proc/mounts").read_text() == mounts
