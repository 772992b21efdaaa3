"""What goes where: the host's directory, the guest's, and how they were when they were last in step."""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.guest import syncscript
from vmmcompose.guest.ignoring import FILE
from vmmcompose.guest.listing import (
    Entry,
    Listing,
    NotAListing,
    differences,
    dressing,
    parse_listing,
)
from vmmcompose.guest.packed import Packed
from vmmcompose.host.sync import sending
from vmmcompose.host.sync.base import Base
from vmmcompose.host.sync.channel import Channel, Failed
from vmmcompose.host.sync.looking import Looked, changes
from vmmcompose.host.sync.pulling import Puller
from vmmcompose.host.sync.tree import Tree, settled
from vmmcompose.model.mountsync import Difference, Differences, Report

_ATTEMPTS = 5
_PAUSE_S = 0.1
"""Before a file that changed while it was sent is sent again; twice as long each time."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both as they are now."""

    host: Listing
    guest: Listing
    looked_ns: int
    """When the look at the host began."""


class Mirror:
    """Carries changes. `two_way` also takes those of the guest; else what the host has counts."""

    def __init__(
        self, tree: Tree, channel: Channel, base: Base, vm: str, *, two_way: bool, alone: bool = True
    ) -> None:
        self._tree = tree
        self._channel = channel
        self._base = base
        self._vm = vm
        self._two_way = two_way
        self._alone = alone
        """Whether a folder there is nobody else's, so that it goes with all that it holds."""
        self._puller = Puller(tree, channel, base, vm)
        self._whole = False
        """Whether both sides have been compared, so that `base` says what the guest has."""
        self._pending: set[str] = set()
        """Could not be sent for now."""

    def full(self) -> Report:
        """Compares both sides and transfers what differs."""
        self._tree.renew()
        sides = self._sides()
        found = differences(sides.host, sides.guest, self._base.entries, exact=not self._two_way)
        self._settle(sides, found)
        report = Report()
        if self._two_way:
            report, found = self._puller.reconcile(found, sides.guest)
        items = {one.path: sides.host[one.path] for one in found if one.path in sides.host}
        items = {path: entry for path, entry in items.items() if not entry.is_special}
        gone = {
            one.path: sides.guest[one.path]
            for one in found
            if one.host == "deleted" and one.path in sides.guest
        }
        worn = {path for path, entry in items.items() if self._only_worn(path, entry, sides.guest)}
        report = report.plus(self._carry(items, worn, gone, sides.guest))
        self._whole = True
        replaced = {*items, *gone} - worn
        overwritten = tuple(one.path for one in found if one.path in replaced and _own(one, sides.guest))
        return report.plus(Report(overwritten=() if self._two_way else overwritten)).plus(self._again())

    def push(self, changed: Collection[str]) -> Report:
        """Transfers what changed among these paths on the host."""
        if not self._whole or FILE in changed:
            return self.full()
        try:
            report = self._once({*changed, *self._take_pending()})
            return report.plus(self._again())
        except Failed:  # somebody in the guest has changed what we counted on
            self._channel.run([syncscript.CLEAR])
            self._whole = False
            return self.full()

    def pull(self, *, force: bool) -> Report:
        """Takes the guest's changes; where the host has changed as well, only with `force`."""
        sides = self._sides()
        found = differences(sides.host, sides.guest, self._base.entries, exact=False)
        self._settle(sides, found)
        return self._puller.pull(found, sides.guest, force=force)

    def diff(self) -> Differences:
        """What differs."""
        sides = self._sides()
        return differences(sides.host, sides.guest, self._base.entries, exact=False, sure=False)

    def _sides(self) -> Sides:
        looked = time.time_ns()
        host = self._tree.scan()
        only = self._tree.only
        texts = [syncscript.LIST] if only is None else syncscript.look_at(only)
        return Sides(host, self._guest(texts), looked)

    def _guest(self, texts: Iterable[str]) -> Packed:
        found, rules = Packed(), self._tree.rules
        try:
            for text in texts:
                self._channel.tell(text)
                for path, entry in parse_listing(self._channel.pieces(), self._channel.token):
                    if not rules.ignores(path, folder=entry.is_folder) and not rules.ignores_above(path):
                        found.put(path, entry)
        except NotAListing as error:
            raise HostError(f"the guest lists its files in no way that is known: {str(error)!a}") from error
        return found

    def _settle(self, sides: Sides, found: Differences) -> None:
        """Remembers what is in step, and forgets what neither side has."""
        differing = {one.path for one in found}
        for path in [
            path for path in self._base.entries if path not in sides.host and path not in sides.guest
        ]:
            self._base.forget(path)
        for path, entry in sides.host.items():
            if path not in differing:
                self._base.put(path, settled(entry, sides.looked_ns))

    def _only_worn(self, path: str, entry: Entry, guest: Listing) -> bool:
        there, before = guest.get(path), self._base.entries.get(path)
        return there is not None and dressing(entry, there, before)

    def _once(self, paths: set[str]) -> Report:
        looked = changes(self._tree, self._base, paths)
        report = Report()
        if self._two_way and (looked.items or looked.gone):
            report = self._yield_to_guest(looked)
        there = self._base.entries
        worn = {
            path for path, entry in looked.items.items() if path in there and looked.worn(path, there[path])
        }
        return report.plus(
            self._carry(looked.items, worn, {path: there[path] for path in looked.gone}, there)
        )

    def _yield_to_guest(self, looked: Looked) -> Report:
        """Keeps aside what the guest changed among what is about to be sent or deleted."""
        paths = {*looked.items, *(below for gone in looked.gone for below in (gone, *self._base.below(gone)))}
        guest = self._guest(syncscript.look_at(sorted(paths)))
        base = {path: self._base.entries[path] for path in paths if path in self._base.entries}
        found = differences(looked.items, guest, base, exact=False)
        report, rest = self._puller.reconcile(found, guest)
        kept = {one.path for one in rest}
        in_step = [path for path in looked.items if path not in kept]
        for path in in_step:
            self._base.put(path, settled(looked.items.pop(path), time.time_ns()))
        looked.gone[:] = [one.path for one in rest if one.host == "deleted"]
        return report

    def _carry(self, items: Listing, worn: set[str], gone: Listing, there: Listing) -> Report:
        """New things first, so that a renamed one is never missing."""
        dressed = {path: items[path] for path in worn}
        sent = sending.send(
            self._tree, self._channel, {path: items[path] for path in items if path not in worn}, there
        )
        sending.dress(self._channel, dressed)
        for path, entry in (sent.done | dressed).items():
            before = self._base.entries.get(path)
            if before and before.is_folder and not entry.is_folder:
                self._base.forget(path)
            self._base.put(path, entry)
        if self._two_way:
            sending.delete_known(self._channel, gone)
        elif self._alone:
            sending.delete(self._channel, _topmost(gone))
        else:
            known = self._base.entries
            below = {path: known[path] for top in gone for path in self._base.below(top)}
            sending.delete_known(self._channel, {**gone, **below})
        for path in gone:
            self._base.forget(path)
        self._pending |= set(sent.torn)
        if sent.no_room:  # told last: what was deleted may have made some for the next time
            others = len(sent.no_room) - 1
            raise NoSpace(
                f"VM {self._vm}: the mount's image has no room for {ascii(sent.no_room[0])[1:-1]}"
                + (f" and {others} more" if others else ""),
                hint="a restart with a rebuilt image makes it as big as the directory needs",
            )
        return Report(sent=len(sent.done) + len(dressed), deleted=len(gone), bytes=sent.bytes)

    def _again(self) -> Report:
        """Sends again what changed while it was sent; what never rests waits for the next push."""
        report = Report()
        for attempt in range(_ATTEMPTS):
            if not self._pending:
                return report
            time.sleep(_PAUSE_S * 2**attempt)
            report = report.plus(self._once(self._take_pending()))
        skipped = tuple(f"{path}: it keeps changing" for path in sorted(self._pending))
        return report.plus(Report(skipped=skipped))

    def _take_pending(self) -> set[str]:
        pending, self._pending = self._pending, set()
        return pending


def _own(one: Difference, guest: Listing) -> bool:
    """Whether the guest has content there that it did not get from the host."""
    return one.guest in {"added", "changed"} and not guest[one.path].is_folder


def _topmost(paths: Iterable[str]) -> list[str]:
    """Without what goes with a folder that goes."""
    found: list[str] = []
    for path in sorted(paths, key=lambda path: path.split("/")):
        if not (found and path.startswith(f"{found[-1]}/")):
            found.append(path)
    return found
