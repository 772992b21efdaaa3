"""What an archive may take up on the host before it is refused: bytes and entries."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.host.files import failed

MIB = 1 << 20
ENTRIES = 1_000_000
"""Files, folders and links of one image; a desktop system has half of that."""
DEPTH = 200
"""Folders in each other."""


@dataclass(slots=True)
class Allowance:
    """What is left for one archive, counted down while it is unpacked."""

    bytes_left: int
    """Of files as they say their size is, holes included."""
    entries_left: int = ENTRIES
    reason: str = "that is the limit"
    hint: str = ""
    limit: int = 0
    """As `bytes_left` was at the beginning, for messages."""

    def __post_init__(self) -> None:
        self.limit = self.bytes_left

    def entry(self) -> None:
        """Counts a file, a folder or a link.

        Raises:
            HostError: there are too many.
        """
        self.entries_left -= 1
        if self.entries_left < 0:
            raise HostError("the archive holds too many files", hint=f"at most {ENTRIES} fit into an image")

    def take(self, size: int) -> None:
        """Counts bytes.

        Raises:
            HostError: there are too many.
        """
        if size < 0:
            raise HostError("the archive is damaged: a file in it has a negative size")
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise HostError(
                f"the archive unpacks to more than {self.limit // MIB} MiB: {self.reason}", hint=self.hint
            )


def allowance(folder: Path, size_mib: int = 0) -> Allowance:
    """What may be unpacked below `folder`: half of the free space, since an image is made of it next to it.

    Args:
        folder: where it will lie.
        size_mib: the size that the user asked for the image to have; 0 for none.

    Raises:
        HostError: the folder cannot be looked at.
    """
    try:
        room = shutil.disk_usage(folder).free // 2
        inodes = os.statvfs(folder).f_favail
    except OSError as error:
        raise failed(f"cannot look at {folder}", error) from error
    entries = min(ENTRIES, inodes) if inodes else ENTRIES
    if size_mib and size_mib * MIB < room:
        return Allowance(size_mib * MIB, entries, "more does not fit into --size", "give a bigger --size")
    hint = "free some space there, or choose another folder with --data-dir"
    return Allowance(room, entries, f"half of what is free in {folder}", hint)
