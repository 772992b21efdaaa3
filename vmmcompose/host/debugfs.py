"""debugfs(8) as a door: scripts of commands, and what it says about inodes.

It exits 0 whatever happens and goes on after an error, so its stderr is the verdict, and nothing counts as
written before it has been read back. It follows symbolic links in the middle of a path inside the image and
never outside; the last component is never followed.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

from vmmcompose.errors import HostError
from vmmcompose.host.bounded import printed
from vmmcompose.host.e2fs import output_of, run_tool
from vmmcompose.host.files import PathLike

_LINE_LIMIT = 8000
"""debugfs reads its script in lines of BUFSIZ (8192) bytes."""
_PIECE = 1 << 18
_HEAD = re.compile(rb"^Inode: (\d+)\s+Type: (.+?)\s+Mode:\s+([0-7]+)", re.MULTILINE)
_OWNER = re.compile(rb"^User:\s*(\d+)\s+Group:\s*(\d+)\s.*?Size: (\d+)", re.MULTILINE)
_ATTRIBUTES = re.compile(rb"^File ACL: (\d+)", re.MULTILINE)
_LINK = re.compile(rb'^Fast link dest: "(.*)"\n?\Z', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode as `stat` shows it."""

    number: int
    kind: str
    """`regular`, `directory`, `symlink`, … as debugfs calls it."""
    mode: int
    uid: int
    gid: int
    size: int
    attribute_block: bool
    """It has extended attributes in a block of their own."""
    link: bytes | None
    """Where a short symbolic link leads; None for a long one, whose content is its target."""


def quote(name: str) -> str:
    """`name` as one word of a script. A line break cannot be quoted there.

    Raises:
        HostError: the name holds a control character.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise HostError(
            f"the guest path {name!r} holds a control character", hint="choose another name for it"
        )
    return '"' + name.replace('"', '""') + '"'


def run(
    image: PathLike, commands: Sequence[str], *, write: bool, fds: Sequence[int] = ()
) -> tuple[bytes, list[str]]:
    """Runs a script; gives what it printed, echo of the commands included, and its complaints in order.

    Raises:
        HostError: a command is too long, or what it reads has no end.
    """
    lines = [os.fsencode(command) for command in commands]
    if any(len(line) > _LINE_LIMIT for line in lines):
        raise HostError("a guest path is too long", hint="paths in a guest may have 4095 bytes")
    mode = ["-w"] if write else ["-c"]
    script = b"\n".join(lines) + b"\n"
    argv = ["debugfs", *mode, "-f", "-", os.fspath(image)]
    result = run_tool(argv, stdin=script, fds=fds) if write else _run_bounded(argv, script, fds)
    complaints = result.stderr.decode("utf-8", "surrogateescape").splitlines()
    found = [line.strip() for line in complaints if line.strip() and not re.match(r"debugfs \d", line)]
    if result.returncode != 0 and not found:
        found.append(f"debugfs ended with {result.returncode}")
    return result.stdout, found


def _run_bounded(
    argv: Sequence[str], script: bytes, fds: Sequence[int]
) -> subprocess.CompletedProcess[bytes]:
    """A hostile image may hold files and folders that have a block of it a thousand million times."""
    with TemporaryFile() as commands:
        commands.write(script)
        commands.seek(0)
        with output_of(argv, stdin=commands, stderr=subprocess.PIPE, fds=fds) as tool:
            out, err = printed(tool, f"the file system in {argv[-1]}")
            return subprocess.CompletedProcess(argv, tool.returncode, out, err)


def echo(command: str) -> bytes:
    """The line with which debugfs repeats a command of a script."""
    return b"debugfs: " + os.fsencode(command) + b"\n"


def stat(image: PathLike, paths: Sequence[str], *, fds: Sequence[int] = ()) -> dict[str, Inode | None]:
    """Looks at many paths in one process; None stands for a path that leads nowhere.

    What it says about a hostile image may be a lie of that image, about nothing but itself.

    Raises:
        HostError: debugfs cannot read the image.
    """
    return stat_and_read(image, paths, (), fds=fds)[0]


def stat_and_read(
    image: PathLike, paths: Sequence[str], contents: Sequence[tuple[str, bytes]], *, fds: Sequence[int] = ()
) -> tuple[dict[str, Inode | None], bool]:
    """As `stat`; and whether each file of `contents` holds exactly the bytes named with it.

    Raises:
        HostError: debugfs cannot read the image.
    """
    commands = [f"stat {quote(path)}" for path in paths]
    reads = [f"cat {quote(path)}" for path, _ in contents]
    output, complaints = run(image, [*commands, *reads], write=False, fds=fds)
    expected = b"".join(echo(read) + data for read, (_, data) in zip(reads, contents, strict=True))
    same = output.endswith(expected)
    output = output[: len(output) - len(expected)] if same else output
    if any(line.startswith("debugfs:") or "Filesystem not open" in line for line in complaints):
        raise HostError(f"cannot read the image {os.fspath(image)}: {complaints[0]}")
    found: dict[str, Inode | None] = {}
    for path, command in zip(reversed(paths), reversed(commands), strict=True):
        output, _, answer = output.rpartition(echo(command))
        found[path] = parse_inode(answer)
    return found, same


def read(image: PathLike, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The content of regular files and long links whose sizes are known, in one process.

    debugfs 1.47.0 pads a file that lies in its inode (inline_data) with zeros; they are cut off.

    Raises:
        HostError: one of them cannot be read.
    """
    if not sizes:
        return {}
    commands = {path: f"cat {quote(path)}" for path in sizes}
    output, complaints = run(image, list(commands.values()), write=False)
    if complaints:
        raise HostError(f"cannot read from the image {os.fspath(image)}: {complaints[0]}")
    contents: dict[str, bytes] = {}
    for path, command in commands.items():
        output = output.partition(echo(command))[2]
        contents[path], output = output[: sizes[path]], output[sizes[path] :]
    return contents


def content(image: PathLike, inode: int, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a regular file or a long link, in pieces; holes are zeros.

    Raises:
        HostUnfit: e2fsprogs is missing.
        HostError: the file has fewer bytes that can be read.
    """
    left = size
    with output_of(["debugfs", "-c", "-R", f"cat <{inode}>", os.fspath(image)]) as reading:
        assert reading.stdout is not None
        try:
            while left and (data := reading.stdout.read(min(left, _PIECE))):
                left -= len(data)
                yield data
        finally:
            reading.kill()  # there may be more than is wanted
    if left:
        raise HostError(f"cannot read a file of the image {os.fspath(image)}: {left} bytes of it are missing")


def parse_inode(text: bytes) -> Inode | None:
    """What `stat` printed of one inode; None where that is none."""
    head, owner = _HEAD.search(text), _OWNER.search(text)
    if head is None or owner is None:
        return None
    attributes, link = _ATTRIBUTES.search(text), _LINK.search(text)
    return Inode(
        number=int(head[1]),
        kind=head[2].decode("ascii", "replace"),
        mode=int(head[3], 8),
        uid=int(owner[1]),
        gid=int(owner[2]),
        size=int(owner[3]),
        attribute_block=attributes is not None and attributes[1] != b"0",
        link=link[1] if link else None,
    )
