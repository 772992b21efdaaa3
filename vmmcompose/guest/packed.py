"""Listings that are held for long, or are long: an entry is a few bytes, and of its path only the name is kept.

A file costs some 200 bytes so, in place of 500 to 700 as an `Entry` under its path.
"""

import struct
from collections.abc import Iterator, Mapping

from vmmcompose.guest.listing import Entry, Listing

_HEAD = struct.Struct("<HIIQQqIq")
"""Mode, owner, group, inode, size, seconds and nanoseconds of the time (it may lie beyond 2262), time of change."""
_SECOND = 1_000_000_000


class Packed(Mapping[str, Entry]):
    """Entries by path, and by folder."""

    def __init__(self, entries: Listing | None = None) -> None:
        self._folders: dict[str, dict[str, bytes]] = {}
        self._count = 0
        for path, entry in (entries or {}).items():
            self.put(path, entry)

    def __getitem__(self, path: str) -> Entry:
        """Raises KeyError."""
        above, _, name = path.rpartition("/")
        return _unpacked(self._folders[above][name])

    def __contains__(self, path: object) -> bool:
        """Without unpacking it."""
        above, _, name = str(path).rpartition("/")
        return name in self._folders.get(above, ())

    def __iter__(self) -> Iterator[str]:
        """Folder by folder."""
        for folder in self._folders:
            yield from self.inside(folder)

    def __len__(self) -> int:
        return self._count

    def put(self, path: str, entry: Entry) -> bool:
        """Notes an entry; whether that is news."""
        above, _, name = path.rpartition("/")
        names = self._folders.setdefault(above, {})
        before, packed = names.get(name), _packed(entry)
        if packed == before:
            return False
        self._count += before is None
        names[name] = packed
        return True

    def drop(self, path: str) -> bool:
        """Forgets a path, not what is below it; whether it was there."""
        above, _, name = path.rpartition("/")
        names = self._folders.get(above, {})
        if names.pop(name, None) is None:
            return False
        self._count -= 1
        if not names:
            del self._folders[above]
        return True

    def inside(self, folder: str) -> list[str]:
        """The paths of what is right in a folder."""
        names = self._folders.get(folder, ())
        return [f"{folder}/{name}" for name in names] if folder else list(names)


def _packed(entry: Entry) -> bytes:
    seconds, rest = divmod(entry.mtime_ns, _SECOND)
    head = _HEAD.pack(
        entry.mode, entry.uid, entry.gid, entry.inode, entry.size, seconds, rest, entry.ctime_ns
    )
    return head + entry.target.encode("utf-8", "surrogateescape")


def _unpacked(data: bytes) -> Entry:
    mode, uid, gid, inode, size, seconds, rest, ctime_ns = _HEAD.unpack_from(data)
    target = data[_HEAD.size :].decode("utf-8", "surrogateescape")
    return Entry(mode, size, seconds * _SECOND + rest, uid, gid, target, inode, ctime_ns)
