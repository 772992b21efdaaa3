"""Tar archives read entry by entry, from a stream.

tarfile only parses here: headers, extensions and sparse maps. Its extraction is not used. Facts: tar(5), pax of
POSIX.1-2017.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vmmcompose.images.allowance import MIB
from vmmcompose.images.entry import Entry, Kind
from vmmcompose.images.streams import CHUNK, Reader, damaged

HEADER_BYTES = 4 * MIB
"""For all headers of one entry: names, attributes and the map of a sparse file."""
_XATTR = "SCHILY.xattr."
_LAST_TIME = 15_032_385_535
"""The last second that ext4 knows, in 2446."""
_BLOCK = bytes(tarfile.BLOCKSIZE)
_VOLUME_LABEL = b"V"
_BROKEN = (tarfile.TarError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError)
"""What tarfile raises for headers that make no sense."""


def read_tar(source: Reader, what: str, *, needs_end: bool) -> Iterator[tuple[Entry, Callable[[int], None]]]:
    """The entries of a tar, each with a function that writes its content, to be called before the next one.

    Args:
        source: the tar, not compressed.
        what: what it is, for messages.
        needs_end: whether the mark of its end must be there, so that a cut is seen which no digest tells.

    Raises:
        HostError: it is no tar, damaged, or cut short.
    """
    stream = _Forward(source)
    with understanding(what):
        archive = tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type] # it seeks forward only
    while True:
        with understanding(what):
            member = archive.next()
            archive.members.clear()  # type: ignore[attr-defined] # millions of entries would stay in memory
            entry = _entry(member) if member else None
        if member is None:
            break
        if entry is not None:
            yield entry, _writer(stream, member, what)
        stream.header_bytes = 0
    if stream.last != _BLOCK and (needs_end or stream.last):
        raise damaged(what, "its end is missing")


@contextmanager
def understanding(what: str) -> Iterator[None]:
    """Whatever tarfile makes of headers that make no sense becomes an error about `what`.

    Raises:
        HostError: it is no tar, or damaged.
    """
    try:
        yield
    except _BROKEN as error:
        raise damaged(what, f"no tar archive ({error})") from error


def _writer(stream: "_Forward", member: tarfile.TarInfo, what: str) -> Callable[[int], None]:
    def write(target: int) -> None:
        with understanding(what):
            stream.seek(member.offset_data)
            parts = _parts(member)
        for offset, size in parts:
            os.lseek(target, offset, os.SEEK_SET)
            _copy(stream, target, size, what)
        os.ftruncate(target, member.size)

    return write


def _parts(member: tarfile.TarInfo) -> list[tuple[int, int]]:
    """(offset, size) of what a file holds between its holes."""
    sparse: list[tuple[int, int]] | None = getattr(member, "sparse", None)
    if sparse is None:
        return [(0, member.size)]
    end = 0
    parts = [part for part in sparse if part[1]]
    for offset, size in parts:
        if offset < end or size < 0 or offset + size > member.size:
            raise tarfile.ReadError("a sparse file whose parts make no sense")
        end = offset + size
    return parts


def _copy(stream: "_Forward", target: int, size: int, what: str) -> None:
    """Writes the next bytes; blocks of zeros become holes."""
    zeros = bytes(CHUNK)
    left = size
    while left:
        data = stream.content(min(left, CHUNK))
        if not data:
            raise damaged(what, "it ends in the middle of a file")
        left -= len(data)
        if data == zeros[: len(data)]:
            os.lseek(target, len(data), os.SEEK_CUR)
            continue
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]


class _Forward:
    """The file that tarfile reads: it goes forward only, and gives headers no more than their share of memory."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._at = 0
        self.header_bytes = 0
        self.last = b""

    def tell(self) -> int:
        return self._at

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._at:
            raise tarfile.ReadError("an entry that begins before the end of another")
        while self._at < position:
            if not self.content(min(position - self._at, CHUNK)):
                raise tarfile.ReadError("unexpected end of data")
        return self._at

    def read(self, size: int = -1) -> bytes:
        self.header_bytes += size
        if size < 0 or self.header_bytes > HEADER_BYTES:
            raise tarfile.ReadError(f"headers of more than {HEADER_BYTES} bytes")
        self.last = self.content(size)
        return self.last

    def content(self, size: int) -> bytes:
        data = self._source.read(size)
        self._at += len(data)
        return data


def _entry(member: tarfile.TarInfo) -> Entry | None:
    """None for what is no file of the tree."""
    if member.type == _VOLUME_LABEL:
        return None
    return Entry(
        name=_bytes(member.name),
        kind=_kind(member),
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        mtime_ns=int(min(max(float(member.mtime), 0), _LAST_TIME) * 1_000_000) * 1000,
        size=member.size,
        target=_bytes(member.linkname),
        xattrs={
            key.removeprefix(_XATTR): _bytes(value)
            for key, value in member.pax_headers.items()
            if key.startswith(_XATTR)
        },
    )


def _kind(member: tarfile.TarInfo) -> Kind:
    if member.isreg():
        return "file"
    if member.isdir():
        return "folder"
    if member.issym():
        return "symlink"
    if member.islnk():
        return "link"
    if member.isdev():
        return "special"
    raise tarfile.ReadError(f"an entry of the unknown type {member.type!a}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
