"""Files and folders between host and guest: tar through SSH, so a guest needs a shell and tar and nothing else.

What a guest sends is not trusted: it is unpacked into an empty folder of its own by GNU tar, which takes leading
slashes off, refuses `..` and makes links last, then looked through, and only then moved to where it shall be.
"""

import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.host.files import failed, remove_tree
from vmmcompose.host.ssh import ROOT, Login, ssh_argv
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

_CHUNK = 1 << 18
_MISSING = 41
_RECEIVE = """
set -e
d=$1 n=$2
if [ "$n" = . ]; then mkdir -p "$d"; exec tar -xf - -C "$d"; fi
if [ -d "$d" ]; then exec tar -xf - -C "$d"; fi
case $d in */) exit 41;; esac
p=$(dirname "$d")
[ -d "$p" ] || exit 41
t=$(mktemp -d "$p/.vmm-cp.XXXXXX")
trap 'rm -rf "$t"' EXIT
tar -xf - -C "$t"
mv "$t/$n" "$d"
"""
"""Takes a folder or a file called $2 into $1, as cp -r does: inside where $1 is a folder, else as $1."""
_SEND = """
[ -e "$1" ] || [ -h "$1" ] || exit 41
if [ "$2" = . ]; then cd "$1"; else cd "$(dirname "$1")"; fi
exec tar -cf - -- "$2"
"""


@dataclass(frozen=True, slots=True)
class Guest:
    """The VM to copy to or from, and how to log in."""

    paths: Paths
    spec: VmSpec
    login: Login = ROOT


Count = Callable[[int], None]
"""Told how many bytes have gone by."""


def to_guest(remote: Guest, source: str, target: str, *, on_bytes: Count) -> None:
    """Copies a host file or folder into a guest; `source/.` means a folder's content.

    Raises:
        UsageError: the source or the guest's folder does not exist.
        HostError: the connection or the copy failed.
    """
    spec = remote.spec
    folder, name = _split(source)
    if not os.path.lexists(source):
        raise UsageError(f"there is no {source}")
    packing = ("tar", "--create", "--file=-", "--owner=0", "--group=0", f"--directory={folder}", "--", name)
    receiving = _remote(remote, _RECEIVE, target, name)
    with (
        _started(packing, stdout=subprocess.PIPE) as tar,
        _started(receiving, stdin=subprocess.PIPE) as guest,
    ):
        assert tar.stdout is not None
        assert guest.stdin is not None
        _pump(tar.stdout, guest.stdin, on_bytes)
        codes = tar.wait(), guest.wait()
    if codes[1] == _MISSING:
        raise UsageError(
            f"VM {spec.vm}: there is no folder for {target}", hint=f"vmm exec {spec.vm} -- mkdir -p …"
        )
    _require(codes, spec, f"cannot copy {source} to {spec.vm}:{target}")


def from_guest(
    remote: Guest,
    source: str,
    target: str,
    *,
    owner: tuple[int, int],
    on_bytes: Count,
) -> None:
    """Copies a guest's file or folder to the host; `owner` (uid, gid) gets what is copied.

    Devices, sockets and pipes are left out; setuid and setgid bits are taken off.

    Raises:
        UsageError: the source does not exist in the guest, or the target's folder on the host.
        HostError: the connection or the copy failed, or the guest sent something else than was asked for.
    """
    spec = remote.spec
    _, name = _split(source)
    place, final = _destination(target, name)
    work = Path(_made_folder(place))
    try:
        unpacking = ("tar", "--extract", "--file=-", "--no-same-owner", f"--directory={work}")
        sending = _remote(remote, _SEND, source, name)
        with (
            _started(sending, stdout=subprocess.PIPE) as guest,
            _started(unpacking, stdin=subprocess.PIPE) as tar,
        ):
            assert guest.stdout is not None
            assert tar.stdin is not None
            _pump(guest.stdout, tar.stdin, on_bytes)
            codes = tar.wait(), guest.wait()
        if codes[1] == _MISSING:
            raise UsageError(f"VM {spec.vm}: there is no {source}")
        _require(codes, spec, f"cannot copy {spec.vm}:{source} to {target}")
        _tame(work, owner)
        _place(work if name == "." else work / name, Path(final), spec)
    finally:
        remove_tree(work)


def _split(path: str) -> tuple[str, str]:
    """(folder, name) of what is packed; `.` for the content of a folder."""
    if path.endswith("/.") or path == ".":
        return path, "."
    whole = path.rstrip("/") or "/"
    if whole == "/":
        return "/", "."
    folder, name = os.path.split(whole)
    if name == "..":
        return whole, "."
    return folder or ".", name


def _destination(target: str, name: str) -> tuple[str, str]:
    """(folder to work in, final path) on the host."""
    if name == ".":
        final = target.rstrip("/") or "/"
    elif os.path.isdir(target):
        final = os.path.join(target, name)
    elif target.endswith("/"):
        raise UsageError(f"there is no folder {target}", hint=f"mkdir -p {shlex.quote(target)}")
    else:
        final = target
    folder = os.path.dirname(os.path.abspath(final))
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}", hint=f"mkdir -p {shlex.quote(folder)}")
    return folder, final


def _made_folder(place: str) -> str:
    try:
        return mkdtemp(prefix=".vmm-cp.", dir=place)
    except OSError as error:
        raise failed(f"cannot write to {place}", error) from error


def _remote(remote: Guest, script: str, *arguments: str) -> list[str]:
    command = ("sh", "-c", script, "sh", *arguments)
    return ssh_argv(remote.paths, remote.spec, command, login=remote.login, tty=False, batch=True)


def _started(
    argv: Sequence[str], *, stdin: int | None = subprocess.DEVNULL, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(argv, stdin=stdin, stdout=stdout)
    except FileNotFoundError as error:
        hint = "apt-get install openssh-client tar"
        raise HostUnfit(f"{argv[0]} is not installed", hint=hint) from error


def _pump(source: IO[bytes], sink: IO[bytes], on_bytes: Count) -> None:
    """Copies a stream; an end that has gone shows in its exit code."""
    try:
        with source, sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
                on_bytes(len(chunk))
    except BrokenPipeError:
        return


def _require(codes: tuple[int, int], spec: VmSpec, what: str) -> None:
    if codes != (0, 0):
        raise HostError(f"VM {spec.vm}: {what}", hint="see the messages of tar and ssh above")


def _tame(work: Path, owner: tuple[int, int]) -> None:
    """Leaves files, folders and links only, the user's own, without setuid and setgid."""
    for folder, folders, files in os.walk(work):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                os.unlink(path)
                continue
            os.chown(path, *owner, follow_symlinks=False)
            if not stat.S_ISLNK(mode):
                os.chmod(path, stat.S_IMODE(mode) & 0o777)


def _place(made: Path, final: Path, spec: VmSpec) -> None:
    if not os.path.lexists(made):
        raise HostError(f"VM {spec.vm}: the guest sent something else than was asked for")
    if made.is_dir() and not made.is_symlink() and final.is_dir():
        try:
            shutil.copytree(made, final, symlinks=True, dirs_exist_ok=True)
        except OSError as error:
            raise failed(f"cannot write to {final}", error) from error
        return
    try:
        made.replace(final)
    except OSError as error:
        raise failed(f"cannot write {final}", error) from error
