"""What can be put into a guest's disk, as a value."""

import stat
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuestEntry:
    """A regular file, or a folder when `mode` carries the folder bit (`stat.S_IFDIR`)."""

    path: str
    """Absolute, as the guest sees it."""
    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    keep: bool = False
    """Whether a folder that is there already keeps its mode and owner."""

    @property
    def is_dir(self) -> bool:
        """Whether this is a folder."""
        return stat.S_ISDIR(self.mode)


def folder(path: str, mode: int = 0o755) -> GuestEntry:
    """A folder of root's."""
    return GuestEntry(path, mode=stat.S_IFDIR | mode)


def mount_point(path: str) -> GuestEntry:
    """A folder for something to be mounted on: made where it is missing, else left as the image has it."""
    return GuestEntry(path, mode=stat.S_IFDIR | 0o755, keep=True)
