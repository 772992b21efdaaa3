"""The door to inotify(7): what the kernel tells of folders, through one descriptor that poll(2) can wait for.

Of watchdog only the system calls are used: its observers hold events back for half a second, to pair the two ends of
a rename, and leave out that the kernel's queue ran over (docs/adr/0004).
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from watchdog.observers.inotify_c import InotifyConstants as Bits
from watchdog.observers.inotify_c import inotify_add_watch, inotify_init, inotify_rm_watch

from vmmcompose.errors import HostError, HostUnfit

MODIFY, ATTRIB, CLOSE_WRITE = Bits.IN_MODIFY, Bits.IN_ATTRIB, Bits.IN_CLOSE_WRITE
MOVED_FROM, MOVED_TO = Bits.IN_MOVED_FROM, Bits.IN_MOVED_TO
CREATE, DELETE = Bits.IN_CREATE, Bits.IN_DELETE
OVERFLOW, IGNORED, IS_DIR = Bits.IN_Q_OVERFLOW, Bits.IN_IGNORED, Bits.IN_ISDIR
MOVE_SELF = Bits.IN_MOVE_SELF
GONE = Bits.IN_DELETE_SELF | MOVE_SELF
MASK = ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | GONE | Bits.IN_ONLYDIR
"""Writing counts when the writer closes the file: before that its content is half of something."""

_EVENT = struct.Struct("iIII")
_BUFFER = 65536
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)
_LIMITS = "/proc/sys/fs/inotify"


@dataclass(frozen=True, slots=True)
class Change:
    """One event: in which watched folder, what (bits of the mask), and the name of the entry in it."""

    folder: int
    mask: int
    name: str


def watches_limit() -> int:
    """How many folders a user may watch, over all programs (inotify(7)); 0 where that is not told."""
    try:
        with open(f"{_LIMITS}/max_user_watches", encoding="ascii") as file:
            return int(file.read())
    except OSError:
        return 0


class Inotify:
    """A queue of events; `fileno` is readable when there are any."""

    def __init__(self) -> None:
        self._fd = inotify_init()
        if self._fd < 0:
            code = ctypes.get_errno()
            hint = "sysctl fs.inotify.max_user_instances says how many a user may have"
            raise HostUnfit(f"cannot watch files: {os.strerror(code)}", hint=hint)
        os.set_blocking(self._fd, False)
        os.set_inheritable(self._fd, False)

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
        number: int = inotify_add_watch(self._fd, os.fsencode(folder), mask)
        if number >= 0:
            return number
        code = ctypes.get_errno()
        if code in _MISSING:
            return None
        if code == errno.ENOSPC:
            words = (
                f"cannot watch {folder}: no more folders than fs.inotify.max_user_watches={watches_limit()}"
            )
            hint = f"`sysctl fs.inotify.max_user_watches={max(1 << 20, 2 * watches_limit())}` allows more"
            raise HostUnfit(words, hint=hint)
        raise HostError(f"cannot watch {folder}: {os.strerror(code)}")

    def remove(self, number: int) -> None:
        """Watches a folder no longer; one that is gone is no error."""
        inotify_rm_watch(self._fd, number)  # type: ignore[arg-type]  # newer ones have a type of their own

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
