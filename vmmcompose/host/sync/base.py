"""How a mount was when host and guest were last in step: kept beside its image, so that it outlives a command."""

import json
from collections.abc import Iterator
from pathlib import Path

from vmmcompose.guest.listing import Entry, Listing
from vmmcompose.host.files import PathLike, write_atomic

_VERSION = 1


class Base:
    """Entries by path, and by folder, so that a look at one folder costs nothing for the others."""

    def __init__(self, entries: Listing | None = None) -> None:
        self.entries: dict[str, Entry] = {}
        self._names: dict[str, set[str]] = {}
        for path, entry in (entries or {}).items():
            self.put(path, entry)
        self.changed = False
        """Whether it says something else than what was kept."""

    def put(self, path: str, entry: Entry) -> None:
        """Both sides are so now."""
        if path not in self.entries:
            above, _, name = path.rpartition("/")
            self._names.setdefault(above, set()).add(name)
        if self.entries.get(path) != entry:
            self.entries[path] = entry
            self.changed = True

    def forget(self, path: str) -> None:
        """Neither side has it now, nor anything below it."""
        for below in [*self.below(path), path]:
            if self.entries.pop(below, None) is not None:
                self.changed = True
                above, _, name = below.rpartition("/")
                self._names[above].discard(name)
                if not self._names[above]:
                    del self._names[above]

    def inside(self, folder: str) -> list[str]:
        """What is right in a folder."""
        return [f"{folder}/{name}" if folder else name for name in self._names.get(folder, ())]

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
    except (OSError, ValueError, KeyError, TypeError, IndexError):
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
