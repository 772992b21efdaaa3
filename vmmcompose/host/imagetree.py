"""What lies in an ext4 image, listed and read without mounting it: the image's content may be anything.

Names are found by inode, so that no name can be taken for a command. What a hostile image says is about itself alone:
a name cannot hold `/`, and debugfs(8) reads content from nowhere but the image.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from vmmcompose.errors import HostError
from vmmcompose.guest.listing import Entry, is_path
from vmmcompose.host import debugfs
from vmmcompose.host.files import PathLike

_ROOT = 2
_ENTRY = re.compile(rb"^/(\d+)/(\d{6})/\d+/\d+/([^/\0]+)/\d*/$", re.MULTILINE)
_MTIME = re.compile(rb"^ mtime: 0x([0-9a-f]{8})", re.MULTILINE)
_MOST = 1_000_000
_DEPTH = 128
_PER_SCRIPT = 5000
_LINK = 4096
"""A longer target is no path (PATH_MAX, include/uapi/linux/limits.h)."""


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    number: int
    mode: int


class ImageTree:
    """One image that nobody writes to meanwhile."""

    def __init__(self, image: PathLike) -> None:
        self._image = image
        self._inodes: dict[str, int] = {}

    def scan(self) -> dict[str, Entry]:
        """Everything in it, by path.

        Raises:
            HostError: it cannot be read, or holds more, or deeper folders, than a mount does.
        """
        found: list[_Found] = []
        folders, seen = {_ROOT: ""}, {_ROOT}
        for _ in range(_DEPTH):
            level = list(self._level(folders))
            found += level
            if len(found) > _MOST:
                raise HostError(f"the image {os.fspath(self._image)} holds more than {_MOST} files")
            folders = {
                one.number: f"{one.path}/"
                for one in level
                if stat.S_ISDIR(one.mode) and one.number not in seen and one.path != "lost+found"
            }
            seen |= folders.keys()
            if not folders:
                return self._looked_at(found)
        raise HostError(f"the image {os.fspath(self._image)} holds folders deeper than {_DEPTH}")

    def _level(self, folders: dict[int, str]) -> Iterator[_Found]:
        for number, text in self._ask("ls -p", list(folders)):
            for inode, mode, name in _ENTRY.findall(text):
                path = folders[number] + os.fsdecode(name)
                if is_path(path):
                    yield _Found(path, int(inode), int(mode, 8))

    def _looked_at(self, found: list[_Found]) -> dict[str, Entry]:
        texts = dict(self._ask("stat", sorted({one.number for one in found})))
        links = {one.number for one in found if stat.S_ISLNK(one.mode)}
        seen = {number: debugfs.parse_inode(text) for number, text in texts.items()}
        targets = self._targets(links, seen)
        entries: dict[str, Entry] = {}
        for one in found:
            inode, times = seen.get(one.number), _MTIME.search(texts.get(one.number, b""))
            if inode is None or times is None:
                continue
            entries[one.path] = Entry(
                mode=stat.S_IFMT(one.mode) | inode.mode & 0o7777,
                size=inode.size,
                mtime_ns=int(times[1], 16) * 1_000_000_000,
                uid=inode.uid,
                gid=inode.gid,
                target=targets.get(one.number, ""),
            )
            self._inodes[one.path] = one.number
        return entries

    def _targets(self, links: set[int], seen: dict[int, debugfs.Inode | None]) -> dict[int, str]:
        found = {}
        for number in links:
            inode = seen.get(number)
            if inode is not None and inode.link is not None:
                found[number] = os.fsdecode(inode.link)
            elif inode is not None and inode.size <= _LINK:
                found[number] = os.fsdecode(b"".join(debugfs.content(self._image, number, inode.size)))
        return found

    def _ask(self, command: str, numbers: list[int]) -> Iterator[tuple[int, bytes]]:
        """A command about many inodes, a few thousand in one process."""
        for start in range(0, len(numbers), _PER_SCRIPT):
            batch = numbers[start : start + _PER_SCRIPT]
            lines = [f"{command} <{number}>" for number in batch]
            output, _ = debugfs.run(self._image, lines, write=False)
            for number, line in zip(reversed(batch), reversed(lines), strict=True):
                output, _, answer = output.rpartition(debugfs.echo(line))
                yield number, answer

    def content(self, path: str, size: int) -> Iterator[bytes]:
        """The first `size` bytes of a file that `scan` found, in pieces; holes are zeros.

        Raises:
            HostError: it cannot be read.
        """
        return debugfs.content(self._image, self._inodes[path], size)
