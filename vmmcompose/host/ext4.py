"""Files in an ext4 image, made, read and written without mounting it.

Written files are read back and compared: what `write_files` returns from is in the image, on the disk.
Symbolic links in the image are resolved inside it, as the guest would see them; no path in it can mean a file
of the host.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vmmcompose.errors import HostError
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.host import debugfs, e2fs, ext4script
from vmmcompose.host.files import PathLike, failed, sync_dir

READ_LIMIT = 1 << 20
"""Bytes: no file that is read here is meant to be larger, and a sparse one could be endless."""
_LINK_LIMIT = 40
"""Symbolic links in a row, as many as Linux follows (path_resolution(7))."""
_FILES_PER_SCRIPT = 64
"""Descriptors for one debugfs process; several disks are written at the same time."""


def image_label(image: PathLike) -> str:
    """The file system's label.

    Raises:
        HostError: it is no ext4 image.
    """
    return e2fs.read_superblock(image).label


def read_file(image: PathLike, path: str) -> bytes | None:
    """A file's content; None when there is no regular file. Two processes, more for links.

    Raises:
        HostError: the image cannot be read, or the file is larger than `READ_LIMIT`.
    """
    return read_files(image, [path])[path]


def read_files(image: PathLike, paths: Sequence[str]) -> dict[str, bytes | None]:
    """As `read_file` for several files, with no more processes than for one.

    Raises:
        HostError: the image cannot be read, or a file is larger than `READ_LIMIT`.
    """
    found: dict[str, bytes | None] = dict.fromkeys(paths)
    pending = {path: path for path in paths}
    for _ in range(_LINK_LIMIT):
        if not pending:
            break
        inodes = debugfs.stat(image, list(dict.fromkeys(pending.values())))
        contents = _contents(image, inodes)
        for asked, path in list(pending.items()):
            del pending[asked]
            inode = inodes[path]
            if inode is None or path not in contents:
                continue
            if inode.kind == "regular":
                found[asked] = contents[path]
            else:
                target = os.fsdecode(contents[path])
                pending[asked] = target if target.startswith("/") else f"{os.path.dirname(path)}/{target}"
    return found


def _contents(image: PathLike, inodes: ext4script.Seen) -> dict[str, bytes]:
    """What files hold and where links lead."""
    sizes: dict[str, int] = {}
    contents: dict[str, bytes] = {}
    for path, inode in inodes.items():
        if inode is None or inode.kind not in {"regular", "symlink"}:
            continue
        if inode.size > READ_LIMIT:
            hint = f"at most {READ_LIMIT} are read from an image"
            raise HostError(f"{path} in {os.fspath(image)} has {inode.size} bytes", hint=hint)
        if inode.link is not None:
            contents[path] = inode.link
        else:
            sizes[path] = inode.size
    return contents | debugfs.read(image, sizes)


def write_files(image: PathLike, files: Sequence[GuestEntry], remove: Sequence[str] = ()) -> None:
    """Puts files and folders into an image and takes the paths in `remove` out of it. Three processes.

    Missing parents are made, 0755 and root's. A parent that is a symbolic link is followed inside the image;
    one that leads nowhere becomes a real folder. A link or file of the final name is replaced, never written
    through. An interrupted run is mended by the next one.

    Raises:
        HostError: the image is not usable or full, a path is no guest path, a folder is where a file is
            wanted, or what was read back differs.
    """
    wanted = ext4script.sort_out(files, remove)
    questions = ext4script.questions(wanted)
    with e2fs.locked(image) as lock, _noted(image, lock):
        seen = debugfs.stat(image, questions, fds=(lock,))
        with _memory_files(min(len(wanted.files), _FILES_PER_SCRIPT)) as slots:
            for script in ext4script.compose(wanted, seen, slots, _FILES_PER_SCRIPT):
                _fill(slots, script.sources)
                _, complaints = debugfs.run(image, script.commands, write=True, fds=(lock, *slots))
                if complaints:
                    raise _refused(image, complaints[0])
        if _leaves_leaks(image, seen):
            e2fs.check(image, lock, "-fy")
        _verify(image, wanted, questions, lock)
        os.fsync(lock)


@contextmanager
def _noted(image: PathLike, lock: int) -> Iterator[None]:
    """Keeps a note beside the image while it is written, so that the next run knows it was interrupted."""
    e2fs.recover(image, lock)
    note = e2fs.writing_note(image)
    try:
        note.touch(mode=0o600)
        sync_dir(note.parent)
    except OSError as error:
        raise failed(f"cannot write {note}", error) from error
    yield
    note.unlink(missing_ok=True)


@contextmanager
def _memory_files(count: int) -> Iterator[list[int]]:
    """Files in memory, so that keys and secrets never lie on the host's disk."""
    slots: list[int] = []
    try:
        for _ in range(count):
            slots.append(os.memfd_create("vmm"))  # noqa: PERF401 - those made so far must be closed on failure
        yield slots
    except OSError as error:
        raise failed("cannot hold guest files in memory", error) from error
    finally:
        for slot in slots:
            os.close(slot)


def _fill(slots: Sequence[int], entries: Sequence[GuestEntry]) -> None:
    for slot, entry in zip(slots, entries, strict=False):
        os.ftruncate(slot, 0)
        with open(slot, "wb", closefd=False) as file:
            file.seek(0)
            file.write(entry.content)


def _refused(image: PathLike, complaint: str) -> HostError:
    full = "allocate" in complaint or "No free" in complaint
    hint = "the guest's disk is full: give the VM a bigger `disk`" if full else "check it with `e2fsck -fn`"
    return HostError(f"cannot write into the image {os.fspath(image)}: {complaint}", hint=hint)


def _leaves_leaks(image: PathLike, seen: ext4script.Seen) -> bool:
    """Whether debugfs left something for e2fsck: it frees no attribute blocks and keeps no quota accounts."""
    removed = any(inode.attribute_block for inode in seen.values() if inode and inode.kind != "directory")
    return removed or e2fs.read_superblock(image).keeps_accounts


def _verify(image: PathLike, wanted: ext4script.Wanted, questions: Sequence[str], lock: int) -> None:
    contents = [(path, entry.content) for path, entry in wanted.files.items()]
    seen, same = debugfs.stat_and_read(image, questions, contents, fds=(lock,))
    for path, entry in wanted.files.items():
        _require(image, path, seen[path], entry, "regular")
    for path, folder in wanted.folders.items():
        _require(image, path, seen[f"{path}/."], folder, "directory")
    for path in wanted.removals:
        inode = seen[path]
        if inode is not None and inode.kind != "directory":
            raise HostError(f"{path} is still in the image {os.fspath(image)}")
    # debugfs shows the files of an inline_data file system padded; `read` cuts them.
    if not same and debugfs.read(image, {path: len(data) for path, data in contents}) != dict(contents):
        raise HostError(
            f"what was written into the image {os.fspath(image)} reads back otherwise", hint=_DIFFERS
        )


_DIFFERS = "the image may be damaged (`e2fsck -fn` tells) or use a feature that debugfs cannot write"


def _require(
    image: PathLike, path: str, inode: debugfs.Inode | None, entry: GuestEntry | None, kind: str
) -> None:
    good = inode is not None and inode.kind == kind
    if good and inode is not None and entry is not None:
        good = (inode.mode, inode.uid, inode.gid) == (stat.S_IMODE(entry.mode), entry.uid, entry.gid)
        good = good and (entry.is_dir or inode.size == len(entry.content))
    if not good:
        raise HostError(f"{path} is not in the image {os.fspath(image)} as it was written", hint=_DIFFERS)


_FEATURES = (
    "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,"
    "extra_isize,metadata_csum"
)
"""Named one by one, so that no host's mke2fs.conf adds what a guest's 5.10 kernel cannot mount."""
_GROUP = 128 * e2fs.MIB
_INODES_PER_GROUP = 8192
_BYTES_PER_INODE = 1024


def make_image(
    source_dir: PathLike | None,
    target: PathLike,
    *,
    label: str,
    size_mib: int,
    inodes: int = 0,
    read_only: bool = False,
) -> None:
    """Makes an image of `size_mib` MiB, sparse, with the content of `source_dir`, or empty. One process.

    `target` is written in place, mode 0600: give a temporary name. `read_only` leaves out the journal, so
    that the guest can mount it from a read-only device whatever happened. `inodes` is how many files it must
    have room for, where that is more than the usual one per 16 KiB.

    Raises:
        HostError: the content does not fit, or the system refused.
    """
    _make_sparse(target, size_mib)
    room = inodes if read_only else max(inodes, _usual_inodes(size_mib))
    features = _FEATURES if read_only else f"{_FEATURES},has_journal,resize_inode"
    extended = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", features, "-b", "4096", "-I", "256", "-m", "0"]
    argv += ["-N", str(room)] if room else []
    argv += ["-E", extended, "-L", label]
    argv += ["-d", os.fspath(source_dir)] if source_dir is not None else []
    argv.append(os.fspath(target))
    result = e2fs.run_tool(argv)
    if result.returncode != 0:
        tight = f"it does not fit into {size_mib} MiB" if "allocate" in e2fs.said(result) else ""
        raise HostError(
            f"cannot make an image of {os.fspath(source_dir or target)}: {e2fs.said(result)}",
            hint=e2fs.hint_for(result, tight),
        )


def _usual_inodes(size_mib: int) -> int:
    """A whole group's even in the smallest image, which may grow; but no more than a quarter of it goes into them."""
    return min(_INODES_PER_GROUP * -(-size_mib * e2fs.MIB // _GROUP), size_mib * e2fs.MIB // _BYTES_PER_INODE)


def _make_sparse(target: PathLike, size_mib: int) -> None:
    try:
        descriptor = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            os.ftruncate(descriptor, size_mib * e2fs.MIB)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise failed(f"cannot make {os.fspath(target)}", error) from error


def set_root(image: PathLike, mode: int, uid: int, gid: int) -> None:
    """Gives an image's root folder mode and owner; mke2fs 1.47.0 leaves them at 0755 and root. One process.

    Raises:
        HostError: debugfs refused.
    """
    fields = (("mode", f"0{stat.S_IFDIR | mode:o}"), ("uid", uid), ("gid", gid))
    _, complaints = debugfs.run(
        image, [f"set_inode_field <2> {name} {value}" for name, value in fields], write=True
    )
    if complaints:
        raise _refused(image, complaints[0])
