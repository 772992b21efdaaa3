"""What lies in a mounted directory, on the host or in the guest, and whether two looks at it show the same.

Content is never read for it: size, time, mode and target tell a change, as they do for make(1) and rsync(1). A guest
tells whole seconds only, so a time is compared in seconds wherever one of the two came from there.
"""

import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vmmcompose.model.mountsync import Change, Difference, Differences

_SECOND = 1_000_000_000
_SIZES, _TIMES, _MODES, _OWNERS = 1 << 62, 1 << 40, 1 << 16, 1 << 32
"""What a system call takes: bytes, seconds, kind and permissions, users."""
_RECORD = 1 << 20
"""More bytes than a path and a link's target have."""
_PATH = 4095
"""Bytes of a path, as no system call takes more."""
STAGING = ".vmm-sync."
"""How names begin that are only there while something is on its way; they are never part of a mount."""
CONFLICT = ".vmm-conflict"
"""How names end that keep the guest's side of a conflict; they stay on the host."""


class Entry(NamedTuple):
    """One file, folder, link or special file, as lstat(2) shows it."""

    mode: int
    """Kind and permissions."""
    size: int
    mtime_ns: int
    uid: int = 0
    gid: int = 0
    target: str = ""
    """Where a link leads."""
    inode: int = 0
    """0 where it is not known, as in a guest."""
    ctime_ns: int = 0
    """0 where it is not known, or too young to tell the next change."""

    @property
    def kind(self) -> int:
        """As `stat.S_IFREG` and the like."""
        return stat.S_IFMT(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it may hold others."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it has content."""
        return stat.S_ISREG(self.mode)

    @property
    def is_special(self) -> bool:
        """Devices, pipes and sockets are never carried."""
        return not (self.is_folder or self.is_file or stat.S_ISLNK(self.mode))


Listing = Mapping[str, Entry]
"""By path, relative, without the directory itself."""


class NotAListing(ValueError):
    """What a guest printed is no list of files."""


def is_path(path: str) -> bool:
    """Whether a guest's word for a path can be meant inside the mount."""
    return (
        len(path) <= _PATH
        and not any(part in {"", ".", ".."} for part in path.split("/"))
        and "\0" not in path
    )


def always_ignored(path: str) -> bool:
    """What is never carried: our own files on their way, the file system's own folder."""
    top, _, rest = path.partition("/")
    name = path.rpartition("/")[2]
    return name.startswith(STAGING) or name.endswith(CONFLICT) or (top == "lost+found" and not rest)


def parse_listing(pieces: Iterable[bytes], token: str) -> Iterator[tuple[str, Entry]]:
    """The records that `guest/syncscript.py` asks for, as they come in pieces of any size.

    Raises:
        NotAListing: it is none.
    """
    mark = f"\n{token} ".encode()
    rest, begun = b"\n", False
    for piece in pieces:
        rest += piece
        *records, rest = rest.split(mark)
        for record in records:
            if begun:
                yield from _record(record, token)
            begun = True
        if len(rest) > _RECORD:
            raise NotAListing(rest[:200].decode(errors="replace"))
    if begun:
        yield from _record(rest.removesuffix(b"\n"), token)


def _record(data: bytes, token: str) -> Iterator[tuple[str, Entry]]:
    """An entry, unless its path is the top's or cannot be meant."""
    record = data.decode("utf-8", "surrogateescape")
    fields = record.split(" ", 5)
    try:
        mode, size, mtime = int(fields[0], 16), int(fields[1]), int(fields[2])
        uid, gid, rest = int(fields[3]), int(fields[4]), fields[5]
    except (ValueError, IndexError) as error:
        raise NotAListing(record[:200]) from error
    limits = ((mode, _MODES), (size, _SIZES), (abs(mtime), _TIMES), (uid, _OWNERS), (gid, _OWNERS))
    if any(not 0 <= number < limit for number, limit in limits):
        raise NotAListing(record[:200])
    name, _, shown = rest.partition(token)
    path = name.removeprefix("./")
    if path not in {"", "."} and is_path(path):
        target = _target(name, shown) if stat.S_ISLNK(mode) else ""
        yield path, Entry(mode, size, mtime * _SECOND, uid, gid, target)


def _target(name: str, shown: str) -> str:
    """Of a link that stat(1) shows as `name -> target`, each in quotes or not."""
    for quote in ("'", ""):
        head = f"{quote}{name}{quote} -> {quote}"
        if shown.startswith(head) and shown.endswith(quote):
            return shown[len(head) : len(shown) - len(quote)]
    raise NotAListing(shown[:200])


def alike(host: Entry, guest: Entry, *, exact: bool) -> bool:
    """Whether host and guest show the same; `exact` counts the owner and setuid bits, which only go to the guest."""
    if host.kind != guest.kind:
        return False
    if host.is_special:
        return True
    if exact and (host.uid, host.gid) != (guest.uid, guest.gid):
        return False
    if stat.S_ISLNK(host.mode):
        return host.target == guest.target
    bits = 0o7777 if exact else 0o777
    if (host.mode ^ guest.mode) & bits:
        return False
    return host.is_folder or (host.size, host.mtime_ns // _SECOND) == (guest.size, guest.mtime_ns // _SECOND)


def touched(now: Entry, before: Entry) -> bool:
    """Whether a host file's content may have changed between two looks at it."""
    if not now.is_file or not before.is_file:
        return now.kind != before.kind or now.target != before.target
    if not before.ctime_ns:
        return True
    return (now.size, now.mtime_ns, now.inode, now.ctime_ns) != (
        before.size,
        before.mtime_ns,
        before.inode,
        before.ctime_ns,
    )


def only_dressed(now: Entry, before: Entry) -> bool:
    """Whether nothing but the mode or the owner changed, so that no content needs to go over."""
    if now.kind != before.kind or stat.S_ISLNK(now.mode):
        return False
    if (now.mode, now.uid, now.gid) == (before.mode, before.uid, before.gid):
        return False
    return now.is_folder or (now.size, now.mtime_ns) == (before.size, before.mtime_ns)


def dressing(host: Entry, guest: Entry, before: Entry | None) -> bool:
    """Whether a guest that shows something else needs a new mode or owner of it, and no content."""
    if host.kind != guest.kind or stat.S_ISLNK(host.mode):
        return False
    if host.is_folder:
        return True
    unchanged = before is not None and (host.size, host.mtime_ns) == (before.size, before.mtime_ns)
    return unchanged and (host.size, host.mtime_ns // _SECOND) == (guest.size, guest.mtime_ns // _SECOND)


def differences(
    host: Listing, guest: Listing, base: Listing, *, exact: bool, sure: bool = True
) -> Differences:
    """What differs between two sides, and who changed it since `base`, when they were in step.

    A path that `base` does not know and that both have in different ways counts as added by both. With `sure` a
    host file that was too young then to tell counts as changed, to be sent once more; who only shows what differs
    leaves it out.
    """
    found = []
    for path in sorted({*host, *guest}):
        here, there, before = host.get(path), guest.get(path), base.get(path)
        if here and there and alike(here, there, exact=exact):
            if before is None or not touched(here, before) or not here.is_file:
                continue
            if not (sure or before.ctime_ns or _later(here, before)):
                continue
            found.append(Difference(path, "changed", ""))
            continue
        by_host = _change(before, here, whole_seconds=False, exact=exact)
        by_guest = _change(before, there, whole_seconds=True, exact=exact)
        if not by_host and not by_guest:  # each is near enough to what was, but not to the other
            by_host = "changed"
        found.append(Difference(path, by_host, by_guest))
    return tuple(found)


def _change(before: Entry | None, now: Entry | None, *, whole_seconds: bool, exact: bool) -> Change:
    if before is None or now is None:
        return "added" if now else "deleted" if before else ""
    same = alike(before, now, exact=exact) and (whole_seconds or not now.is_file or not _later(now, before))
    return "" if same else "changed"


def _later(now: Entry, before: Entry) -> bool:
    return (now.size, now.mtime_ns) != (before.size, before.mtime_ns)
