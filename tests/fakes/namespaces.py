"""Throw-away network namespaces: they have no name and live as long as a descriptor, so nothing stays behind.

`with Namespace() as host, host.inside(): ...` moves the calling thread there, and with it every child process
it starts and every socket it opens (a socket stays in its namespace). /sys is still the machine's: leave it.
"""

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Namespace:
    """One network namespace with its loopback up."""

    def __init__(self) -> None:
        self.fd = -1

    def __enter__(self) -> Self:
        faults: list[OSError] = []

        def make() -> None:  # in a thread of its own: unshare moves the thread that calls it
            try:
                _check(_libc.unshare(_CLONE_NEWNET))
                self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                faults.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if faults:
            raise faults[0]
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    @property
    def path(self) -> str:
        """For `ip link set … netns PATH` and `nsenter --net=PATH`."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in this namespace meanwhile."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(self.fd, _CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(before, _CLONE_NEWNET))
        finally:
            os.close(before)

    def run(self, *command: str, text: str = "") -> str:
        """Runs a command in here and returns what it printed; fails if it does."""
        with self.inside():
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False, timeout=60
            )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
        return done.stdout
