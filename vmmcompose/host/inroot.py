"""Folders of a foreign file tree, found by the kernel with the tree as its root: openat2(2), RESOLVE_IN_ROOT.

A link in the tree, absolute or with `..`, means what it will mean to the guest, and never leads out of the tree.
"""

import ctypes
import errno
import os

from vmmcompose.errors import HostUnfit

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPENAT2 = 437
"""The same number on every architecture."""
_NO_OTHER_FILE_SYSTEM, _NO_MAGIC, _NO_LINKS, _BENEATH, _IN_ROOT = 0x01, 0x02, 0x04, 0x08, 0x10
_TRIES = 64
"""A rename anywhere on the host may make the kernel ask for another try where a path holds `..`."""


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


def open_folder(root: int, path: bytes) -> int:
    """A descriptor of a folder below `root`; links on the way and at the end are followed inside the tree.

    Raises:
        OSError: there is none, or something else has that name.
        HostUnfit: the kernel is older than Linux 5.6.
    """
    return open_inside(root, path, FOLDER)


def open_inside(root: int, path: bytes, flags: int) -> int:
    """As `open_folder` for whatever `flags` ask for; nothing is made.

    Raises:
        OSError: there is nothing of that name, or it cannot be opened so.
        HostUnfit: the kernel is older than Linux 5.6.
    """
    return _open(root, path, _How(flags, 0, _IN_ROOT | _NO_MAGIC | _NO_OTHER_FILE_SYSTEM))


def open_strictly(root: int, path: bytes, flags: int) -> int:
    """As `open_inside`, but a link anywhere in the path is an error, and so is `..` that leads out.

    Raises:
        OSError: there is nothing of that name, a link is on the way, or it cannot be opened so.
        HostUnfit: the kernel is older than Linux 5.6.
    """
    return _open(root, path, _How(flags, 0, _BENEATH | _NO_LINKS))


def _open(root: int, path: bytes, how: _How) -> int:
    code = 0
    for _ in range(_TRIES):
        name = ctypes.c_char_p(path or b".")
        descriptor: int = _libc.syscall(_OPENAT2, root, name, ctypes.byref(how), ctypes.sizeof(how))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code != errno.EAGAIN:
            break
    if code == errno.ENOSYS:
        raise HostUnfit(
            "this kernel cannot keep a foreign tree in its folder", hint="Linux 5.6 or newer is needed"
        )
    raise OSError(code, os.strerror(code))
