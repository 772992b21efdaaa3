"""Waiting until a guest answers: on SSH, or on the healthcheck of its manifest."""

import os
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

from vmmcompose.guest.scripts import guarded
from vmmcompose.host.console import clean
from vmmcompose.host.dial import connect, read_until
from vmmcompose.host.watch import Watch
from vmmcompose.model.desired import Healthcheck
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

_SSH_PORT = 22
_ANSWER_S = 10.0
"""A guest that took a connection has this long to say its first words; then it is asked anew."""
_COMMAND_S = 30.0
_AGAIN_S = 0.1
_STEP_S = 0.05
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Waited:
    """How long it took and what the guest answered."""

    seconds: float
    detail: str


def wait_ready(
    paths: Paths,
    spec: VmSpec,
    process: Process,
    *,
    timeout_s: float,
    over: str = "",
    on_phase: Callable[[str], None],
    cancelled: threading.Event,
) -> Waited:
    """Wait until the guest passes its healthcheck or, without one, sends an SSH banner.

    The end of the VMM is noticed at once, and so is a guest that can no longer come up: one that prints
    nothing in the first 30 s, or nothing more for long while its network is silent too. `on_phase` is told
    `booting`, `kernel up`, `waiting for SSH`, `healthcheck tcp 5432` and the like, from this thread. `over` is what
    to say when the time is up, if that is not this VM's own matter.

    Raises:
        DriverError: it did not come up; the hint holds the console's last lines.
        Interrupted: `cancelled` was set.
    """
    watch = Watch(
        paths, spec, process, timeout_s=timeout_s, over=over, on_phase=on_phase, cancelled=cancelled
    )
    with closing(watch):
        return Waited(detail=_wait(watch, paths, spec.healthcheck), seconds=watch.seconds)


def _wait(watch: Watch, paths: Paths, check: Healthcheck | None) -> str:
    if check is None:
        return _ssh(watch)
    if check.tcp is not None:
        connect(watch, check.tcp, f"healthcheck tcp {check.tcp}").close()
        return f"tcp {check.tcp} answers"
    if check.http is not None:
        return _http(watch, check.http, check.interval_s)
    _ssh(watch)
    return _command(watch, paths, check)


def _ssh(watch: Watch) -> str:
    phase = "waiting for SSH"
    while True:
        with connect(watch, _SSH_PORT, phase) as connection:
            said = read_until(watch, connection, b"SSH-", _ANSWER_S)
        if b"SSH-" in said:
            return "SSH answers"
        watch.last = f"no SSH banner but {said[:40]!r}" if said else "connected, but no SSH banner came"
        watch.pause(_AGAIN_S)


def _http(watch: Watch, target: str, interval_s: float) -> str:
    port, _, path = target.partition("/")
    phase = f"healthcheck http {target}"
    host = f"{watch.spec.ip}:{port}"
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: vmm\r\nConnection: close\r\n\r\n"
    while True:
        with connect(watch, int(port), phase) as connection:
            with suppress(OSError):  # closed again already: then there is no answer to read either
                connection.send(request.encode())
            line = read_until(watch, connection, b"\n", _ANSWER_S).partition(b"\r")[0]
        status = _status(line)
        if 200 <= status < 400:
            return f"http {target} answers {status}"
        watch.last = f"status {status}" if status else f"no HTTP answer but {line[:40]!r}"
        watch.pause(interval_s)


def _status(line: bytes) -> int:
    """The status of an HTTP answer's first line; 0 when it is none."""
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return 0
    return int(words[1])


def _command(watch: Watch, paths: Paths, check: Healthcheck) -> str:
    command = shlex.join(check.command)
    watch.enter(f"healthcheck command {command}")
    while True:
        begin = time.monotonic()
        code, words = _run_watched(watch, paths, check.command)
        if code == 0:
            return f"command {command} succeeded"
        watch.last = words
        watch.pause(max(_AGAIN_S, check.interval_s - (time.monotonic() - begin)))


def _run_watched(watch: Watch, paths: Paths, command: tuple[str, ...]) -> tuple[int, str]:
    """Runs a command in the guest; exit code and last words. The end of the wait ends it, there as well."""
    from vmmcompose.host.ssh import FAILED, remote_line, start_in_guest

    with start_in_guest(paths, watch.spec, remote_line(watch.spec, guarded(command))) as ssh:
        try:
            said = _errors_of(watch, ssh)
        finally:
            ssh.kill()
    if said is None:
        return -1, f"it took longer than {_COMMAND_S:g} s"
    words = clean(said.decode(errors="replace"))[-1:]
    code = ssh.returncode
    return code, ", ".join(["no SSH connection" if code == FAILED else f"exit {code}", *words])


def _errors_of(watch: Watch, ssh: subprocess.Popen[bytes]) -> bytes | None:
    """The last it complained of until it ended; None where that took too long."""
    assert ssh.stdout
    assert ssh.stderr
    errors, until = ssh.stderr.fileno(), time.monotonic() + _COMMAND_S
    unread, said = {ssh.stdout.fileno(), errors}, b""
    while unread or ssh.poll() is None:
        watch.pause(0.0)  # whatever it prints, the clock and the user are looked at
        for descriptor in watch.pause(_STEP_S, [(one, select.POLLIN) for one in unread]):
            data = os.read(descriptor, _CHUNK)
            if not data:
                unread.discard(descriptor)
            elif descriptor == errors:
                said = (said + data)[-_CHUNK:]
        if time.monotonic() > until:
            return None
    return said
