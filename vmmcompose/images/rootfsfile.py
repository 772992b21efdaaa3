"""A root filesystem that came as a file becomes an image: ext4 or squashfs, as it is or compressed."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Literal

from vmmcompose.errors import HostError, HostUnfit, NoSpace
from vmmcompose.host import disks, e2fs
from vmmcompose.host.files import failed
from vmmcompose.images import packages
from vmmcompose.images.imagefile import MIB, ROOT_LABEL, image_replacing, publish_tree
from vmmcompose.images.packages import Progress
from vmmcompose.model.paths import Paths

Form = Literal["ext4", "squashfs", "gzip", "xz", "zstd", ""]
_MAGIC: tuple[tuple[int, bytes, Form], ...] = (
    (0, b"hsqs", "squashfs"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (1024 + 56, b"\x53\xef", "ext4"),
)
START = 2048
"""Bytes that tell what a file is."""
LIMIT = 64 << 30
"""Bytes of a root filesystem, unpacked; more is a mistake or an attack."""
_SLACK_MIB = 256
"""Free space in an image made of a squashfs, which itself has none."""


def publish_file(
    paths: Paths,
    name: str,
    file: Path,
    work: Path,
    fields: Mapping[str, Any],
    on_progress: Progress,
    *,
    customize: Callable[[Path], None] = lambda _tree: None,
) -> None:
    """Makes an image of a file. The caller holds the lock `images`.

    Args:
        paths: where the store lies.
        name: what to call it; an image of that name is replaced.
        file: ext4 or squashfs, perhaps gzipped or compressed with xz or zstd; told by its content.
        work: an empty folder for what lies in between.
        fields: what the sidecar shall say beside digest, size and time.
        on_progress: told about everything that takes long.
        customize: what is to be changed in a squashfs's tree.

    Raises:
        HostUnfit: a tool is missing, or root is.
        HostError: the file is none of these, or damaged, or the disk is full.
    """
    form = form_of(file)
    if form in ("gzip", "xz", "zstd"):
        on_progress(f"decompressing {name}")
        plain = work / "plain"
        _decompress(form, file, plain)
        file, form = plain, form_of(plain)
    if form == "ext4":
        _publish_ext4(paths, name, file, fields)
    elif form == "squashfs":
        tree = work / "tree"
        unpack_squashfs(file, tree, on_progress)
        customize(tree)
        on_progress(f"making {name}.ext4")
        publish_tree(paths, name, tree, fields, slack_mib=_SLACK_MIB)
    else:
        raise HostError(f"{file.name} is no root filesystem", hint="it must be ext4 or squashfs")


def form_of(file: Path) -> Form:
    """What a file is, by its first bytes; empty for anything else.

    Raises:
        HostError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return form_of_start(opened.read(START))
    except OSError as error:
        raise failed(f"cannot read {file}", error) from error


def form_of_start(start: bytes) -> Form:
    """What a file is that begins with these `START` bytes."""
    return next((form for at, magic, form in _MAGIC if start[at : at + len(magic)] == magic), "")


def unpack_squashfs(file: Path, tree: Path, on_progress: Progress) -> None:
    """Unpacks a squashfs with owners, devices and attributes into `tree`, which is made.

    Where bubblewrap is installed and may be used, unsquashfs can write into the tree's folder only, whatever a file
    that was made to deceive it tells it to do.

    Raises:
        HostUnfit: not root, or squashfs-tools are not installed.
        NoSpace: what is in it does not fit here.
        HostError: it is damaged, or too large.
    """
    if os.geteuid() != 0:
        raise HostUnfit(
            "unpacking a squashfs needs root, so that its files keep their owners", hint="run it with sudo"
        )
    size = _squashfs_size(file)
    room = shutil.disk_usage(tree.parent).free
    if size > LIMIT:
        raise HostError(f"{file.name} unpacks to {size // MIB} MiB; at most {LIMIT // MIB} are taken")
    # The tree, and the image that is made of it.
    if 2 * size > room:
        raise NoSpace(
            f"{file.name} needs {2 * size // MIB} MiB and {tree.parent} has {room // MIB} MiB left",
            hint="free some space there, or choose another folder with --data-dir",
        )
    on_progress(f"unpacking {size // MIB} MiB")
    packages.run(
        (*_confined(tree.parent), "unsquashfs", "-no-progress", "-quiet", "-dest", str(tree), str(file)),
        "unpack the squashfs",
        timeout_s=1800,
    )


def _confined(folder: Path) -> tuple[str, ...]:
    """What a tool is started with so that of the whole host it can write into one folder only, and dies with us."""
    place = os.path.abspath(folder)
    argv = (
        "bwrap",
        "--die-with-parent",
        "--unshare-net",
        "--ro-bind",
        "/",
        "/",
        "--bind",
        place,
        place,
        "--",
    )
    try:
        able = subprocess.run((*argv, "true"), capture_output=True, check=False).returncode == 0
    except OSError:
        able = False
    return argv if able else ()


def drop_devices(tree: Path) -> int:
    """Removes devices, pipes and sockets from a tree, as imports from a tar do; gives how many."""
    count = 0
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                path.unlink()
                count += 1
    return count


def _squashfs_size(file: Path) -> int:
    """Bytes of its files, from its own directory: `-rw-r--r-- 0/0  1234 2026-01-05 10:00 squashfs-root/name`."""
    listing = packages.run(("unsquashfs", "-lln", str(file)), "list the squashfs", timeout_s=300)
    rows = (line.split(None, 3) for line in listing.splitlines() if line.startswith(b"-"))
    return sum(int(row[2]) for row in rows if len(row) == 4 and row[2].isdigit())


def _publish_ext4(paths: Paths, name: str, file: Path, fields: Mapping[str, Any]) -> None:
    with image_replacing(paths, name, fields) as temp:
        try:
            with file.open("rb") as source:
                _write_sparse(source, temp)
        except OSError as error:
            raise failed(f"cannot write the image {name}", error) from error
        disks.check_disk(temp)
        _require_sound(temp, file)
        done = e2fs.run_tool(["e2label", os.fspath(temp), ROOT_LABEL])
        if done.returncode:
            raise HostError(f"cannot label the image {name}: {e2fs.said(done)}")


def _require_sound(temp: Path, file: Path) -> None:
    """A superblock may call a damaged file system clean: all of it is looked at, once and for all VMs made of it."""
    done = e2fs.run_tool(["e2fsck", "-fn", os.fspath(temp)])
    if done.returncode:
        raise HostError(
            f"the file system in {file.name} is damaged: {e2fs.said(done)}",
            hint="`e2fsck -f FILE` repairs it, possibly at the cost of files",
        )


def _decompress(tool: str, file: Path, plain: Path) -> None:
    """Unpacks one file, with holes where it holds nothing."""
    try:
        process = subprocess.Popen((tool, "-dc", str(file)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise HostUnfit(
            f"{tool} is not installed; cannot unpack {file.name}", hint=f"apt-get install {tool}"
        ) from error
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            _write_sparse(process.stdout, plain)
        except OSError as error:
            process.kill()
            raise failed(f"cannot unpack {file.name}", error) from error
        except HostError:
            process.kill()
            raise
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise HostError(f"cannot unpack {file.name}: {said or f'{tool} ended with {process.returncode}'}")


def _write_sparse(source: IO[bytes], target: Path) -> None:
    zeros = bytes(MIB)
    with target.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        while chunk := source.read(MIB):
            if chunk == zeros[: len(chunk)]:
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
            if file.tell() > LIMIT:
                raise HostError(f"what comes out is larger than {LIMIT // MIB} MiB")
        file.truncate()
