"""One walk over a host directory: what it holds, as a digest and as the room it takes in an image."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from vmmcompose.host.files import PathLike, failed

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


def survey(folder: PathLike) -> Survey:
    """Walks a directory without following links.

    The digest is of paths, modes, owners, link targets and, but for folders, sizes and modification times: a
    file that comes and goes changes its folder's time and nothing that a guest would see.

    Raises:
        HostError: it cannot be read, as a whole or in part.
    """
    from hashlib import blake2b

    digest = blake2b(digest_size=20)
    inodes = allocated = apparent = 0
    try:
        for path, status, link in _walk(os.fsencode(folder)):
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
    return Survey(digest.hexdigest(), inodes, allocated, apparent)


def _walk(top: bytes) -> Iterator[Line]:
    """Every path below `top`, in an order that depends on names alone, without what vanishes meanwhile."""
    yield b"", os.stat(top), b""
    pending = [b""]
    while pending:
        relative = pending.pop()
        try:
            with os.scandir(os.path.join(top, relative)) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            if not relative:
                raise
            continue
        for entry in ordered:
            name = os.path.join(relative, entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
                link = os.readlink(entry.path) if stat.S_ISLNK(status.st_mode) else b""
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(status.st_mode):
                pending.append(name)
            yield name, status, link


def _room(status: os.stat_result) -> int:
    if stat.S_ISREG(status.st_mode):
        return -(-status.st_size // _BLOCK) * _BLOCK
    if stat.S_ISDIR(status.st_mode):
        return max(_BLOCK, -(-status.st_size // _BLOCK) * _BLOCK)
    if stat.S_ISLNK(status.st_mode) and status.st_size > _SHORT_LINK:
        return _BLOCK
    return 0
