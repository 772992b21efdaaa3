"""What a guest sent, put into the mounted directory and nowhere else.

The guest is not trusted. Each folder on a path is found by the kernel below the directory, and a link on the way is an
error (`host/inroot.open_strictly`). A file is written beside its place under a name of ours and renamed; what is there
is never written into. Devices, pipes and sockets are not made, setuid, setgid and sticky bits are taken off, and a
link leads below the directory or is left out. Everything belongs to whom the directory belongs to, or the file that
it takes the place of.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol

from vmmcompose.errors import HostError
from vmmcompose.guest.listing import CONFLICT, STAGING, Entry
from vmmcompose.host.files import failed
from vmmcompose.host.inroot import FOLDER
from vmmcompose.host.sync.tree import Tree

_READ = 1 << 18
_BITS = 0o777
_NAME_BYTES = 255
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)
"""What file systems and kernels say that know no files without a name (open(2))."""
_NO_FOLDER = {
    errno.ENOENT: "its folder is not there",
    errno.ENOTDIR: "its folder is none",
    errno.ELOOP: "a link stands in its path",
    errno.ENAMETOOLONG: "its path is too long",
}


class Source(Protocol):
    """Where a file's bytes come from."""

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes."""


class Landing:
    """One directory that a guest's changes come to. Its methods say why something was left out, or nothing."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def _owner(self) -> tuple[int, int]:
        status = os.fstat(self._tree.root)
        return status.st_uid, status.st_gid

    def room(self) -> int:
        """Bytes that may be written: half of what is free."""
        status = os.fstatvfs(self._tree.root)
        return status.f_bavail * status.f_frsize // 2

    def make_folder(self, path: str, entry: Entry) -> str:
        """Makes a folder, or gives one that is there its mode."""
        with self._parent(path) as (folder, name):
            if folder is None:
                return name
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=folder)
                os.chown(name, *self._owner, dir_fd=folder, follow_symlinks=False)
            try:
                made = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            except OSError:
                return "something else stands there"
            try:
                os.fchmod(made, entry.mode & _BITS)
            finally:
                os.close(made)
        return ""

    def make_link(self, path: str, entry: Entry) -> str:
        """Makes a link, if it cannot lead out of the directory."""
        if not stays_inside(path, entry.target):
            return "a link that leads out of the directory"
        with self._parent(path) as (folder, name):
            if folder is None:
                return name
            temp = _temporary()
            os.symlink(entry.target, temp, dir_fd=folder)
            os.chown(temp, *self._owner, dir_fd=folder, follow_symlinks=False)
            return _rename(folder, temp, name)

    def put_file(self, path: str, entry: Entry, source: Source, size: int) -> str:
        """Writes a file from the next `size` bytes, which are taken whatever becomes of them.

        Raises:
            Cut: they do not come.
            HostError: the connection is gone, or the system refused.
        """
        with self._parent(path) as (folder, name):
            if folder is None:
                _skip(source, size)
                return name
            temp = _temporary()
            file, named = _make_file(folder, temp)
            try:
                _fill(file, source, size)
                os.fchown(file, *self._owner_of(folder, name))
                os.fchmod(file, entry.mode & _BITS)
                os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))
                if not named:
                    os.link(f"/proc/self/fd/{file}", temp, dst_dir_fd=folder, follow_symlinks=True)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temp, dir_fd=folder)
                raise
            finally:
                os.close(file)
            return _rename(folder, temp, name)

    def remove(self, path: str) -> str:
        """Removes a file, a link, or a folder that is empty; a missing one is no error."""
        with self._parent(path) as (folder, name):
            if folder is None:
                return ""
            try:
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    os.rmdir(name, dir_fd=folder)
                else:
                    os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                return ""
            except OSError as error:
                return str(error.strerror)
        return ""

    def _owner_of(self, folder: int, name: str) -> tuple[int, int]:
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return self._owner
        return status.st_uid, status.st_gid

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int | None, str]]:
        """The folder that a path is in and its name there; no folder and the reason where there is none."""
        above, _, name = path.rpartition("/")
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(self._tree.folder(above))
            except OSError as error:
                reason = _NO_FOLDER.get(error.errno or 0)
                if reason is None:
                    raise self._failed(path, error) from error
                yield None, reason
                return
            try:
                yield folder, name
            except OSError as error:
                raise self._failed(path, error) from error

    def _failed(self, path: str, error: OSError) -> HostError:
        return failed(f"cannot write {ascii(path)[1:-1]} in {self._tree.source}", error)


def aside(path: str, vm: str) -> str:
    """The name that a guest's side of a conflict is kept under."""
    above, slash, name = path.rpartition("/")
    ending = f".{vm}{CONFLICT}"
    fits = os.fsencode(name)[: _NAME_BYTES - len(ending)]
    return f"{above}{slash}{os.fsdecode(fits)}{ending}"


def stays_inside(path: str, target: str) -> bool:
    """Whether a link at a path cannot lead out of the directory: `..` only in front, and not too often.

    Behind another name `..` may mean anything, as that name may be a link itself.
    """
    if not target or target.startswith("/") or "\0" in target:
        return False
    parts = [part for part in target.split("/") if part not in {"", "."}]
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    return ups <= path.count("/") and ".." not in parts[ups:]


def _temporary() -> str:
    return f"{STAGING}{secrets.token_hex(6)}"


def _make_file(folder: int, temp: str) -> tuple[int, bool]:
    """A file to write to, and whether it has its name already: without one nothing is left of it if we are killed."""
    try:
        return os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=folder), False
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(temp, flags, 0o600, dir_fd=folder), True


def _rename(folder: int, temp: str, name: str) -> str:
    try:
        os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        os.unlink(temp, dir_fd=folder)
        if isinstance(error, IsADirectoryError):
            return "a folder stands there"
        return str(error.strerror)
    return ""


def _fill(file: int, source: Source, size: int) -> None:
    """Zeros become holes, so that a sparse file stays one."""
    left = size
    while left:
        data = source.receive(min(left, _READ))
        left -= len(data)
        if not data.strip(b"\0"):
            os.lseek(file, len(data), os.SEEK_CUR)
            continue
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
    os.ftruncate(file, size)


def _skip(source: Source, size: int) -> None:
    while size:
        size -= len(source.receive(min(size, _READ)))
