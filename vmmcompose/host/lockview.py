"""Who holds a lock, seen without touching it: /proc/locks tells, to every user."""

import os
from collections.abc import Iterable

from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record


def busy(paths: Paths, records: Iterable[Record]) -> frozenset[str]:
    """The VMs, by their names on the host, that another vmm is working on right now."""
    held = _held_inodes()
    if not held:
        return frozenset()
    specs = [record.spec for record in records]
    return frozenset(
        spec.name for spec in specs if _inode(str(paths.work_lock(spec.project, spec.vm))) in held
    )


def _held_inodes() -> frozenset[int]:
    """Inodes of files with a write flock. A line reads `1: FLOCK ADVISORY WRITE 123 fe:01:4711 0 EOF`."""
    try:
        with open("/proc/locks", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return frozenset()
    return frozenset(
        int(row[5].rpartition(":")[2]) for row in rows if row[1] == "FLOCK" and row[3] == "WRITE"
    )


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1
