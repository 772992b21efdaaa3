"""A guest's file tree on the host, worked on as the guest will see it.

The tree may come from a stranger: `etc` in it may be a link to the host's /etc. Each path is resolved by `inroot`,
so that no link, absolute or with `..`, leads out of the tree, and the last component of what is written or removed is
never followed.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.host.files import failed, remove_tree
from vmmcompose.host.inroot import FOLDER, open_inside

READ_LIMIT = 1 << 20
"""Bytes: few files that are read in a tree are meant to be larger."""


class Rooted:
    """A tree whose paths (`etc/hosts`, with or without a leading slash) are resolved inside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def kind(self, path: str) -> str:
        """What a path leads to, links followed: `folder`, `file`, `other`, or nothing at all."""
        with self._root() as root:
            try:
                descriptor = _open(root, path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                return ""
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG}:
                    return ""
                raise failed(f"cannot look at /{path} in the tree", error) from error
            with _closing(descriptor):
                mode = os.fstat(descriptor).st_mode
        return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"

    def runs(self, path: str) -> bool:
        """Whether a path leads to a file that may be executed."""
        if self.kind(path) != "file":
            return False
        with self._root() as root, _closing(_open(root, path, os.O_PATH | os.O_CLOEXEC)) as descriptor:
            return bool(os.fstat(descriptor).st_mode & 0o111)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """A regular file's content; None where there is none.

        Raises:
            HostError: it is larger than `limit` bytes, or the system refused.
        """
        if self.kind(path) != "file":
            return None
        with (
            self._doing(f"read /{path}") as root,
            _closing(_open(root, path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)) as descriptor,
        ):
            if os.fstat(descriptor).st_size > limit:
                raise HostError(f"/{path} in the image has more than {limit} bytes")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(limit)

    def names(self, path: str) -> list[str]:
        """What a folder holds, sorted; nothing where there is none."""
        if self.kind(path) != "folder":
            return []
        with self._doing(f"list /{path}") as root, _closing(_open(root, path, FOLDER)) as folder:
            return sorted(os.listdir(folder))

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Writes a file of root's; whatever file or link has that name is replaced.

        Raises:
            HostError: a folder has that name, or the system refused.
        """
        with self._parent(path, "write", make=True) as (folder, name):
            _unlink(folder, name)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(name, flags, mode, dir_fd=folder), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)

    def rewrite(self, path: str, content: bytes) -> None:
        """As `write`, with the mode and the owner that the file has.

        Raises:
            HostError: there is none, or the system refused.
        """
        with self._parent(path, "write", make=False) as (folder, name):
            old = os.stat(name, dir_fd=folder, follow_symlinks=False)
        mode = stat.S_IMODE(old.st_mode) if stat.S_ISREG(old.st_mode) else 0o600
        self.write(path, content, mode)
        with self._parent(path, "write", make=False) as (folder, name):
            os.chown(name, old.st_uid, old.st_gid, dir_fd=folder, follow_symlinks=False)
            os.chmod(name, mode, dir_fd=folder)

    def link(self, path: str, target: str) -> None:
        """Makes a symbolic link; whatever file or link has that name is replaced.

        Raises:
            HostError: a folder has that name, or the system refused.
        """
        with self._parent(path, "link", make=True) as (folder, name):
            _unlink(folder, name)
            os.symlink(target, name, dir_fd=folder)

    def make_dir(self, path: str, mode: int = 0o755) -> None:
        """Makes a folder, and its parents; a file or a link that leads nowhere makes room for it.

        Raises:
            HostError: the system refused.
        """
        with self._doing(f"make the folder /{path}") as root, _closing(_enter(root, path)) as folder:
            os.fchmod(folder, mode)

    def own_dir(self, path: str, mode: int = 0o755) -> None:
        """As `make_dir`, but a link of that name makes room for a folder, wherever it leads.

        Raises:
            HostError: the system refused.
        """
        with self._parent(path, "make the folder", make=True) as (folder, name):
            try:
                below = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            except OSError:
                _unlink(folder, name)
                os.mkdir(name, mode, dir_fd=folder)
                below = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            with _closing(below):
                os.fchmod(below, mode)

    def remove(self, path: str) -> None:
        """Removes a file or a link, not what it leads to; a missing one is no error.

        Raises:
            HostError: it is a folder, or the system refused.
        """
        if self.kind(os.path.dirname(path.strip("/"))) == "folder":
            with self._parent(path, "remove", make=False) as (folder, name):
                _unlink(folder, name)

    def rename(self, path: str, new_name: str) -> None:
        """Gives a file or a link another name in its folder; a missing one is no error.

        Raises:
            HostError: the system refused.
        """
        if self.kind(os.path.dirname(path.strip("/"))) == "folder":
            with self._parent(path, "rename", make=False) as (folder, name), suppress(FileNotFoundError):
                os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=folder)

    def empty(self, path: str) -> None:
        """Makes a folder that holds nothing: what was in it goes; a link of that name is replaced by a folder.

        Raises:
            HostError: something is mounted in it, or the system refused.
        """
        with self._parent(path, "empty", make=True) as (folder, name):
            remove_tree(Path(os.readlink(f"/proc/self/fd/{folder}")) / name)
            os.mkdir(name, 0o755, dir_fd=folder)

    @contextmanager
    def _root(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, FOLDER | os.O_NOFOLLOW)
        except OSError as error:
            raise failed(f"cannot open {self.path}", error) from error
        with _closing(descriptor):
            yield descriptor

    @contextmanager
    def _doing(self, what: str) -> Iterator[int]:
        with self._root() as root:
            try:
                yield root
            except OSError as error:
                raise failed(f"cannot {what} in the tree {self.path}", error) from error

    @contextmanager
    def _parent(self, path: str, verb: str, *, make: bool) -> Iterator[tuple[int, str]]:
        """The folder that holds a path, and the name in it."""
        parent, name = os.path.split(path.strip("/"))
        if name in {"", ".", ".."}:
            raise HostError(f"{path!r} is no path of a file in a tree")
        with self._doing(f"{verb} /{path.strip('/')}") as root:
            folder = _enter(root, parent) if make else _open(root, parent, FOLDER)
            with _closing(folder):
                yield folder, name


def _enter(root: int, path: str) -> int:
    """A descriptor of a folder, which is made where it is missing, as are its parents."""
    at = ""
    folder = _open(root, ".", FOLDER)
    for part in (part for part in path.split("/") if part):
        at = f"{at}/{part}"
        with _closing(folder):
            try:
                below = _open(root, at, FOLDER)
            except (FileNotFoundError, NotADirectoryError):
                _unlink(folder, part)
                os.mkdir(part, 0o755, dir_fd=folder)
                below = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        folder = below
    return folder


def _unlink(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(root: int, path: str, flags: int) -> int:
    return open_inside(root, os.fsencode(path), flags)
