"""The door to e2fsprogs: run one of its tools on an image, and read an image's superblock.

No image is ever mounted here: its content may be hostile, and the kernel's ext4 driver is a poor place to
find out. A tool keeps the image's flock(2) for as long as it lives, even when the command that started it is
killed, so that a second one never works on the same image.
"""

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.files import PathLike, failed

MIB = 1 << 20
_LOCK_WAIT_S = 120.0
_SUPERBLOCK_AT = 1024
_MAGIC = 0xEF53
_RECOVER, _JOURNAL_DEVICE, _64BIT, _EA_INODE = 0x4, 0x8, 0x80, 0x400
_QUOTA, _PROJECT = 0x100, 0x2000
_VALID, _ERRORS = 0x1, 0x2
_SPARSE_SUPER = 0x1
_SPARE_BLOCKS = 50
"""A last block group must have room for this many blocks beside its own tables (e2fsprogs, resize/resize2fs.c)."""
_FIXED = 0x1 | 0x2
"""Exit bits of e2fsck(8) that mean success; 4 and more mean that errors are left."""


@dataclass(frozen=True, slots=True)
class Superblock:
    """What the superblock tells (kernel.org, ext4 on-disk layout)."""

    size_bytes: int
    label: str
    needs_recovery: bool
    """The journal holds changes that are not in the file system yet."""
    clean: bool
    """Neither errors nor an interrupted change are noted."""
    keeps_accounts: bool
    """Quotas, or attributes in inodes of their own: debugfs does not keep their books."""
    least_growth: int = 1
    """Bytes. mke2fs and resize2fs leave fewer than this at the image's end unused: no block group fits there."""


def read_superblock(image: PathLike) -> Superblock:
    """Reads it without a child process.

    Raises:
        HostError: there is no such file, it is no ext2, ext3 or ext4 image, or it is cut short.
    """
    try:
        with Path(image).open("rb") as file:
            file.seek(_SUPERBLOCK_AT)
            block = file.read(1024)
            actual = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise failed(f"cannot read the image {os.fspath(image)}", error) from error
    if len(block) < 1024 or struct.unpack_from("<H", block, 0x38)[0] != _MAGIC:
        raise HostError(
            f"{os.fspath(image)} is not an ext4 image",
            hint="an image is a bare file system without partitions",
        )
    found = _parse(block, os.fspath(image))
    if found.size_bytes > actual:
        raise HostError(
            f"{os.fspath(image)} is cut short: it has {actual} of its file system's {found.size_bytes} bytes",
            hint="fetch or build the image again",
        )
    return found


def file_system_size(image: PathLike) -> int:
    """Bytes that a disk offers: of a file that was made longer and whose file system was not yet, the latter's.

    What is too little for another block group never becomes part of the file system, and counts as offered. Where
    the superblock cannot be read (another user's look, a damaged image: whoever uses it will say so) it is the file's.

    Raises:
        OSError: there is no such file.
    """
    size = os.stat(image).st_size
    with suppress(HostError):
        superblock = read_superblock(image)
        if size - superblock.size_bytes >= superblock.least_growth:
            return superblock.size_bytes
    return size


def fault_of(image: PathLike) -> str:
    """Why nobody can use an image: it is cut short, or no file system. Empty as well where this user may not look."""
    try:
        read_superblock(image)
    except HostError as error:
        return error.message if os.access(image, os.R_OK) else ""
    return ""


def _parse(block: bytes, image: str) -> Superblock:
    blocks_low = struct.unpack_from("<I", block, 0x4)[0]
    log_size = struct.unpack_from("<I", block, 0x18)[0]
    state = struct.unpack_from("<H", block, 0x3A)[0]
    incompatible, read_only = struct.unpack_from("<II", block, 0x60)
    blocks_high = struct.unpack_from("<I", block, 0x150)[0] if incompatible & _64BIT else 0
    if log_size > 6 or incompatible & _JOURNAL_DEVICE:
        raise HostError(f"{image} is not an ext4 image that can be used: its superblock makes no sense")
    return Superblock(
        size_bytes=(blocks_high << 32 | blocks_low) * (1024 << log_size),
        label=block[0x78:0x88].split(b"\0")[0].decode("utf-8", "replace"),
        needs_recovery=bool(incompatible & _RECOVER),
        clean=bool(state & _VALID) and not state & _ERRORS,
        keeps_accounts=bool(read_only & (_QUOTA | _PROJECT) or incompatible & _EA_INODE),
        least_growth=_least_growth(block, blocks_high << 32 | blocks_low) * (1024 << log_size),
    )


def _least_growth(block: bytes, blocks: int) -> int:
    """How many blocks must follow a file system before it can take them in: one, or enough for a group."""
    first, per_group, inodes_per_group = (_number(block, "<I", at) for at in (0x14, 0x20, 0x28))
    inode_size, reserved, descriptor = (_number(block, "<H", at) for at in (0x58, 0xCE, 0xFE))
    if not per_group or (blocks - first) % per_group:
        return 1
    block_size = 1024 << _number(block, "<I", 0x18)
    group = (blocks - first) // per_group
    tables = 2 + -(-inodes_per_group * (inode_size or 128) // block_size)
    if _has_copy(group) or not _number(block, "<I", 0x64) & _SPARSE_SUPER:
        tables += 1 + reserved + -(-group * (descriptor or 32) // block_size)
    return tables + _SPARE_BLOCKS


def _number(block: bytes, form: str, at: int) -> int:
    return int(struct.unpack_from(form, block, at)[0])


def _has_copy(group: int) -> bool:
    """Whether a group has a copy of the superblock under `sparse_super`: 0, 1 and the powers of 3, 5 and 7."""
    return group <= 1 or any(
        base**power == group for base in (3, 5, 7) for power in range(1, group.bit_length())
    )


def run_tool(
    argv: Sequence[str], *, stdin: bytes = b"", fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Runs one tool to its end, out of reach of the terminal's Ctrl-C; its exit code is the caller's matter.

    Raises:
        HostUnfit: it is not installed.
    """
    with _tool_errors(argv[0]):
        return subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            check=False,
            env=_environment(),
            pass_fds=fds,
            process_group=0,
        )


def output_of(
    argv: Sequence[str],
    *,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    fds: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """A tool that is running, for what is too much to wait for; it prints into a pipe, and complains to nobody.

    Raises:
        HostUnfit: it is not installed.
    """
    with _tool_errors(argv[0]):
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(),
            pass_fds=fds,
            process_group=0,
        )


def _environment() -> dict[str, str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"
    return {"PATH": path, "LC_ALL": "C", "DEBUGFS_PAGER": "__none__"}


@contextmanager
def _tool_errors(tool: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise HostUnfit(f"{tool} is not installed", hint="install the package e2fsprogs") from error
    except OSError as error:
        raise failed(f"cannot run {tool}", error) from error


def said(result: subprocess.CompletedProcess[bytes]) -> str:
    """What a tool complained about, on one line, without its version."""
    text = (result.stderr + b"\n" + result.stdout).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not _is_banner(line)]
    return "; ".join(told[:4]) or f"exit code {result.returncode}"


def hint_for(result: subprocess.CompletedProcess[bytes], otherwise: str) -> str:
    """What to do about a tool's failure."""
    text = said(result)
    full = "No space left" in text or "File too large" in text or "quota exceeded" in text
    return "the host's disk is full: free some space there (`df -h`), then try again" if full else otherwise


def _is_banner(line: str) -> bool:
    words = line.split()
    return (
        len(words) > 1 and words[0] in {"debugfs", "e2fsck", "mke2fs", "resize2fs"} and words[1][0].isdigit()
    )


@contextmanager
def locked(image: PathLike) -> Iterator[int]:
    """Holds the image's lock and gives its descriptor, to be handed to every tool that works on it.

    Raises:
        HostError: it cannot be opened, or a tool has worked on it for two minutes.
    """
    try:
        descriptor = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise failed(f"cannot open the image {os.fspath(image)}", error) from error
    try:
        _acquire(descriptor, os.fspath(image))
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, image: str) -> None:
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                hint = f"`fuser {image}` names the process; wait for it or end it"
                raise HostError(f"another process works on {image}", hint=hint) from None
            time.sleep(0.02)
        except OSError as error:
            raise failed(f"cannot lock {image}", error) from error
        else:
            return


def check(image: PathLike, descriptor: int, *options: str) -> None:
    """Runs e2fsck with `options` (`-p`: replay and safe repairs; `-fy`: check all, repair all).

    Raises:
        HostError: errors are left.
    """
    result = run_tool(["e2fsck", *options, os.fspath(image)], fds=(descriptor,))
    if result.returncode & ~_FIXED:
        raise HostError(
            f"the file system in {os.fspath(image)} is damaged: {said(result)}",
            hint=hint_for(
                result, f"`e2fsck -f {os.fspath(image)}` repairs it, possibly at the cost of files"
            ),
        )


def writing_note(image: PathLike) -> Path:
    """The file that is there while our files are put into an image.

    debugfs leaves no trace of an interruption: half of its changes may be in an image whose state is `clean`.
    """
    return Path(f"{os.fspath(image)}.writing")


def recover(image: PathLike, descriptor: int) -> None:
    """Makes an image fit for use, if its superblock or a writing note says that it is needed.

    The journal is replayed and what is safe to repair is repaired. After an interrupted write of ours, which
    the guest has not seen yet, everything is checked and repaired.

    Raises:
        HostError: not an image, or errors are left.
    """
    superblock = read_superblock(image)
    if writing_note(image).exists():
        check(image, descriptor, "-fy")
    elif superblock.needs_recovery or not superblock.clean:
        check(image, descriptor, "-p")
