"""`vmm image snapshot`: a stopped VM's root disk becomes an image, without what makes it that VM's."""

import os
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit, Refused, UsageError
from vmmcompose.guest import FSTAB
from vmmcompose.guest.anonymous import HOMES, anonymous_files, identity_paths
from vmmcompose.guest.environment import PAM
from vmmcompose.host import debugfs, disks, e2fs, ext4, locks, store
from vmmcompose.host.process import alive
from vmmcompose.images import publish
from vmmcompose.images.imagefile import MIB, image_replacing
from vmmcompose.images.packages import Progress
from vmmcompose.model.observed import Image
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record

SLACK_MIB = 16
"""Free space that is left in the image, so that files can be written to its copies before they grow."""


def snapshot_disk(
    paths: Paths, record: Record, name: str, on_progress: Progress, *, force: bool = False
) -> Image:
    """Makes an image of a stopped VM's root disk; the disk itself is left as it is.

    Host keys, authorized keys, machine id, the VM's mounts and variables are taken out, and the blocks they were in
    become holes: nothing of what was deleted in the VM is in the image either.

    Raises:
        Refused: the VM runs.
        UsageError: it has no disk yet, or the name is taken.
        HostUnfit: not root.
        HostError: the disk is damaged, or there is no room.
    """
    publish.check_name(name)
    if os.geteuid() != 0:
        raise HostUnfit("reading a VM's disk needs root", hint="run it with sudo")
    publish.prepare(paths)
    spec = record.spec
    lock = paths.work_lock(spec.project, spec.vm)
    with (
        locks.hold(lock, f"VM {spec.vm}", on_wait=on_progress),
        locks.hold(paths.lock("images"), "the image store", on_wait=on_progress),
    ):
        _require_rest(paths, record)
        if not force and name in store.list_images(paths):
            raise UsageError(f"there is an image {name} already", hint="choose another --name, or --force")
        fields = {"source": f"snapshot of VM {spec.name}", "image": spec.image}
        with image_replacing(paths, name, fields) as temp:
            on_progress(f"copying the disk of {spec.vm}")
            disks.copy_disk(paths.disk(spec.name), temp)
            on_progress("taking out what is this VM's own")
            _make_anonymous(temp)
            on_progress("shrinking it")
            _shrink(temp)
    return store.list_images(paths)[name]


def _require_rest(paths: Paths, record: Record) -> None:
    from vmmcompose.host.records import read_record

    spec = record.spec
    now = read_record(paths, spec.name)
    if not isinstance(now, Record):
        raise UsageError(f"VM {spec.vm} is gone")
    if now.state != "stopped" or (now.process is not None and alive(now.process)):
        raise Refused(
            f"VM {spec.vm} is {now.state}; its disk changes", hint=f"vmm stop {spec.vm}, then try again"
        )
    if not os.path.exists(str(paths.disk(spec.name))):
        raise UsageError(
            f"VM {spec.vm} has no disk yet", hint=f"vmm start {spec.vm} makes one of {spec.image}"
        )


def _make_anonymous(image: Path) -> None:
    with e2fs.locked(image) as lock:
        e2fs.check(image, lock, "-fy")
    found = ext4.read_files(image, [FSTAB, PAM])
    existing = {
        path: data.decode(errors="surrogateescape") for path, data in found.items() if data is not None
    }
    ext4.write_files(image, anonymous_files(existing), remove=identity_paths(_users(image)))


def _users(image: Path) -> list[str]:
    """Names below /home. A line of `ls -p` reads `/inode/mode/uid/gid/name/size/`, debugfs(8)."""
    output, _ = debugfs.run(image, [f"ls -p {HOMES}"], write=False)
    rows = [line.split("/") for line in output.decode(errors="surrogateescape").splitlines()]
    names = [row[5] for row in rows if len(row) > 6 and row[1].isdigit()]
    return [name for name in names if name not in (".", "..", "") and name.isprintable()]


def _shrink(image: Path) -> None:
    """To its least size and a little more. Free blocks become holes, so that what was deleted is gone."""
    with e2fs.locked(image) as lock:
        # The journal may still hold old blocks; a new one holds none.
        _tool(("tune2fs", "-O", "^has_journal", str(image)), lock)
        _tool(("resize2fs", "-M", str(image)), lock)
        least = -(-e2fs.read_superblock(image).size_bytes // MIB)
        os.truncate(image, (least + SLACK_MIB) * MIB)
        _tool(("resize2fs", str(image)), lock)
        _tool(("tune2fs", "-j", "-U", "random", str(image)), lock)
        e2fs.check(image, lock, "-fy", "-E", "discard")
        os.fsync(lock)


def _tool(argv: tuple[str, ...], lock: int) -> None:
    result = e2fs.run_tool(argv, fds=(lock,))
    if result.returncode != 0:
        message = f"{argv[0]} cannot prepare the image: {e2fs.said(result)}"
        raise HostError(message, hint=e2fs.hint_for(result, ""))
