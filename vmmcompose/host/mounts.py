"""Mounts: an ext4 image of a host directory, and a sidecar that says what it was made from."""

import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.guest.listing import Listing
from vmmcompose.host import e2fs, ext4
from vmmcompose.host.files import (
    PathLike,
    failed,
    remove_tree,
    replacing,
    sync_dir,
    temp_path,
    unlink,
    write_atomic,
)
from vmmcompose.host.packing import copy_chosen
from vmmcompose.host.survey import Survey, Walk, survey
from vmmcompose.host.sync.base import write_base
from vmmcompose.host.sync.tree import Tree, owner_of, settled
from vmmcompose.model.desired import Mount

_ATTEMPTS = 3
_INODE = 256
_GROUP_OVERHEAD = 16 * 1024
"""Bytes of bitmaps and descriptors per 128 MiB."""
_SPARE = 2 * e2fs.MIB
"""For lost+found, superblocks and what fragmented files need beyond their content."""
_ROOM = 1024 * e2fs.MIB
_JOURNAL = 64 * e2fs.MIB


def source_digest(folder: PathLike, ignore: tuple[str, ...] = ()) -> str:
    """Changes when something in the directory does: a path, mode, owner, size, time or link target.

    About 0.1 s for 20 000 files.

    Raises:
        HostError: it cannot be read, as a whole or in part.
    """
    return survey(folder, ignore).digest


def build_mount(
    mount: Mount, target: PathLike, info_path: PathLike, base_path: PathLike | None = None
) -> None:
    """Makes a mount's image, then its sidecar. One process, two when the directory is not root's 0755.

    The image shows the directory as it was at one moment: it is made again, three times at most, when the
    directory changed meanwhile. The old sidecar goes before the new image comes, so that an image without one
    was interrupted. A read-only image has no journal; a writable one has as much room again as its content, at
    least 1 GiB, which takes no space on the host until it is used. `base_path` gets what is in it, from which
    can be told later who changed what.

    Raises:
        HostError: the directory cannot be read, keeps changing or holds `target`; the host's disk is full.
    """
    info = Path(info_path)
    # Before the image is made: what changes meanwhile must read as the host's change, not as the guest's.
    before = _listing(mount) if base_path is not None and mount.mode == "rw" else None
    with replacing(target, "make the image of a mount") as temp:
        digest = make_image_of(mount, temp)
        info.unlink(missing_ok=True)
        if base_path is not None:
            unlink(base_path)
        sync_dir(info.parent)
    if base_path is not None and before is not None:
        write_base(base_path, before)
    note_mount(mount, info, digest)


def _listing(mount: Mount) -> Listing:
    """How the directory is now, as the guest is to have it."""
    with Tree(os.path.realpath(mount.source), mount.ignore, owner_of(mount)) as tree:
        looked_ns = time.time_ns()
        return {path: settled(entry, looked_ns) for path, entry in tree.scan().items()}


def note_mount(mount: Mount, info_path: PathLike, digest: str) -> None:
    """Writes an image's sidecar: what it was made from, or was last in step with.

    Raises:
        HostError: it could not be written.
    """
    content = {**asdict(mount), "digest": digest}
    for key in ("tag", "target"):  # the image is the same wherever the guest has it
        del content[key]
    write_atomic(info_path, json.dumps(content, sort_keys=True).encode(), mode=0o644)


def make_image_of(mount: Mount, target: Path) -> str:
    """Makes an image of a mount's directory, without a sidecar; gives the digest of what it holds.

    Raises:
        HostError: as `build_mount`.
    """
    _require_apart(mount.source, target)
    return _settled(mount, target).digest


def _settled(mount: Mount, temp: Path) -> Survey:
    before = survey(mount.source, mount.ignore)
    for _ in range(_ATTEMPTS):
        failure: HostError | None = None
        try:
            _make(mount, temp, before)
        except HostError as error:
            failure = error
        after = survey(mount.source, mount.ignore)
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
    with _packed(mount, temp, found) as folder:
        try:
            _make_sized(mount, folder, temp, found.inodes, found.allocated)
        except HostError as error:
            if "allocate" not in error.message:
                raise
            # A compressing file system occupies less than the content needs elsewhere.
            size = found.apparent + found.apparent // 8 + 16 * e2fs.MIB
            _make_sized(mount, folder, temp, found.inodes, size)
    status = os.stat(mount.source)
    uid, gid = owner_of(mount) or (status.st_uid, status.st_gid)
    mode = stat.S_IMODE(status.st_mode)
    if (mode, uid, gid) != (0o755, 0, 0):
        ext4.set_root(temp, mode, uid, gid)


@contextmanager
def _packed(mount: Mount, temp: Path, found: Survey) -> Iterator[str]:
    """The directory that mke2fs(8) is given, which takes it whole and as it is.

    Where something is left out, or belongs to somebody else in the guest, that is a copy beside the image.
    """
    if found.whole and not mount.owner:
        yield mount.source
        return
    stage = temp_path(temp.parent / f"{mount.tag}.d")
    remove_tree(stage)
    try:
        stage.mkdir(mode=0o700)
        paths = [path for path, _, _ in Walk(mount.source, mount.ignore) if path]
        copy_chosen(mount.source, stage, paths, owner_of(mount))
        yield str(stage)
    except OSError as error:
        raise failed(f"cannot copy {mount.source}", error) from error
    finally:
        remove_tree(stage)


def _make_sized(mount: Mount, folder: str, temp: Path, inodes: int, content: int) -> None:
    read_only = mount.mode == "ro"
    room = inodes + 32 if read_only else 2 * inodes
    size = content + content // 64 + room * _INODE + _SPARE
    size += 0 if read_only else max(content, _ROOM) + _JOURNAL
    size += _GROUP_OVERHEAD * (size // (128 * e2fs.MIB) + 1)
    size_mib = -(-size // e2fs.MIB)
    ext4.make_image(folder, temp, label=mount.tag, size_mib=size_mib, inodes=room, read_only=read_only)


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
