"""Processes known beyond doubt: by boot, pid and start time, and signalled through a pidfd only.

A pid alone may belong to somebody else by the time it is used. So a process is remembered with its start
time (field 22 of /proc/PID/stat, proc_pid_stat(5)) and the boot it was seen in, and the start time is read
again after a pidfd is open: from then on the descriptor cannot come to mean another process (pidfd_open(2)).
"""

import errno
import functools
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.model.observed import VmProcess
from vmmcompose.model.record import Process

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ZOMBIE, _DEAD = b"Z", frozenset((b"X", b"x"))
_THREADS, _START_TIME = 17, 19
"""Where fields 20 and 22 of /proc/PID/stat lie among the fields after the command, which begin with field 3."""
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW

_children: set[int] = set()
"""Pids of processes spawned here that were not reaped yet. Only atomic operations touch it."""


@functools.cache
def boot_id() -> str:
    """The id of this boot of the host's kernel."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def identify(pid: int) -> Process | None:
    """The process that has this pid now; None when there is none or it has exited already (a zombie)."""
    found = _exited_and_start(pid)
    if found is None or found[0]:
        return None
    return Process(pid=pid, start_time=found[1], boot_id=boot_id())


def alive(process: Process) -> bool:
    """Whether this very process still runs.

    A pid that exists but may not be looked at (/proc mounted with hidepid) counts as alive: taking a
    running VMM for dead would start a second one on the same disk.
    """
    if process.boot_id != boot_id() or process.pid <= 0:
        return False
    found = _exited_and_start(process.pid)
    if found is None:
        return _hidden(process.pid)
    return found[1] == process.start_time and not found[0]


def open_pidfd(process: Process) -> int | None:
    """A descriptor that means this process and no other; None when it is gone. The caller closes it.

    Raises:
        HostUnfit: the kernel is older than 5.3 and has no pidfds.
        HostError: no descriptors are left.
    """
    if not alive(process):
        return None
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM}:
            hint = "vmm needs Linux 5.3 or newer and a sandbox that lets pidfd_open through"
            raise HostUnfit("this kernel offers no pidfds", hint=hint) from error
        raise HostError(f"process {process.pid} cannot be opened: {error.strerror}") from error
    if alive(process):
        return descriptor
    os.close(descriptor)
    return None


def signal_process(process: Process, signum: int) -> bool:
    """Send a signal; False when the process is gone.

    Raises:
        HostError: not permitted.
    """
    descriptor = open_pidfd(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, signum)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        hint = "run the command as root, e.g. with sudo"
        raise HostError(f"process {process.pid} may not be signalled", hint=hint) from error
    finally:
        os.close(descriptor)
    return True


def wait_gone(process: Process, timeout_s: float) -> bool:
    """Wait until the process has exited, at most `timeout_s` seconds; True when it has."""
    descriptor = open_pidfd(process)
    if descriptor is not None:
        try:
            gone = exited(descriptor, timeout_s)
        finally:
            os.close(descriptor)
        if not gone:
            return False
    _reap(process.pid)
    return True


def exited(pidfd: int, timeout_s: float) -> bool:
    """Whether a pidfd's process exits within `timeout_s` seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout_s) * 1000))


def spawn(
    argv: Sequence[str],
    *,
    log_path: str,
    console_path: str = "",
    cwd: str = "/",
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start a program that outlives this one: own session, no terminal, no inherited descriptors, umask 077.

    Standard error is appended to `log_path`, and so is standard output unless `console_path` names a file
    for it.

    Raises:
        HostError: the program or a log file could not be opened.
    """
    for pid in tuple(_children):
        _reap(pid)
    try:
        with _log(log_path) as log, _log(console_path or log_path) as out:
            child = _Detached(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=cwd,
                env=env,
                umask=0o077,
                start_new_session=True,
            )
    except OSError as error:
        what = f"{error.filename}: " if error.filename and error.filename != argv[0] else ""
        hint = "is it installed, executable and made for this machine?"
        raise HostError(f"{argv[0]} cannot be started: {what}{error.strerror}", hint=hint) from error
    # Nobody has reaped it yet, so even if it has exited the pid is still its own and shows its start time.
    found = _exited_and_start(child.pid)
    _children.add(child.pid)
    if found is None:
        raise HostError(f"{argv[0]} is not to be seen in /proc", hint="mount /proc without hidepid")
    return Process(pid=child.pid, start_time=found[1], boot_id=boot_id())


def scan(sockets_dir: str) -> list[VmProcess]:
    """Every VMM process whose arguments name a control socket in `sockets_dir`; one pass over /proc.

    Root's processes are seen by everybody, unless /proc is mounted with hidepid.
    """
    from vmmcompose.host.procscan import scan_proc

    return scan_proc(sockets_dir)


class _Detached(subprocess.Popen[bytes]):
    """A child that is not waited for: pidfds tell when it has exited, and `_reap` collects it.

    Popen without a preexec function uses vfork, which is safe with threads.
    """

    def __del__(self) -> None:  # the parent's would complain that the child still runs
        pass


@contextmanager
def _log(path: str) -> Iterator[int]:
    descriptor = os.open(path, _LOG_FLAGS, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _reap(pid: int) -> None:
    """Collect a child of ours that has exited, so that a long-running parent gathers no zombies."""
    if pid not in _children:
        return
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == 0:
            return
    except ChildProcessError:
        pass
    _children.discard(pid)


def _exited_and_start(pid: int) -> tuple[bool, int] | None:
    """Whether a process has exited, and its start time; None for a pid that is not there or hidden.

    A VMM has a thread per CPU. When it is killed its first thread may be a zombie while the others still run
    and hold its disk and its socket: it has exited only when no thread is left.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The command stands in brackets and may itself hold spaces and brackets; nothing after it does.
    fields = stat[stat.rindex(b")") + 2 :].split()
    state, threads = fields[0], int(fields[_THREADS])
    return state in _DEAD or (state == _ZOMBIE and threads <= 1), int(fields[_START_TIME])


def _hidden(pid: int) -> bool:
    """Whether a pid that /proc does not show belongs to somebody else's process (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False
