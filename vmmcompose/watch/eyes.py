"""Everything that tells of a change by itself, in one poll(2): files, processes, links, rules."""

import os
import select
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vmmcompose.errors import HostUnfit
from vmmcompose.host import netevents
from vmmcompose.host import process as processes
from vmmcompose.host.filewatch import FileWatch, Ignores
from vmmcompose.model.record import Process
from vmmcompose.watch.agenda import Trigger


@dataclass(frozen=True, slots=True)
class Sights:
    """What is to be seen."""

    manifests: frozenset[str] = frozenset()
    """The manifest's files, and those of the host that go into a guest by its word."""
    trees: Mapping[str, Ignores] = field(default_factory=dict)
    """Mounted directories, and what is ignored in them."""
    looked_at: frozenset[str] = frozenset()
    """Those of them that the planner knows by their content."""
    watched: frozenset[str] = frozenset()
    """What rules of `watch` name: files, and directories beside those in `trees`."""
    records: str = ""
    """Folder of the records."""
    images: str = ""
    """Folder of the root filesystems."""
    links: tuple[str, ...] = ()
    """What the names of the links that matter begin with."""
    processes: Mapping[str, Process] = field(default_factory=dict)
    """Running VMs."""


@dataclass(slots=True)
class Seen:
    """What was seen."""

    triggers: set[Trigger] = field(default_factory=set)
    trees: dict[str, set[str]] = field(default_factory=dict)
    """Paths that may have changed, by mounted directory."""


class Eyes:
    """Waits for whatever happens first. What it was told to see it sees from then on, so look once more after that."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._files = FileWatch()
        self._links = netevents.link_events()
        self._rules = netevents.rule_events()
        self._pidfds: dict[str, tuple[Process, int]] = {}
        self._others: dict[int, Callable[[], None]] = {}
        self._sights = Sights()
        for source in (self._files, self._links, self._rules):
            if source is not None:
                self._poll.register(source.fileno(), select.POLLIN)

    def close(self) -> None:
        """Gives all descriptors back."""
        self._files.close()
        self._links.close()
        if self._rules is not None:
            self._rules.close()
        for _, pidfd in self._pidfds.values():
            os.close(pidfd)

    @property
    def sees_rules(self) -> bool:
        """Whether changed rules are told of."""
        return self._rules is not None and not netevents.legacy_tables()

    @property
    def unwatched(self) -> Mapping[str, HostUnfit]:
        """What of the files and directories cannot be seen, and why."""
        return self._files.unwatched

    def add(self, descriptor: int, ready: Callable[[], None]) -> None:
        """Calls `ready` whenever a descriptor of somebody else is readable: a key was pressed."""
        self._others[descriptor] = ready
        self._poll.register(descriptor, select.POLLIN)

    def remove(self, descriptor: int) -> None:
        """Forgets a descriptor of somebody else."""
        if self._others.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def see(self, sights: Sights) -> set[Trigger]:
        """Sees these from now on and nothing else; gives what may have been missed until now.

        Raises:
            HostError: no descriptors are left.
        """
        self._sights = sights
        missed: set[Trigger] = set()
        if self._files.set(
            sights.manifests | sights.watched, sights.trees, filter(None, (sights.records, sights.images))
        ):
            missed.add("manifest")
        if not self._see_processes(sights.processes):
            missed.add("death")
        return missed

    def wait(self, timeout_s: float | None) -> Seen:
        """Waits until something happens, at most so long."""
        seen = Seen()
        timeout = None if timeout_s is None else max(0.0, timeout_s) * 1000
        ended = {pidfd: vm for vm, (_, pidfd) in self._pidfds.items()}
        for descriptor, _ in self._poll.poll(timeout):
            if descriptor in ended:
                self._close_pidfd(ended[descriptor])
                seen.triggers.add("death")
            elif descriptor == self._files.fileno():
                self._see_files(seen)
            elif descriptor == self._links.fileno():
                self._see_links(seen)
            elif self._rules is not None and descriptor == self._rules.fileno():
                netevents.drain(self._rules)
                seen.triggers.add("drift")
            elif (ready := self._others.get(descriptor)) is not None:  # one of them may have ended another
                ready()
        return seen

    def wait_for(self, descriptor: int) -> Seen:
        """Waits until a descriptor is readable or a file changes; everything else is left for later."""
        seen = Seen()
        waiting = select.poll()
        for each in (descriptor, self._files.fileno()):
            waiting.register(each, select.POLLIN)
        if self._files.fileno() in dict(waiting.poll()):
            self._see_files(seen)
        return seen

    def _see_files(self, seen: Seen) -> None:
        changed = self._files.read()
        if changed.overflow:
            seen.triggers.add("overflow")
        if self._sights.records in changed.files:
            seen.triggers.add("record")
        if self._sights.images in changed.files:
            seen.triggers.add("image")
        if changed.files & self._sights.manifests:
            seen.triggers.add("manifest")
        if self._sights.looked_at.intersection(changed.trees):
            seen.triggers.add("mount")
        for file in changed.files & self._sights.watched:
            seen.trees.setdefault(file, set()).add("")
        for tree, paths in changed.trees.items():
            seen.trees.setdefault(tree, set()).update(paths)
        if any("" in paths and not os.path.isfile(tree) for tree, paths in seen.trees.items()):
            seen.triggers.add("record")  # a directory came or went: a look opens the eyes for it

    def _see_links(self, seen: Seen) -> None:
        names = netevents.changed_links(self._links)
        if netevents.ANY in names or any(name.startswith(self._sights.links) for name in names):
            seen.triggers.add("drift")

    def _see_processes(self, wanted: Mapping[str, Process]) -> bool:
        """Whether all of them are still there."""
        for vm in [vm for vm, (process, _) in self._pidfds.items() if wanted.get(vm) != process]:
            self._close_pidfd(vm)
        for vm, process in wanted.items():
            if vm not in self._pidfds:
                pidfd = processes.open_pidfd(process)
                if pidfd is not None:
                    self._pidfds[vm] = (process, pidfd)
                    self._poll.register(pidfd, select.POLLIN)
        return self._pidfds.keys() == wanted.keys()

    def _close_pidfd(self, vm: str) -> None:
        _, pidfd = self._pidfds.pop(vm)
        with suppress(KeyError):
            self._poll.unregister(pidfd)
        os.close(pidfd)
