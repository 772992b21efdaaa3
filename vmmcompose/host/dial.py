"""Connecting to a guest that is still coming up.

A SYN that is sent before the guest's network is there is sent again only after a second, then two, then four.
So a fresh attempt is made ten times a second; beside it runs a patient one, for a guest so slow that its
answer takes longer than that.
"""

import errno
import os
import select
import socket
import time

from vmmcompose.host.watch import Watch

_QUICK_S = 0.1
_PATIENT_S = 5.0
_AGAIN_S = 0.05
_READ_LIMIT = 4096
_SILENCE = "nobody has its address yet"


class _Attempt:
    """One connection on its way."""

    def __init__(self, address: tuple[str, int], patience_s: float) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.until = time.monotonic() + patience_s
        self._error = self.socket.connect_ex(address)

    def result(self) -> int | None:
        """0 when connected, the errno when failed, None while on its way."""
        if self._error == errno.EINPROGRESS:
            if not _writable(self.socket):
                return None
            self._error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # tells it only once
        return self._error


def connect(watch: Watch, port: int, phase: str) -> socket.socket:
    """A connection to the guest's port, as soon as it takes one; the caller closes it.

    Tells `phase` at the first sign of life of the guest's network.

    Raises:
        VmmError: as `Watch.pause`.
    """
    attempts: dict[float, _Attempt] = {}
    address = (watch.spec.ip, port)
    try:
        while True:
            for patience in (_PATIENT_S, _QUICK_S):
                if patience not in attempts:
                    attempts[patience] = _Attempt(address, patience)
            waiting = [(a.socket.fileno(), select.POLLOUT) for a in attempts.values()]
            if all(attempt.result() is None for attempt in attempts.values()):
                watch.pause(_QUICK_S, waiting)
            connected = _sort_out(watch, attempts, phase)
            if connected is not None:
                watch.answered(phase, "connected")
                return connected
    finally:
        for attempt in attempts.values():
            attempt.socket.close()


def read_until(watch: Watch, connection: socket.socket, mark: bytes, timeout_s: float) -> bytes:
    """What the guest sends, up to 4 KiB, until `mark` is in it, the guest closes, or the time is over."""
    data = b""
    until = time.monotonic() + timeout_s
    while mark not in data and len(data) < _READ_LIMIT:
        left = until - time.monotonic()
        if left <= 0:
            break
        if not watch.pause(left, [(connection.fileno(), select.POLLIN)]):
            continue
        try:
            chunk = connection.recv(_READ_LIMIT)
        except BlockingIOError:
            continue
        except OSError:
            break
        if not chunk:
            break
        data += chunk
    return data


def _sort_out(watch: Watch, attempts: dict[float, _Attempt], phase: str) -> socket.socket | None:
    """Drop what failed or took too long; the connection that was made, if any. Failure costs a short pause."""
    failed = False
    for patience, attempt in tuple(attempts.items()):
        result = attempt.result()
        if result == 0:
            return attempts.pop(patience).socket
        if result is None and time.monotonic() < attempt.until:
            continue
        attempts.pop(patience).socket.close()
        if result == errno.ECONNREFUSED:
            watch.answered(phase, os.strerror(result))
        elif result is not None:
            watch.last = _SILENCE if result == errno.EHOSTUNREACH else os.strerror(result)
        failed = failed or result is not None
    if failed:
        watch.pause(_AGAIN_S)
    return None


def _writable(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    return bool(poll.poll(0))
