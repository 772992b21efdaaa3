"""From host to guest: batches of tar, each put into place when what it was made from has not changed meanwhile."""

import math
import os
import posixpath
import stat
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vmmcompose.errors import NoSpace
from vmmcompose.guest import syncscript
from vmmcompose.guest.listing import Entry, Listing
from vmmcompose.host.sync.channel import Channel
from vmmcompose.host.sync.tree import Tree, settled

_BATCH_BYTES = 4 << 20
_BATCH_FILES = 1000
_BLOCK = 1 << 16
_ONE_BLOCK = 1 << 20
"""Up to here a batch is read by the guest as one block."""
_MUCH = 64 << 20
_UNIT = tarfile.BLOCKSIZE
_READ = 1 << 18


@dataclass(slots=True)
class Sent:
    """What became of what was to be sent."""

    done: dict[str, Entry] = field(default_factory=dict)
    """As the guest has them now."""
    torn: list[str] = field(default_factory=list)
    """Changed while they were read, or vanished; the guest has them as they were before."""
    no_room: list[str] = field(default_factory=list)
    """The guest's file system is too full for them."""
    bytes: int = 0


@dataclass(slots=True)
class _Batch:
    members: list[tuple[str, Entry, str]] = field(default_factory=list)
    """Path, entry, and name among what is on its way."""
    groups: dict[str, int] = field(default_factory=dict)
    """By folder that things are moved into."""
    moves: dict[str, list[str]] = field(default_factory=dict)
    inside: dict[str, str] = field(default_factory=dict)
    """New folders of this batch: what is in them needs no move of its own."""
    size: int = 0

    def add(self, path: str, entry: Entry) -> None:
        above, _, name = path.rpartition("/")
        if above in self.inside:
            at = f"{self.inside[above]}/{name}"
        else:
            group = self.groups.setdefault(above, len(self.groups))
            self.moves.setdefault(above, []).append(name)
            at = f"{group}/{name}"
        if entry.is_folder:
            self.inside[path] = at
        self.members.append((path, entry, at))
        self.size += entry.size if entry.is_file else 0

    def full(self, entry: Entry) -> bool:
        """Whether one more would be too much; a big file comes alone."""
        more = entry.size if entry.is_file else 0
        return bool(self.members) and (len(self.members) >= _BATCH_FILES or self.size + more > _BATCH_BYTES)


def send(tree: Tree, channel: Channel, items: Listing, there: Listing) -> Sent:
    """Sends files, folders and links; `there` says what the guest has now.

    Raises:
        Failed: the guest is not as `there` says, or cannot take it.
        HostError: the connection is gone.
    """
    sent = Sent()
    standing = [path for path, entry in items.items() if _in_the_way(entry, there.get(path))]
    channel.run(syncscript.remove(sorted(standing)))
    room = _room(channel, items)
    for batch in _batches(items):
        if batch.size <= room:
            try:
                _send_batch(tree, channel, batch, sent)
                room -= batch.size
                continue
            except NoSpace:
                channel.run([syncscript.CLEAR])
        sent.no_room += [path for path, _, _ in batch.members]
    return sent


def _room(channel: Channel, items: Listing) -> float:
    """Bytes that are free in the guest, if it is much that goes there: a big file is slow to fail."""
    if sum(entry.size for entry in items.values()) < _MUCH:
        return math.inf
    try:
        blocks, size = map(int, channel.ask(syncscript.ROOM).split())
    except ValueError:
        return math.inf
    return blocks * size


def dress(channel: Channel, items: Listing) -> None:
    """Gives what the guest has new modes and owners. Raises as `send`."""
    alike: dict[tuple[int, int, int], list[str]] = {}
    for path, entry in items.items():
        alike.setdefault((stat.S_IMODE(entry.mode), entry.uid, entry.gid), []).append(path)
    for (mode, uid, gid), paths in alike.items():
        channel.run(syncscript.dress(paths, mode, (uid, gid)))


def delete(channel: Channel, paths: Iterable[str]) -> None:
    """Removes files and whole folders in the guest. Raises as `send`."""
    channel.run(syncscript.remove(paths))


def delete_known(channel: Channel, paths: Listing) -> None:
    """Removes these files, and these folders where nothing else is left in them. Raises as `send`."""
    files = [path for path, entry in paths.items() if not entry.is_folder]
    folders = sorted((path for path, entry in paths.items() if entry.is_folder), reverse=True)
    channel.run(syncscript.remove_known(files, folders))


def _in_the_way(new: Entry, old: Entry | None) -> bool:
    """mv(1) puts no file in a folder's place, nor a folder in a file's."""
    return old is not None and new.is_folder != old.is_folder


def _batches(items: Listing) -> Iterator[_Batch]:
    batch = _Batch()
    for path in sorted(items, key=lambda path: path.split("/")):
        if batch.full(items[path]):
            yield batch
            batch = _Batch()
        batch.add(path, items[path])
    if batch.members:
        yield batch


def _send_batch(tree: Tree, channel: Channel, batch: _Batch, sent: Sent) -> None:
    heads = [_header(entry, at) for _, entry, at in batch.members]
    room = sum(map(len, heads)) + sum(_padded(entry) for _, entry, _ in batch.members) + 2 * _UNIT
    block = room if room <= _ONE_BLOCK else _BLOCK
    count = -(-room // block)
    channel.tell(syncscript.unpack(block, count))
    torn: set[str] = set()
    done: dict[str, Entry] = {}
    pending = bytearray()
    for (path, entry, _), head in zip(batch.members, heads, strict=True):
        pending += head
        if entry.is_file:
            now = _write_content(tree, channel, path, entry, pending)
            if now is None:
                torn.add(path)
                continue
            sent.bytes += entry.size
            done[path] = now
        else:
            done[path] = entry
    channel.write(bytes(pending) + bytes(block * count - room + 2 * _UNIT))
    # Told at once, so that a single file takes one way there and back.
    channel.tell(syncscript.placing(_moves(batch, torn)))
    channel.answers(2)
    sent.done |= done
    sent.torn += torn


def _moves(batch: _Batch, torn: set[str]) -> Iterator[str]:
    yield from syncscript.drop_staged(at for path, _, at in batch.members if path in torn)
    for folder, names in batch.moves.items():
        kept = [name for name in names if posixpath.join(folder, name) not in torn]
        yield from syncscript.move(kept, batch.groups[folder], folder)


def _write_content(tree: Tree, channel: Channel, path: str, entry: Entry, pending: bytearray) -> Entry | None:
    """Sends as many bytes as was said; the entry when they are a file's content, whole and of one moment."""
    left = entry.size
    now: Entry | None = None
    try:
        with tree.opened(path) as file:
            first, looked = tree.as_opened(file), time.time_ns()
            while left and (data := os.read(file, min(left, _READ))):
                left -= len(data)
                pending += data
                if len(pending) >= _READ:
                    channel.write(bytes(pending))
                    pending.clear()
            if not left and first == tree.as_opened(file) == entry:
                now = settled(first, looked)
    except OSError:
        now = None
    while left:  # the guest counts on what the header said
        zeros = min(left, _READ)
        channel.write(bytes(pending) + bytes(zeros))
        pending.clear()
        left -= zeros
    pending += bytes(-entry.size % _UNIT)
    return now


def _padded(entry: Entry) -> int:
    return entry.size + -entry.size % _UNIT if entry.is_file else 0


def _header(entry: Entry, at: str) -> bytes:
    info = tarfile.TarInfo(at)
    info.mode = stat.S_IMODE(entry.mode)
    info.uid, info.gid = entry.uid, entry.gid
    info.mtime = entry.mtime_ns // 1_000_000_000
    if entry.is_folder:
        info.type = tarfile.DIRTYPE
    elif entry.is_file:
        info.size = entry.size
    else:
        info.type, info.linkname = tarfile.SYMTYPE, entry.target
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
