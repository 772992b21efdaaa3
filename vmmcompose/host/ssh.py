"""The system's ssh client, told everything: which key, which host key, and nothing from elsewhere."""

import os
import shlex
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.guest import environment
from vmmcompose.host.files import PathLike
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

_CONNECT_S = 10
FAILED = 255
"""What ssh(1) itself ends with when it cannot reach or log in; a remote command may do so too."""
_OPTIONS = (
    "IdentitiesOnly=yes",
    "PreferredAuthentications=publickey",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "HostKeyAlgorithms=ssh-ed25519",
    "CheckHostIP=no",
    "UpdateHostKeys=no",
    "ProxyCommand=none",
    "RemoteCommand=none",
    "ControlPath=none",
    "LogLevel=ERROR",
    "ServerAliveInterval=15",
    "Port=22",
)


@dataclass(frozen=True, slots=True)
class Login:
    """Who to log in as, and key files to try beside the managed key."""

    user: str = "root"
    identities: tuple[str, ...] = ()


ROOT = Login()


def ssh_argv(
    paths: Paths,
    spec: VmSpec,
    command: Sequence[str] | None,
    *,
    login: Login = ROOT,
    tty: bool | None = None,
    batch: bool = False,
) -> list[str]:
    """The command line that logs into a guest, or runs `command` there with exactly these arguments.

    The managed key is tried first, and left out where this user may not read it. The user's own ssh
    configuration counts for what is not said here, and not at all with `batch`. `tty` asks for a terminal or
    forbids one; None leaves it to ssh.
    """
    managed = [str(paths.managed_key())] if may_use_managed_key(paths) else []
    argv = ["ssh", *_connection(paths, spec, batch=batch, keys=[*managed, *login.identities])]
    if tty is not None:
        argv.append("-t" if tty else "-T")
    argv += ["-l", login.user, "--", spec.ip]
    if command:
        argv.append(remote_line(spec, command))
    return argv


def may_use_managed_key(paths: Paths) -> bool:
    """Whether this user may read the key that `vmm` logs in with; root may."""
    return os.access(str(paths.managed_key()), os.R_OK)


def remote_line(spec: VmSpec, command: Sequence[str]) -> str:
    """One line for the guest's shell that runs `command` with exactly these arguments and the VM's `env`.

    sshd joins arguments with blanks and gives them to a shell, hence the quotes. Only PAM would bring `env`
    to a command, and not every guest has it.
    """
    words = shlex.join(command)
    if not spec.env:
        return words
    return f"if [ -r {environment.SHELL} ]; then . {environment.SHELL}; fi; {words}"


def _connection(
    paths: Paths, spec: VmSpec, *, batch: bool, keys: Sequence[PathLike], connect_s: int = _CONNECT_S
) -> list[str]:
    options = [
        *_OPTIONS,
        *(f"IdentityFile={_value(key)}" for key in keys),
        f"UserKnownHostsFile={_value(paths.known_hosts(spec.name))}",
        f"HostKeyAlias={spec.name}",
        f"ConnectTimeout={connect_s}",
    ]
    argv = ["-F", "none", "-o", "BatchMode=yes"] if batch else []
    for option in options:
        argv += ["-o", option]
    return argv


def _value(path: PathLike) -> str:
    """A file name as ssh_config(5) reads it: in quotes for blanks, `%` doubled."""
    return '"' + os.fspath(path).replace("%", "%%") + '"'


def batch_argv(paths: Paths, spec: VmSpec, line: str, *, connect_s: int = _CONNECT_S) -> list[str]:
    """The command line that runs a line of shell in a guest as root, with the managed key and no terminal."""
    options = _connection(paths, spec, batch=True, keys=[paths.managed_key()], connect_s=connect_s)
    return ["ssh", *options, "-T", "-l", "root", "--", spec.ip, line]


def start_in_guest(paths: Paths, spec: VmSpec, line: str) -> subprocess.Popen[bytes]:
    """Starts a line of shell in a guest as root, with pipes for what goes in and what comes out.

    Raises:
        HostUnfit: there is no ssh client.
    """
    try:
        # In a session of its own: Ctrl-C reaches what runs in the guest through us, when its output has been read.
        return subprocess.Popen(
            batch_argv(paths, spec, line),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise no_client() from error


def run_in_guest(
    paths: Paths, spec: VmSpec, command: str, *, stdin: bytes = b"", timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    """Runs a line of shell in a guest as root; its exit code, output and complaints are the caller's matter.

    Raises:
        HostUnfit: there is no ssh client.
        HostError: the guest did not answer within `timeout_s` seconds, or refused to log us in.
    """
    argv = batch_argv(paths, spec, command, connect_s=max(1, min(_CONNECT_S, int(timeout_s))))
    try:
        result = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout_s, check=False)
    except FileNotFoundError as error:
        raise no_client() from error
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"VM {spec.vm}: a command over SSH took longer than {timeout_s:g} s", hint=_hint(spec)
        ) from error
    if result.returncode == FAILED:
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise HostError(
            f"VM {spec.vm}: no SSH connection to {spec.ip}: {lines[-1].strip()}", hint=_hint(spec)
        )
    return result


def no_client() -> HostUnfit:
    """The error for a host without the ssh client."""
    return HostUnfit("ssh is not installed", hint="install the package openssh-client")


def answers(spec: VmSpec, timeout_s: float) -> bool:
    """Whether a guest takes a connection for SSH."""
    try:
        socket.create_connection((spec.ip, 22), timeout_s).close()
    except OSError:
        return False
    return True


def _hint(spec: VmSpec) -> str:
    return f"`vmm logs {spec.vm}` shows what the guest printed"
