"""Root disks: a copy of an image, grown to its size, checked before it is used.

The ladder of a copy: a reflink where the file system can (FICLONE, ioctl_ficlone(2)), else only the data
between the holes, moved inside the kernel (lseek(2) SEEK_DATA, copy_file_range(2)), else read and written.
"""

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.host import e2fs
from vmmcompose.host.files import PathLike, failed, replacing

_FICLONE = 0x40049409
_CHUNK = 64 * e2fs.MIB
_PLAIN_CHUNK = e2fs.MIB
_CANNOT_RANGE = frozenset((errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM))

Progress = Callable[[int, int], None]
"""Called with the bytes copied so far and the bytes there are to copy."""


def copy_image(
    source: PathLike, target: PathLike, size_mib: int, on_progress: Progress | None = None
) -> None:
    """Makes a disk of `size_mib` MiB from an image; the image is left as it is. Two processes when it grows.

    `target` appears when everything is done and on the disk. A killed copy leaves only `<target>.tmp.<id>`.

    Raises:
        HostError: the source is no intact image, `size_mib` too small for it, or the host's disk full.
    """
    superblock = e2fs.read_superblock(source)
    _require_room(source, superblock, size_mib)
    with replacing(target, "make the disk") as temp:
        _copy(Path(source), temp, superblock.size_bytes, on_progress or (lambda _done, _total: None))
        with e2fs.locked(temp) as lock:
            _grow(temp, lock, size_mib)
    e2fs.writing_note(target).unlink(missing_ok=True)


def copy_disk(source: PathLike, target: PathLike, on_progress: Progress | None = None) -> None:
    """Copies a disk that nobody writes to, as it is, to a new file; the caller flushes and names it.

    Raises:
        HostError: it could not be copied; what there is of the copy stays.
        NoSpace: there is no room.
    """
    try:
        size = os.stat(source).st_size
        _copy(Path(source), Path(target), size, on_progress or (lambda _done, _total: None))
    except OSError as error:
        raise failed(f"cannot copy {os.fspath(source)} to {os.fspath(target)}", error) from error


def grow_disk(path: PathLike, size_mib: int) -> None:
    """Makes the disk of a stopped VM bigger. Interrupted at any moment, it can simply be repeated.

    Raises:
        HostError: the disk is damaged, or bigger than `size_mib` already: a disk never shrinks.
    """
    with e2fs.locked(path) as lock:
        _require_room(path, e2fs.read_superblock(path), size_mib)
        _grow(Path(path), lock, size_mib)
        _sync(lock, path)


def check_disk(path: PathLike) -> None:
    """Makes the disk of a stopped VM fit for use: replays its journal if the guest was cut off.

    No process where the superblock is in order, else one.

    Raises:
        HostError: it is no ext4 image, cut short, or damaged beyond what e2fsck repairs without asking.
    """
    with e2fs.locked(path) as lock:
        e2fs.recover(path, lock)


def can_reflink(folder: PathLike) -> bool:
    """Whether copies in this folder share their blocks with the original (btrfs, xfs, bcachefs).

    Raises:
        HostError: nothing can be written there.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as one, tempfile.TemporaryFile(dir=folder) as other:
            one.write(b"\0" * 4096)
            one.flush()
            return _reflink(one.fileno(), other.fileno())
    except OSError as error:
        raise failed(f"cannot write to {os.fspath(folder)}", error) from error


def _require_room(image: PathLike, superblock: e2fs.Superblock, size_mib: int) -> None:
    least = -(-superblock.size_bytes // e2fs.MIB)
    if size_mib < least:
        raise HostError(
            f"a disk of {size_mib} MiB is too small: the file system of {os.fspath(image)} has {least} MiB",
            hint=f"set `disk` to at least {least}MiB",
        )


def _grow(path: Path, lock: int, size_mib: int) -> None:
    size = size_mib * e2fs.MIB
    superblock = e2fs.read_superblock(path)
    if os.fstat(lock).st_size < size:
        os.ftruncate(lock, size)
    # resize2fs notes an error in the superblock while it works, so an interrupted one is not `clean`.
    if superblock.clean and not superblock.needs_recovery and superblock.size_bytes == size:
        return
    e2fs.check(path, lock, "-fy")
    result = e2fs.run_tool(["resize2fs", os.fspath(path), f"{size_mib}M"], fds=(lock,))
    if result.returncode != 0:
        raise HostError(
            f"cannot grow the file system in {path} to {size_mib} MiB: {e2fs.said(result)}",
            hint=e2fs.hint_for(result, "`vmm up` tries again from where this stopped"),
        )


def _sync(descriptor: int, path: PathLike) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise failed(f"cannot flush {os.fspath(path)}", error) from error


def _copy(source: Path, temp: Path, size: int, on_progress: Progress) -> None:
    with source.open("rb", buffering=0) as reader:
        descriptor = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "r+b", buffering=0) as writer:
            if not _reflink(reader.fileno(), writer.fileno()):
                _copy_data(reader.fileno(), writer.fileno(), size, on_progress)
            os.ftruncate(descriptor, size)


def _reflink(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy_data(source: int, target: int, size: int, on_progress: Progress) -> None:
    segments = list(_segments(source, size))
    total = sum(end - start for start, end in segments)
    done = 0
    for start, end in segments:
        position = start
        while position < end:
            moved = _move(source, target, position, min(_CHUNK, end - position))
            if moved == 0:
                raise OSError(errno.EIO, "the source became shorter while it was copied")
            position += moved
            done += moved
            on_progress(done, total)


def _segments(source: int, size: int) -> Iterator[tuple[int, int]]:
    """Where data lies. A file system without holes shows one segment."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        if start >= size:
            return
        end = min(os.lseek(source, start, os.SEEK_HOLE), size)
        yield start, end


def _move(source: int, target: int, position: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, position, position)
    except OSError as error:
        if error.errno not in _CANNOT_RANGE:
            raise
    data = os.pread(source, min(count, _PLAIN_CHUNK), position)
    if data.count(0) != len(data):
        view = memoryview(data)
        written = 0
        while written < len(view):
            written += os.pwrite(target, view[written:], position + written)
    return len(data)
