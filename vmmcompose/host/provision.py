"""Running a provision script in a guest: its output line by line, its exit code, and its end when we end."""

import os
import re
import secrets
import select
import shlex
import subprocess
from collections import deque
from collections.abc import Callable

from vmmcompose.errors import DriverError, HostError
from vmmcompose.guest.scripts import runner, script_bytes
from vmmcompose.host import process as processes
from vmmcompose.host.console import clean
from vmmcompose.host.ssh import remote_line, start_in_guest
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

_LOOK_S = 0.1
_END_S = 6.0
"""How long a script that is told to end may take; the guest ends it by force after two seconds."""
_CHUNK = 65536
_BREAKS = re.compile(rb"[\r\n]")
OnLine = Callable[[bytes], None]


def run_script(
    paths: Paths,
    spec: VmSpec,
    process: Process,
    content: str,
    *,
    on_line: OnLine,
    check: Callable[[], None],
    name: str = "vmm-provision",
) -> int:
    """Runs a script as root in a guest that answers on SSH, and gives its exit code.

    `on_line` gets each line of its output. `check` is called several times a second; what it raises ends the
    script in the guest as well, and so does the end of this process.

    Raises:
        HostUnfit: there is no ssh client.
        DriverError: the VM ended.
        HostError: the connection ended before the script did.
    """
    pidfd = processes.open_pidfd(process)
    if pidfd is None:
        raise _ended(spec)
    token = secrets.token_hex(16)
    try:
        with start_in_guest(paths, spec, remote_line(spec, runner(content, token, name))) as ssh:
            try:
                code = _Session(spec, ssh, script_bytes(content), token, on_line).follow(pidfd, check)
            except BaseException:
                _cut(ssh)
                raise
            ssh.terminate()  # what the script left running may hold the connection open
            return code
    finally:
        os.close(pidfd)


def run_command(
    paths: Paths,
    spec: VmSpec,
    process: Process,
    command: tuple[str, ...],
    *,
    on_line: OnLine,
    check: Callable[[], None],
) -> int:
    """As `run_script` for a command with exactly these arguments; what it leaves running is not waited for."""
    script = shlex.join(command)
    return run_script(paths, spec, process, script, on_line=on_line, check=check, name="vmm-watch")


def _cut(ssh: subprocess.Popen[bytes]) -> None:
    """Ends the input, and so the script where it still runs, and with it the connection."""
    try:
        ssh.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired:
        ssh.kill()


class _Session:
    """One script on its way: what is still to be sent, and what came back."""

    def __init__(
        self, spec: VmSpec, ssh: subprocess.Popen[bytes], unsent: bytes, token: str, on_line: OnLine
    ) -> None:
        assert ssh.stdin
        assert ssh.stdout
        assert ssh.stderr
        self._spec = spec
        self._into, self._out, self._err = ssh.stdin.fileno(), ssh.stdout.fileno(), ssh.stderr.fileno()
        os.set_blocking(self._into, False)
        self._open = {self._out, self._err}
        self._unsent = unsent
        self._token = token.encode()
        self._on_line = on_line
        self._code: int | None = None
        self._rest = b""
        self._blank = 0
        """Empty lines that are told only when another follows: the last one is the runner's."""
        self._said: deque[str] = deque(maxlen=3)
        """What ssh itself complained of."""

    def follow(self, pidfd: int, check: Callable[[], None]) -> int:
        """Sends the script and reads until its exit code comes."""
        poll = select.poll()
        for descriptor in (pidfd, self._out, self._err):
            poll.register(descriptor, select.POLLIN)
        poll.register(self._into, select.POLLOUT)
        while True:
            check()
            for descriptor, _ in poll.poll(_LOOK_S * 1000):
                if descriptor == pidfd:
                    raise _ended(self._spec)
                if not self._serve(descriptor):
                    poll.unregister(descriptor)
            if self._code is not None:
                return self._code

    def _serve(self, descriptor: int) -> bool:
        """Sends or reads what there is; whether more may come of it."""
        if descriptor == self._into:
            self._unsent = _send(descriptor, self._unsent)
            return bool(self._unsent)
        data = os.read(descriptor, _CHUNK)
        if descriptor == self._err:
            self._said.extend(clean(data.decode(errors="replace")))
        elif data:
            self._code = self._take(data)
        if not data:
            self._open.discard(descriptor)
            if not self._open:
                raise self._broken()
        return bool(data)

    def _take(self, data: bytes) -> int | None:
        """Tells whole lines; the exit code when its line is among them."""
        *lines, self._rest = _BREAKS.split(self._rest + data)
        if len(self._rest) > _CHUNK:  # no line, but nobody shall wait for its end for ever
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            word, _, code = line.partition(b" ")
            if word == self._token and code.isdigit():
                return int(code)
            self._tell(line)
        return None

    def _tell(self, line: bytes) -> None:
        if not line:
            self._blank += 1
            return
        for _ in range(self._blank):
            self._on_line(b"")
        self._blank = 0
        self._on_line(line)

    def _broken(self) -> HostError:
        if self._rest:
            self._tell(self._rest)
        why = f": {self._said[-1]}" if self._said else ""
        return HostError(
            f"VM {self._spec.vm}: the connection ended before the script did{why}",
            hint="it counts as not done; a script must not reboot its guest or stop its SSH server",
        )


def _send(descriptor: int, data: bytes) -> bytes:
    """Writes what there is room for; what is left. A connection that is gone shows when it is read."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return b""


def _ended(spec: VmSpec) -> DriverError:
    return DriverError(
        f"VM {spec.vm}: the VM ended while a script ran in it", hint=f"`vmm logs {spec.vm}` shows its console"
    )
