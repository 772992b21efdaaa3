"""The guest's changes, taken to the host: what nobody changed here goes over, the rest is told or kept aside."""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vmmcompose.errors import HostError
from vmmcompose.guest.ignoring import FILE
from vmmcompose.guest.listing import Entry, Listing
from vmmcompose.host.sync.base import Base
from vmmcompose.host.sync.channel import Channel
from vmmcompose.host.sync.fetching import Fetched, fetch
from vmmcompose.host.sync.landing import Landing, aside
from vmmcompose.host.sync.tree import Tree
from vmmcompose.model.mountsync import Difference, Differences, Report

_FOLDER = Entry(stat.S_IFDIR | 0o755, 0, 0)
"""One that is made for what is kept aside."""


@dataclass(slots=True)
class _Taken:
    """What is to come, and what came of it."""

    files: dict[str, Entry] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    count: int = 0
    deleted: int = 0
    bytes: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Split:
    """Which side's changes go where."""

    theirs: list[Difference] = field(default_factory=list)
    """To be taken to the host."""
    ours: list[Difference] = field(default_factory=list)
    """To be sent to the guest."""
    conflicts: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """What of the guest is kept on the host under another name."""
    blocked: dict[str, str] = field(default_factory=dict)
    """Folders of the guest where the host has something else now, and what they are kept as."""


class Puller:
    """Takes changes of one guest."""

    def __init__(self, tree: Tree, channel: Channel | None, base: Base, vm: str) -> None:
        self._tree = tree
        self._channel = channel
        self._base = base
        self._vm = vm
        self._landing = Landing(tree)

    def pull(self, found: Differences, guest: Listing, *, force: bool) -> Report:
        """Takes what the guest changed; where the host did too, it is a conflict and needs `force`.

        Raises:
            HostError: see `reconcile`.
        """
        theirs = [one for one in found if one.guest and not _is_rule(one.path)]
        conflicts = tuple(one.path for one in theirs if one.conflict)
        taken = self._take([one for one in theirs if force or not one.conflict], guest, {})
        return _report(taken, () if force else conflicts)

    def reconcile(self, found: Differences, guest: Listing) -> tuple[Report, Differences]:
        """Takes what only the guest changed, and keeps its side of a conflict aside; the rest is the host's to send.

        A change wins over a deletion. What is left out is the host's to say: a guest that had a word in it could take
        what was kept from it.

        Raises:
            HostError: the guest shows nothing at all where there was something, sent something else than it
                was asked for, or the connection is gone.
        """
        split = self._split(found, guest)
        kept = _above(one.path for one in split.theirs if one.guest != "deleted")
        taken = self._take(split.theirs, guest, split.names)
        rest = tuple(one for one in split.ours if not (one.host == "deleted" and one.path in kept))
        return _report(taken, tuple(split.conflicts)), rest

    def _split(self, found: Differences, guest: Listing) -> _Split:
        split = _Split()
        needed = _above(one.path for one in found if one.host not in {"", "deleted"})
        for one in found:
            if _is_rule(one.path):
                split.ours.append(one)
                continue
            if split.blocked and self._in_blocked(one, guest, split):
                continue
            there = guest.get(one.path)
            # A folder that the guest deleted comes back there for what the host changed in it.
            if one.guest and one.host in {"", "deleted"} and (there or one.path not in needed):
                split.theirs.append(one)
                continue
            split.ours.append(one)
            if there and there.is_folder:
                here = self._tree.look(one.path)
                if here is not None and not here.is_folder:
                    split.blocked[one.path] = aside(one.path, self._vm)
            elif there and not there.is_special and one.conflict:
                split.conflicts.append(one.path)
                split.names[one.path] = aside(one.path, self._vm)
        return split

    @staticmethod
    def _in_blocked(one: Difference, guest: Listing, split: _Split) -> bool:
        """Whether it lies in a folder that goes; what the guest changed of it is kept aside as well."""
        top = next((above for above in _above([one.path]) if above in split.blocked), "")
        there = guest.get(one.path)
        if top and one.guest and there and not there.is_folder and not there.is_special:
            split.names[one.path] = split.blocked[top] + one.path.removeprefix(top)
            if top not in split.conflicts:
                split.conflicts.append(top)
        return bool(top)

    def _take(self, theirs: list[Difference], guest: Listing, names: dict[str, str]) -> _Taken:
        gone = [one.path for one in theirs if one.guest == "deleted"]
        if gone and not guest and len(self._base.entries) > 1:
            raise HostError(
                f"VM {self._vm}: the mount is empty in the guest, so nothing is deleted here",
                hint="is it mounted there? If the guest did delete everything, delete it here too",
            )
        taken = _Taken(names=names)
        for path in sorted(gone, reverse=True):
            self._note(taken, path, self._landing.remove(path))
            taken.deleted += path not in taken.skipped
        coming = {one.path for one in theirs if one.guest != "deleted"}
        missing = {path for path in _above(coming) if path in guest and self._tree.look(path) is None}
        for path in sorted(coming | missing):
            self._place(taken, path, guest[path])
        for path, name in names.items():
            self._place_aside(taken, path, name, guest[path])
        fetched = Fetched()
        if taken.files:
            self._fetch(taken.files, names, fetched)
        taken.count += len(fetched.done)
        taken.skipped |= fetched.skipped
        taken.done += [path for path in fetched.done if path not in names]
        self._remember(taken.done)
        taken.bytes = fetched.bytes
        return taken

    def _fetch(self, files: Listing, names: Mapping[str, str], fetched: Fetched) -> None:
        assert self._channel is not None
        fetch(self._landing, self._channel, files, names, fetched)

    def _place(self, taken: _Taken, path: str, entry: Entry) -> None:
        if entry.is_special:
            taken.skipped[path] = "devices, pipes and sockets stay in the guest"
        elif entry.is_file:
            taken.files[path] = entry
        else:
            make = self._landing.make_folder if entry.is_folder else self._landing.make_link
            self._note(taken, path, make(path, entry))
            taken.count += path not in taken.skipped

    def _place_aside(self, taken: _Taken, path: str, name: str, entry: Entry) -> None:
        for above in sorted(_above([name])):
            if self._tree.look(above) is None:
                self._landing.make_folder(above, _FOLDER)
        if entry.is_file:
            taken.files[path] = entry
        elif why := self._landing.make_link(name, entry):
            taken.skipped[path] = why
        else:
            taken.count += 1

    @staticmethod
    def _note(taken: _Taken, path: str, why: str) -> None:
        if why:
            taken.skipped[path] = why
        else:
            taken.done.append(path)

    def _remember(self, paths: Iterable[str]) -> None:
        for path in paths:
            entry = self._tree.look(path)
            if entry is None:
                self._base.forget(path)
            else:
                self._base.put(path, entry)


def _is_rule(path: str) -> bool:
    """Whether it says what is left out, or would stand in the way of what does."""
    return path.partition("/")[0] == FILE


def _above(paths: Iterable[str]) -> set[str]:
    """The folders that paths are in."""
    found: set[str] = set()
    for path in paths:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _report(taken: _Taken, conflicts: tuple[str, ...]) -> Report:
    return Report(
        fetched=taken.count,
        deleted=taken.deleted,
        bytes=taken.bytes,
        conflicts=conflicts,
        skipped=tuple(f"{path}: {why}" for path, why in sorted(taken.skipped.items())),
    )
