"""A cpio archive in the form the kernel unpacks as initramfs ("newc").

Format: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html. The same members give the same
bytes: no times, no inode numbers of the host, everything owned by root.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Member:
    """One entry; `data` is a file's content or a symbolic link's target."""

    name: str
    """Relative, without a leading slash."""
    mode: int
    """Type and permissions as in `st_mode`."""
    data: bytes = b""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""


def folder(name: str) -> Member:
    """A folder with mode 0755."""
    return Member(name, stat.S_IFDIR | 0o755)


def file(name: str, data: bytes, mode: int = 0o644) -> Member:
    """A regular file."""
    return Member(name, stat.S_IFREG | mode, data)


def link(name: str, target: str) -> Member:
    """A symbolic link."""
    return Member(name, stat.S_IFLNK | 0o777, target.encode())


def archive(members: Iterable[Member]) -> bytes:
    """The archive with its trailer, padded to four bytes. A folder must come before what lies in it."""
    parts = [_entry(number, member) for number, member in enumerate(members, start=1)]
    parts.append(_entry(0, Member(_TRAILER, 0)))
    return b"".join(parts)


def _entry(number: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    fields = (number, member.mode, 0, 0, links, 0, len(member.data), 0, 0, *member.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(member.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
