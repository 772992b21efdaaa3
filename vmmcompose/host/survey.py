"""One walk over a host directory: what of it goes into a guest, as a digest and as the room it takes in an image."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmmcompose.host.files import PathLike, failed

if TYPE_CHECKING:
    from vmmcompose.guest.ignoring import Rules

_BLOCK = 4096
_SHORT_LINK = 59
"""Bytes of a symbolic link's target that fit into an ext4 inode."""
Line = tuple[bytes, os.stat_result, bytes]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a directory holds."""

    digest: str
    inodes: int
    allocated: int
    """Bytes in an image, counting of a sparse file only what it occupies here."""
    apparent: int
    """Bytes in an image if no file were sparse."""
    whole: bool = True
    """Whether nothing in it is left out."""


def survey(folder: PathLike, ignore: tuple[str, ...] = ()) -> Survey:
    """Walks a directory without following links; what `ignore` and its `.vmmignore` say is not looked at.

    The digest is of paths, modes, owners, link targets and, but for folders, sizes and modification times: a
    file that comes and goes changes its folder's time and nothing that a guest would see.

    Raises:
        HostError: it cannot be read, as a whole or in part.
    """
    from hashlib import blake2b

    digest = blake2b(digest_size=20)
    inodes = allocated = apparent = 0
    walk = Walk(folder, ignore)
    try:
        for path, status, link in walk:
            is_dir = stat.S_ISDIR(status.st_mode)
            times = b"" if is_dir else b"%d %d" % (status.st_size, status.st_mtime_ns)
            owner = b"%o %d %d %d" % (status.st_mode, status.st_uid, status.st_gid, status.st_rdev)
            digest.update(b"%s\0%s %s %s\0" % (path, owner, times, link))
            full = _room(status)
            inodes += 1
            apparent += full
            allocated += min(full, status.st_blocks * 512 + _BLOCK) if stat.S_ISREG(status.st_mode) else full
    except OSError as error:
        raise failed(f"cannot read the directory {os.fspath(folder)}", error) from error
    return Survey(digest.hexdigest(), inodes, allocated, apparent, whole=not walk.left_out)


class Walk:
    """Every path below a directory, in an order that depends on names alone, without what vanishes meanwhile.

    The directory itself comes first, as an empty path.

    Raises:
        HostError: its own rules of what to ignore cannot be read.
    """

    def __init__(self, folder: PathLike, ignore: tuple[str, ...] = ()) -> None:
        self.left_out = 0
        """How many files and folders were ignored so far."""
        self._top = os.fsencode(folder)
        self._rules = _rules(folder, ignore)

    def __iter__(self) -> Iterator[Line]:
        """Raises OSError: it cannot be read, as a whole or in part."""
        yield b"", os.stat(self._top), b""
        pending = [b""]
        while pending:
            relative = pending.pop()
            try:
                with os.scandir(os.path.join(self._top, relative)) as entries:
                    ordered = sorted(entries, key=lambda entry: entry.name)
            except FileNotFoundError:
                if not relative:
                    raise
                continue
            for entry in ordered:
                name = os.path.join(relative, entry.name)
                if self._rules.ignores(os.fsdecode(name), folder=entry.is_dir(follow_symlinks=False)):
                    self.left_out += 1
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                    link = os.readlink(entry.path) if stat.S_ISLNK(status.st_mode) else b""
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    pending.append(name)
                yield name, status, link


def _rules(folder: PathLike, ignore: tuple[str, ...]) -> "Rules":
    from vmmcompose.host.sync.tree import Tree  # most projects have no directory to walk

    with Tree(os.path.realpath(folder), ignore) as tree:
        return tree.rules


def _room(status: os.stat_result) -> int:
    if stat.S_ISREG(status.st_mode):
        return -(-status.st_size // _BLOCK) * _BLOCK
    if stat.S_ISDIR(status.st_mode):
        return max(_BLOCK, -(-status.st_size // _BLOCK) * _BLOCK)
    if stat.S_ISLNK(status.st_mode) and status.st_size > _SHORT_LINK:
        return _BLOCK
    return 0
