"""Programs of an image, run as root in its own tree and kept in it, with bubblewrap (bwrap(1)).

A package manager and the scripts of packages have to run as root, and the image may be a stranger's. They get

- the tree as `/`, where neither device nodes nor set-uid bits work, and nothing else of the host's files;
- a `/dev` of null, zero, full, random, urandom, tty and pts, a `/proc` of their own processes that cannot be used to
  change the kernel's settings, no `/sys`, and `/run` and `/tmp` that vanish;
- process, IPC and host name of their own, and of root's capabilities only those that installing files takes: no mounts,
  no devices, no modules, no network settings, no tracing of others.

What is not kept from them: the host's network, the host's CPU and disk space, and the kernel's system calls. All mounts
are in a mount namespace of the processes, so that they are gone with the last of them; the kernel ends them with the
command that started them, also when that is killed.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.rooted import Rooted
from vmmcompose.images import packages

_TIMEOUT_S = 1800
_CAPABILITIES = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETFCAP", "CAP_SETGID"),
    *("CAP_SETUID", "CAP_SYS_CHROOT"),
)
_READ_ONLY = ("acpi", "bus", "fs", "irq", "scsi", "sys", "sysrq-trigger")
"""Parts of /proc where root's user id alone is enough to change the host's kernel."""
_SANDBOX = (
    *("bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup-try", "--cap-drop", "ALL"),
)
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def run(tree: Path, argv: Sequence[str], what: str, *, timeout_s: float = _TIMEOUT_S) -> bytes:
    """Runs a program of the tree to its end and gives its standard output; `what` says what it was to do.

    Raises:
        HostUnfit: bubblewrap is not installed, or may not confine anything here.
        HostError: the program failed, or did not end in time.
    """
    _make_mount_points(tree)
    command, tool = (*_arguments(tree), *argv), os.path.basename(argv[0])
    try:
        return packages.run(command, what, timeout_s=timeout_s, env=_environment(), called=tool)
    except HostError as error:
        if ": bwrap: " not in error.message:
            raise
        hint = (
            "bubblewrap needs root with the right to make namespaces and mounts, which containers often lack"
        )
        raise HostUnfit(error.message, hint=f"{hint}; --init tiny runs nothing of the image") from error


def lend_network(tree: Path) -> None:
    """Gives the tree the host's name servers and names; `data/any` takes their place when the work is done."""
    for name in ("resolv.conf", "hosts"):
        try:
            content = Path("/etc", name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostError(f"cannot read /etc/{name}: {error.strerror}") from error
        Rooted(tree).write(f"etc/{name}", content)


def _make_mount_points(tree: Path) -> None:
    """Real folders, so that bwrap mounts on them and not on what a link leads to."""
    for name, mode in (("dev", 0o755), ("proc", 0o755), ("run", 0o755), ("tmp", 0o1777)):
        Rooted(tree).own_dir(name, mode)


def _arguments(tree: Path) -> list[str]:
    argv = [*_SANDBOX, "--bind", str(tree), "/", "--dev", "/dev", "--proc", "/proc"]
    for name in _READ_ONLY:
        argv += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    argv += ["--tmpfs", "/run", "--tmpfs", "/tmp", "--chdir", "/"]  # noqa: S108 - in the tree
    for name in _CAPABILITIES:
        argv += ["--cap-add", name]
    return [*argv, "--"]


def _environment() -> dict[str, str]:
    """Nothing of the user's but proxies: the environment may hold secrets."""
    names = (*_PROXIES, *map(str.upper, _PROXIES))
    proxies = {name: os.environ[name] for name in names if name in os.environ}
    fixed = {"HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, **fixed, **proxies}
