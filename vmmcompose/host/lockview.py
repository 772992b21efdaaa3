"""Who holds a lock, seen without touching it: /proc/locks tells, to every user."""

import os

from vmmcompose.model.paths import Paths


def busy_projects(paths: Paths, projects: frozenset[str]) -> frozenset[str]:
    """The projects another vmm is working on right now."""
    held = _held_inodes()
    if not held:
        return frozenset()
    return frozenset(name for name in projects if _inode(str(paths.lock(f"project-{name}"))) in held)


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
