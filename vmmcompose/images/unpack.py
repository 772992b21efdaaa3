"""Entries of a foreign archive put into a folder, and never anywhere else.

Nothing about an archive is trusted: not its names, links, sizes or order. The folder that holds an entry is found by
`host/inroot`, so a link on the way leads somewhere in the tree or nowhere. The entry itself is made by calls that
follow no link, after what had its name was removed; nothing is ever written into a file that was there.

Devices, fifos and sockets are left out: a guest's /dev is made by its kernel, and no node of a foreign image shall lie
on the host, even where only root reaches it.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from vmmcompose.errors import HostError
from vmmcompose.host.inroot import FOLDER, open_folder
from vmmcompose.images.allowance import DEPTH, Allowance
from vmmcompose.images.entry import Entry, clean, naming, owner, text

Write = Callable[[int], None]
"""Writes a file's content to a descriptor."""
_PATH_BYTES = 3000
"""Of a folder in the tree; with the tree's own path and a name it stays below the system's 4096."""
_NOWHERE = b"\0"
_KEPT = ("security.capability", "user.")
"""Extended attributes that mean something in a guest; labels of the builder's security module do not."""


class Unpacker:
    """Fills one tree, layer by layer."""

    def __init__(self, tree: Path, allowance: Allowance) -> None:
        self._allowance = allowance
        self._root = os.open(tree, FOLDER | os.O_NOFOLLOW)
        self._above = len(os.readlink(f"/proc/self/fd/{self._root}"))
        self._parent: tuple[bytes, int] = (b"", -1)
        self._own: set[tuple[int, bytes]] = set()
        self._times: dict[bytes, int] = {}
        self._omitted: set[bytes] = set()
        self.left_out = 0
        """Devices, fifos and sockets."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_parent()
        os.close(self._root)

    def begin_layer(self) -> None:
        """What comes next hides what was there, and not what comes with it."""
        self._own.clear()
        self._omitted.clear()

    def put(self, entry: Entry, write: Write) -> None:
        """Makes one file, folder or link; what has the name makes room, except a folder for a folder.

        Raises:
            HostError: the entry is not acceptable, or the system refused; the message names it.
        """
        self._allowance.entry()
        if entry.kind == "file":
            self._allowance.take(entry.size)
        with naming(entry.name):
            path = clean(entry.name)
            if not path:
                self._put_root(entry)
                return
            above, _, name = path.rpartition(b"/")
            parent = self._folder(above)
            self._own.add((os.fstat(parent).st_ino, name))
            self._make(entry, path, parent, name, write)

    def hide(self, path: bytes) -> None:
        """Removes what lower layers have at a path; what this layer put there or below it stays.

        Raises:
            HostError: the system refused.
        """
        above, _, name = clean(path).rpartition(b"/")
        with naming(path), suppress(FileNotFoundError, NotADirectoryError), self._opened(above) as parent:
            self._purge(parent, name)

    def hide_below(self, path: bytes) -> None:
        """As `hide` for everything in a folder, which itself stays.

        Raises:
            HostError: the system refused.
        """
        with naming(path), suppress(FileNotFoundError, NotADirectoryError), self._opened(path) as folder:
            for name in os.listdir(folder):
                self._purge(folder, os.fsencode(name))

    def finish(self) -> None:
        """Gives folders their times, which later entries have changed."""
        self._forget_parent()
        for path, time in self._times.items():
            with suppress(OSError), self._opened(path) as folder:
                os.utime(folder, ns=(time, time))

    def _put_root(self, entry: Entry) -> None:
        if entry.kind != "folder":
            raise HostError("the archive has something else than a folder at its top")
        self._dress(self._root, entry)

    def _make(self, entry: Entry, path: bytes, parent: int, name: bytes, write: Write) -> None:
        if entry.kind == "link":
            self._make_link(entry, path, parent, name)
            return
        self._omitted.discard(path)
        self._clear(parent, name, keep_folder=entry.kind == "folder")
        if entry.kind == "special":
            self.left_out += 1
            self._omitted.add(path)
        elif entry.kind == "symlink":
            os.symlink(entry.target, name, dir_fd=parent)
            os.chown(name, *owner(entry), dir_fd=parent, follow_symlinks=False)
            os.utime(name, ns=(entry.mtime_ns,) * 2, dir_fd=parent, follow_symlinks=False)
        elif entry.kind == "folder":
            self._make_folder(parent, name)
            with _opening(name, FOLDER | os.O_NOFOLLOW, parent) as folder:
                self._dress(folder, entry)
            self._times[path] = entry.mtime_ns
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with _opening(name, flags, parent) as file:
                write(file)
                self._dress(file, entry)
                os.utime(file, ns=(entry.mtime_ns,) * 2)

    def _make_link(self, entry: Entry, path: bytes, parent: int, name: bytes) -> None:
        target = clean(entry.target)
        if target in self._omitted:
            self._clear(parent, name, keep_folder=False)
            self._omitted.add(path)
            self.left_out += 1
            return
        above, _, target_name = target.rpartition(b"/")
        with self._opened(above) as folder:
            status = os.stat(target_name or b".", dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
                raise HostError(f"{text(path)} is a hard link to a folder")
            if (os.fstat(folder).st_ino, target_name) == (os.fstat(parent).st_ino, name):
                return
            self._clear(parent, name, keep_folder=False)
            os.link(target_name, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)

    def _dress(self, descriptor: int, entry: Entry) -> None:
        """Owner first: chown(2) takes set-uid bits and capabilities away."""
        os.chown(descriptor, *owner(entry))
        os.chmod(descriptor, entry.mode & 0o7777)
        for key, value in entry.xattrs.items():
            if key.startswith(_KEPT):
                os.setxattr(descriptor, key, value)

    def _clear(self, parent: int, name: bytes, *, keep_folder: bool) -> None:
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(status.st_mode):
            if not keep_folder:
                self._remove_folder(parent, name)
        else:
            self._unlink(parent, name, status)

    def _unlink(self, parent: int, name: bytes, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            self._names_changed()
        os.unlink(name, dir_fd=parent)

    def _remove_folder(self, parent: int, name: bytes) -> None:
        self._names_changed()
        with _opening(name, FOLDER | os.O_NOFOLLOW, parent) as folder:
            for below in os.listdir(folder):
                self._own.discard((os.fstat(folder).st_ino, os.fsencode(below)))
                self._clear(folder, os.fsencode(below), keep_folder=False)
        os.rmdir(name, dir_fd=parent)

    def _purge(self, parent: int, name: bytes) -> None:
        """Removes what is not this layer's; folders that hold something of this layer's stay."""
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        mine = (os.fstat(parent).st_ino, name) in self._own
        if not stat.S_ISDIR(status.st_mode):
            if not mine:
                self._unlink(parent, name, status)
            return
        with _opening(name, FOLDER | os.O_NOFOLLOW, parent) as folder:
            for below in os.listdir(folder):
                self._purge(folder, os.fsencode(below))
            rest = os.listdir(folder)
        if not mine and not rest:
            self._names_changed()
            os.rmdir(name, dir_fd=parent)

    def _folder(self, path: bytes) -> int:
        """A descriptor of a folder, which stays open until another is asked for; it is made where it is missing."""
        if self._parent[1] >= 0 and self._parent[0] == path:
            return self._parent[1]
        try:
            descriptor = open_folder(self._root, path)
        except FileNotFoundError:
            descriptor = self._make_parents(path)
        self._forget_parent()
        self._parent = (path, descriptor)
        return descriptor

    def _make_parents(self, path: bytes) -> int:
        at = b""
        folder = open_folder(self._root, b"")
        for part in path.split(b"/"):
            at = at + b"/" + part if at else part
            try:
                try:
                    below = open_folder(self._root, at)
                except FileNotFoundError:
                    self._allowance.entry()
                    self._make_folder(folder, part)
                    below = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
            folder = below
        return folder

    def _make_folder(self, parent: int, name: bytes) -> None:
        inside = os.readlink(f"/proc/self/fd/{parent}")[self._above :]
        if inside.count("/") >= DEPTH or len(os.fsencode(inside)) > _PATH_BYTES:
            raise HostError("its folders lie too deep in each other")
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
            os.chmod(name, 0o755, dir_fd=parent)  # noqa: S103 - whatever the umask; only root reaches the tree
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise

    @contextmanager
    def _opened(self, path: bytes) -> Iterator[int]:
        descriptor = open_folder(self._root, path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _names_changed(self) -> None:
        """The folder that is kept open may not be what its path leads to any more; it may still be in use."""
        self._parent = (_NOWHERE, self._parent[1])

    def _forget_parent(self) -> None:
        if self._parent[1] >= 0:
            os.close(self._parent[1])
        self._parent = (b"", -1)


@contextmanager
def _opening(name: bytes, flags: int, parent: int) -> Iterator[int]:
    descriptor = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
