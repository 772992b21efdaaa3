"""How a mount was when host and guest were last in step: kept beside its image, so that it outlives a command."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from vmmcompose.guest.listing import Entry, Listing
from vmmcompose.guest.packed import Packed
from vmmcompose.host.files import PathLike, write_atomic

_VERSION = 1


class Base:
    """Entries by path, and by folder, so that a look at one folder costs nothing for the others."""

    def __init__(self, entries: Listing | None = None) -> None:
        self.entries = Packed(entries)
        self.changed = False
        """Whether it says something else than what was kept."""

    def put(self, path: str, entry: Entry) -> None:
        """Both sides are so now."""
        self.changed |= self.entries.put(path, entry)

    def forget(self, path: str) -> None:
        """Neither side has it now, nor anything below it."""
        for below in [*self.below(path), path]:
            self.changed |= self.entries.drop(below)

    def inside(self, folder: str) -> list[str]:
        """What is right in a folder."""
        return self.entries.inside(folder)

    def below(self, folder: str) -> Iterator[str]:
        """Everything below a folder, each folder before what is in it."""
        left = self.inside(folder)
        while left:
            path = left.pop()
            yield path
            left += self.inside(path)


def read_base(path: PathLike) -> Base:
    """What was kept; nothing where there is none, or it is of another version or damaged."""
    try:
        value = json.loads(Path(path).read_bytes())
        if value["version"] != _VERSION:
            return Base()
        return Base({row[0]: Entry(*row[1:]) for row in value["entries"]})
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error):
        return Base()


def write_base(path: PathLike, entries: Listing) -> None:
    """Keeps it, for root alone: it tells names of the host's files.

    Raises:
        HostError: it cannot be written.
    """
    rows = [
        (at, one.mode, one.size, one.mtime_ns, one.uid, one.gid, one.target, one.inode, one.ctime_ns)
        for at, one in entries.items()
    ]
    write_atomic(path, json.dumps({"version": _VERSION, "entries": rows}).encode(), mode=0o600)
