"""The door to plain files: whole or not at all, and never out of the folder that was meant.

A file is written to `<path>.tmp.<id>` beside its final name, flushed, renamed, and the folder flushed, so
that a reader or a crash sees the old content or the new and nothing between (rename(2), fsync(2)). The id is
that of the writing thread, which no other thread of the host has at the same time and which is the pid in a
process's first thread. What `*.tmp.<digits>` is left over belongs to an interrupted command.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id

from vmmcompose.errors import HostError, NoSpace

PathLike = str | os.PathLike[str]

_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_OCTAL = re.compile(rb"\\([0-7]{3})")
_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def temp_path(path: PathLike) -> Path:
    """The temporary name beside `path` that this thread may use."""
    return Path(f"{os.fspath(path)}.tmp.{get_native_id()}")


def failed(what: str, error: OSError) -> HostError:
    """`what` (`cannot …`) with the system's reason, and a hint where there is one."""
    reason = error.strerror or str(error)
    kind = NoSpace if error.errno in _NO_SPACE else HostError
    return kind(f"{what}: {reason}", hint=_hint(error))


def _hint(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "free some space there (`df -h`), or choose another folder with --data-dir, then try again"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "this needs root: run it with sudo"
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return "something that is no folder stands in the way"
    return ""


@contextmanager
def replacing(path: PathLike, what: str) -> Iterator[Path]:
    """Gives the temporary name to write to; renames it to `path` at the end, or removes it on failure.

    The caller's file is flushed to the disk before it gets its name. `what` names the deed for messages.

    Raises:
        HostError: the system refused, or the disk is full.
    """
    temp = temp_path(path)
    try:
        temp.unlink(missing_ok=True)
        yield temp
        sync_file(temp)
        temp.rename(path)
        sync_dir(temp.parent)
    except OSError as error:
        raise failed(f"cannot {what} {os.fspath(path)}", error) from error
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)


def write_atomic(path: PathLike, data: bytes, mode: int = 0o644) -> None:
    """Writes a file with exactly this mode; on failure the old content stays and nothing is left behind.

    Raises:
        HostError: it could not be written.
    """
    with replacing(path, "write") as temp:
        descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)


def make_dir(path: PathLike, mode: int) -> None:
    """Makes a folder with exactly this mode, its missing parents with 0755. An existing one is put right.

    Raises:
        HostError: it cannot be made, or something else has that name.
    """
    target = Path(path)
    try:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.mkdir(mode=mode, exist_ok=True)
        if stat.S_IMODE(target.stat().st_mode) != mode:
            target.chmod(mode)
    except OSError as error:
        raise failed(f"cannot make the folder {target}", error) from error


def remove_tree(path: PathLike) -> None:
    """Removes a file or a folder with all it holds; a missing one is no error.

    Symbolic links are removed and not followed, also when somebody swaps a folder for one meanwhile. A tree
    with something mounted in it is refused before anything is removed.

    Raises:
        HostError: something is mounted there, or the system refused.
    """
    target = Path(path)
    inside = _mounted_below(target)
    if inside:
        raise HostError(
            f"{target} is not removed: {inside} is mounted there", hint=f"umount {inside}, then try again"
        )
    try:
        parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _remove_at(parent, target.name, os.fstat(parent).st_dev)
            os.fsync(parent)
        finally:
            os.close(parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(f"cannot remove {target}", error) from error


def _remove_at(parent: int, name: str, device: int) -> None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    if status.st_dev != device:
        raise OSError(errno.EXDEV, f"{name} is another file system")
    folder = os.open(name, _OPEN_DIR, dir_fd=parent)
    try:
        for entry in os.listdir(folder):
            with suppress(FileNotFoundError):
                _remove_at(folder, entry, device)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def _mounted_below(path: Path) -> str:
    """A mount point at or below `path`; bind mounts share a device number, so proc(5) is asked."""
    top = os.fsencode(os.path.realpath(path.parent)) + b"/" + os.fsencode(path.name)
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), line.split(b" ", 5)[4])
        if point == top or point.startswith(top + b"/"):
            return os.fsdecode(point)
    return ""


def sync_dir(path: PathLike) -> None:
    """Flushes a folder, so that names made or removed in it survive a power cut."""
    sync_file(path)


def sync_file(path: PathLike) -> None:
    """Flushes a file to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unlink(path: PathLike) -> None:
    """Deletes a file; a missing one is no error.

    Raises:
        HostError: the system refused.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(f"cannot delete {os.fspath(path)}", error) from error
