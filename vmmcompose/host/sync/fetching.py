"""From guest to host: files as tar, taken apart here by hand, as nothing about the stream is trusted."""

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.guest import syncscript
from vmmcompose.guest.listing import Entry, Listing
from vmmcompose.host.sync.channel import Channel, Cut, Failed
from vmmcompose.host.sync.landing import Landing

_UNIT = tarfile.BLOCKSIZE
_ZEROS = bytes(_UNIT)
_NAME_LIMIT = 1 << 16
_GROWN = 1 << 20
"""Bytes that a file may have grown by since it was listed."""
_HEADS = 6
"""Blocks in front of a file: itself, long names, what other kinds of tar put there."""
_EXTRA = frozenset((tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE))
_BATCH_BYTES = 64 << 20
_BATCH_FILES = 500


@dataclass(slots=True)
class Fetched:
    """What became of what was to be fetched."""

    done: dict[str, Entry] = field(default_factory=dict)
    """As the guest had them."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Why."""
    bytes: int = 0


def fetch(
    landing: Landing, channel: Channel, files: Listing, names: Mapping[str, str], fetched: Fetched
) -> None:
    """Fetches regular files; `names` says which of them get another path here.

    Raises:
        NoSpace: they are more than may be written.
        HostError: the connection is gone, what came is no tar, or the system refused.
    """
    room = require_room(landing, files)
    take = _Take(landing, channel, files, names, fetched, room)
    for paths in _batches(files):
        take.batch(paths)
    for path in tuple(take.linked):  # of several names of one file, tar gives all but one as links
        take.batch([path])
    for path in files:
        if path not in fetched.done:
            fetched.skipped.setdefault(path, "it changed or vanished in the guest while it was fetched")


def require_room(landing: Landing, files: Listing) -> int:
    """Refuses files that are more than may be written here; how many bytes that is.

    Raises:
        NoSpace: so they are.
    """
    wanted, room = sum(entry.size for entry in files.values()), landing.room()
    if wanted > room:
        raise _too_much(wanted)
    return room


def _too_much(size: int) -> NoSpace:
    return NoSpace(
        f"the guest's changes are {size >> 20} MiB, more than half of what is free here",
        hint="look at what the guest wrote with `vmm mount diff`",
    )


def _batches(files: Listing) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for path, entry in files.items():
        if batch and (size + entry.size > _BATCH_BYTES or len(batch) >= _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += entry.size
    if batch:
        yield batch


class _Take:
    """Reads the streams, one after the other."""

    def __init__(
        self,
        landing: Landing,
        channel: Channel,
        files: Listing,
        names: Mapping[str, str],
        fetched: Fetched,
        room: int,
    ) -> None:
        self._landing = landing
        self._channel = channel
        self._files = files
        self._names = names
        self._fetched = fetched
        self._room = room
        self.linked: list[str] = []

    def batch(self, paths: list[str]) -> None:
        """Asks for files and takes what comes."""
        for text in syncscript.pack(paths):
            self._channel.tell(text)
            with suppress(Cut):
                self._stream(set(paths))
            with suppress(Failed):  # what is missing is told per file
                self._channel.answer()

    def _stream(self, wanted: set[str]) -> None:
        long_name = b""
        for _ in range(_HEADS * len(wanted) + _HEADS):
            block = self._channel.receive(_UNIT)
            if block == _ZEROS:
                return
            info = _parse(block)
            if info.type == tarfile.GNUTYPE_LONGNAME:
                long_name = self._extra(info.size)
                continue
            path = _path(long_name.split(b"\0", 1)[0] or info.name.encode("utf-8", "surrogateescape"))
            long_name = b""
            if info.type == tarfile.LNKTYPE and path in wanted:
                wanted.discard(path)
                self.linked.append(path)
            elif info.type in _EXTRA:
                self._extra(info.size)
            elif info.type in {tarfile.REGTYPE, tarfile.AREGTYPE}:
                self._file(path, info.size, wanted)
        raise HostError("what the guest sent has no end")

    def _extra(self, size: int) -> bytes:
        if size > _NAME_LIMIT:
            raise HostError("what the guest sent is no tar: a name without end")
        data = self._channel.receive(size)
        self._channel.receive(-size % _UNIT)
        return data

    def _file(self, path: str, size: int, wanted: set[str]) -> None:
        if path not in wanted or size > self._files[path].size + _GROWN:
            raise HostError(f"the guest sent {ascii(path)[:200]} otherwise than it was asked for")
        self._room -= size
        if self._room < 0:  # what each has grown by meanwhile adds up
            raise _too_much(self._fetched.bytes + size)
        wanted.discard(path)
        local = self._names.get(path, path)
        why = self._landing.put_file(local, self._files[path], self._channel, size)
        self._channel.receive(-size % _UNIT)
        if why:
            self._fetched.skipped[path] = why
        else:
            self._fetched.done[path] = self._files[path]
            self._fetched.bytes += size


def _parse(block: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise HostError("what the guest sent is no tar") from error
    if info.size < 0:
        raise HostError("what the guest sent is no tar: a negative size")
    return info


def _path(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").removeprefix("./")
