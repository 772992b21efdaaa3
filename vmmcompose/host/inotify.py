"""The door to inotify(7): what the kernel tells of folders, through one descriptor that poll(2) can wait for.

Directly and not through a library: the ones there are hold events back for half a second, to pair the two ends of a
rename, and leave out that the kernel's queue ran over.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from vmmcompose.errors import HostError, HostUnfit

# include/uapi/linux/inotify.h
MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF = 0x400, 0x800
OVERFLOW, IGNORED = 0x4000, 0x8000
_ONLYDIR, IS_DIR = 0x1000000, 0x40000000
GONE = DELETE_SELF | MOVE_SELF
MASK = ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | GONE | _ONLYDIR
"""Writing counts when the writer closes the file: before that its content is half of something."""

_EVENT = struct.Struct("iIII")
_BUFFER = 65536
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Change:
    """One event: in which watched folder, what (bits of the mask), and the name of the entry in it."""

    folder: int
    mask: int
    name: str


class Inotify:
    """A queue of events; `fileno` is readable when there are any."""

    def __init__(self) -> None:
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            hint = "sysctl fs.inotify.max_user_instances says how many a user may have"
            raise HostUnfit(f"cannot watch files: {os.strerror(code)}", hint=hint)

    def fileno(self) -> int:
        """The descriptor."""
        return int(self._fd)

    def close(self) -> None:
        """Gives it back, with all watches."""
        os.close(self._fd)

    def add(self, folder: str, mask: int = MASK) -> int | None:
        """Watches a folder, not those in it; the same number for the same folder. None where it is no folder.

        Raises:
            HostUnfit: the user may watch no more folders.
            HostError: the kernel refused otherwise.
        """
        number: int = _libc.inotify_add_watch(self._fd, os.fsencode(folder), mask)
        if number >= 0:
            return number
        code = ctypes.get_errno()
        if code in _MISSING:
            return None
        if code == errno.ENOSPC:
            hint = "sysctl fs.inotify.max_user_watches=1048576 allows more folders"
            raise HostUnfit(f"cannot watch {folder}: there are too many folders", hint=hint)
        raise HostError(f"cannot watch {folder}: {os.strerror(code)}")

    def remove(self, number: int) -> None:
        """Watches a folder no longer; one that is gone is no error."""
        _libc.inotify_rm_watch(self._fd, number)

    def read(self) -> Iterator[Change]:
        """The events there are."""
        while True:
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                folder, mask, _cookie, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                name = os.fsdecode(data[at : at + length].rstrip(b"\0"))
                at += length
                yield Change(folder, mask, name)
