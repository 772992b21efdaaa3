"""Mounts: an ext4 image of a host directory, and a sidecar that says what it was made from."""

import json
import os
import stat
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.host import e2fs, ext4
from vmmcompose.host.files import PathLike, failed, replacing, sync_dir, write_atomic
from vmmcompose.host.survey import Survey, survey
from vmmcompose.model.desired import Mount

_ATTEMPTS = 3
_INODE = 256
_GROUP_OVERHEAD = 16 * 1024
"""Bytes of bitmaps and descriptors per 128 MiB."""
_SPARE = 2 * e2fs.MIB
"""For lost+found, superblocks and what fragmented files need beyond their content."""
_ROOM = 1024 * e2fs.MIB
_JOURNAL = 64 * e2fs.MIB


def source_digest(folder: PathLike) -> str:
    """Changes when something in the directory does: a path, mode, owner, size, time or link target.

    About 0.1 s for 20 000 files.

    Raises:
        HostError: it cannot be read, as a whole or in part.
    """
    return survey(folder).digest


def build_mount(mount: Mount, target: PathLike, info_path: PathLike) -> None:
    """Makes a mount's image, then its sidecar. One process, two when the directory is not root's 0755.

    The image shows the directory as it was at one moment: it is made again, three times at most, when the
    directory changed meanwhile. The old sidecar goes before the new image comes, so that an image without one
    was interrupted. A read-only image is just as big as its content and has no journal; a writable one has
    as much room again, at least 1 GiB, which takes no space on the host until it is used.

    Raises:
        HostError: the directory cannot be read, keeps changing or holds `target`; the host's disk is full.
    """
    _require_apart(mount.source, target)
    info = Path(info_path)
    with replacing(target, "make the image of a mount") as temp:
        found = _settled(mount, temp)
        info.unlink(missing_ok=True)
        sync_dir(info.parent)
    content = {"source": mount.source, "mode": mount.mode, "digest": found.digest}
    write_atomic(info, json.dumps(content, sort_keys=True).encode(), mode=0o644)


def _settled(mount: Mount, temp: Path) -> Survey:
    before = survey(mount.source)
    for _ in range(_ATTEMPTS):
        failure: HostError | None = None
        try:
            _make(mount, temp, before)
        except HostError as error:
            failure = error
        after = survey(mount.source)
        if after.digest == before.digest:
            if failure is not None:
                raise failure
            return after
        before = after
    raise HostError(
        f"the directory {mount.source} of mount `{mount.tag}` keeps changing while it is copied",
        hint="stop what writes there, or mount a part of it that is at rest",
    )


def _make(mount: Mount, temp: Path, found: Survey) -> None:
    try:
        _make_sized(mount, temp, found.inodes, found.allocated)
    except HostError as error:
        if "allocate" not in error.message:
            raise
        # A compressing file system occupies less than the content needs elsewhere.
        _make_sized(mount, temp, found.inodes, found.apparent + found.apparent // 8 + 16 * e2fs.MIB)
    status = os.stat(mount.source)
    mode = stat.S_IMODE(status.st_mode)
    if (mode, status.st_uid, status.st_gid) != (0o755, 0, 0):
        ext4.set_root(temp, mode, status.st_uid, status.st_gid)


def _make_sized(mount: Mount, temp: Path, inodes: int, content: int) -> None:
    read_only = mount.mode == "ro"
    room = inodes + 32 if read_only else 2 * inodes
    size = content + content // 64 + room * _INODE + _SPARE
    size += 0 if read_only else max(content, _ROOM) + _JOURNAL
    size += _GROUP_OVERHEAD * (size // (128 * e2fs.MIB) + 1)
    size_mib = -(-size // e2fs.MIB)
    ext4.make_image(mount.source, temp, label=mount.tag, size_mib=size_mib, inodes=room, read_only=read_only)


def _require_apart(source: str, target: PathLike) -> None:
    try:
        inside = os.path.commonpath((os.path.realpath(source), os.path.realpath(target))) == os.path.realpath(
            source
        )
        os.scandir(source).close()
    except OSError as error:
        raise failed(f"cannot read the directory {source}", error) from error
    if inside:
        raise HostError(
            f"the directory {source} cannot be mounted: vmm's own data lies in it",
            hint="mount a directory below it, or choose another data folder with --data-dir",
        )
