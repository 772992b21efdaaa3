"""Locks that the kernel frees: one per project, a short one per host, one for the image store.

flock(2) ends with its holder, so there is nothing to unlock by force. The holder writes its pid and command
into the file, for those who wait.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from vmmcompose.errors import HostUnfit, Locked
from vmmcompose.host.files import make_dir
from vmmcompose.host.identity import command_line

POLL_S = 0.05


@contextmanager
def hold(
    path: PurePosixPath,
    what: str,
    *,
    timeout_s: float = 600.0,
    on_wait: Callable[[str], None] = lambda _holder: None,
) -> Iterator[None]:
    """Holds the lock `path`; `what` names it in messages, `on_wait` is told once who holds it.

    Raises:
        Locked: another process held it for longer than `timeout_s` seconds.
        HostUnfit: the lock file cannot be made here.
    """
    fd = _open(path)
    try:
        _acquire(fd, what, timeout_s, on_wait)
        _sign(fd, f"pid {os.getpid()} ({command_line()[:120]})")
        try:
            yield
        finally:
            _sign(fd, "")
    finally:
        os.close(fd)


def _sign(fd: int, holder: str) -> None:
    """Says who holds the lock. Only a courtesy: on a full disk the lock holds without it."""
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, holder.encode(), 0)


def _open(path: PurePosixPath) -> int:
    try:
        make_dir(path.parent.parent, 0o755)
        make_dir(path.parent, 0o755)
        return os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise HostUnfit(
            f"{path} cannot be written", hint="changing VMs needs root: run it with sudo"
        ) from error
    except OSError as error:
        raise HostUnfit(f"cannot make the lock {path}: {error.strerror}") from error


def _acquire(fd: int, what: str, timeout_s: float, on_wait: Callable[[str], None]) -> None:
    deadline = time.monotonic() + timeout_s
    told = False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 200, 0).decode(errors="replace") or "another vmm"
            if time.monotonic() >= deadline:
                raise Locked(
                    f"{what} is locked by {holder}", hint="wait for it to end, then try again"
                ) from None
            if not told:
                on_wait(f"waiting for {holder}, which works on {what}")
                told = True
            time.sleep(POLL_S)
        else:
            return
