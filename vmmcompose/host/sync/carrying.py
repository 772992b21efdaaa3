"""What a rule of `watch` carries to a place on a VM's own disk: the engine of mounts, in a folder that others use too.

What the guest has there stays; only what was carried goes when it goes on the host.
"""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.guest.listing import Entry
from vmmcompose.guest.packed import Packed
from vmmcompose.host.sync.mirror import Mirror
from vmmcompose.host.sync.session import Session
from vmmcompose.host.sync.tree import Tree
from vmmcompose.model.desired import Mount, WatchRule
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

_MAKE = 'mkdir -p -- "$0" && exec "$@"'
_OWNER = (0, 0)
"""On a disk of the system's, services expect root's files; the host's numbers mean nobody there."""


class Carrying(Session):
    """A session for a rule: a file is carried as the file that its target names, a directory's content into it."""

    def __init__(self, paths: Paths, spec: VmSpec, rule: WatchRule, ignore: tuple[str, ...]) -> None:
        self._source = os.path.realpath(rule.path)
        self._name = "" if os.path.isdir(self._source) else os.path.basename(rule.target)
        folder = os.path.dirname(rule.target) if self._name else rule.target
        # The tag is in no message: nothing here is mounted.
        mount = Mount("", rule.path, "rw", "push", ignore, target=folder)
        super().__init__(paths, spec, mount)
        self._base_file = paths.watch_base(spec.name, _key(rule))

    def full(self) -> Report:
        """As `Session.full`."""
        with self._own_disk():
            return super().full()

    def push(self, changed: Collection[str]) -> Report:
        """As `Session.push`."""
        with self._own_disk():
            return super().push(changed)

    @contextmanager
    def _own_disk(self) -> Iterator[None]:
        """There is no image to be made anew: what is full is the VM's own disk, or a volume."""
        try:
            yield
        except NoSpace as error:
            vm, at = self._spec.vm, self._mount.place
            raise NoSpace(
                f"VM {vm}: no space is left at {at}", hint="make its `disk` bigger, or carry less"
            ) from error

    def _tree(self) -> Tree:
        if not os.path.exists(self._source):
            raise HostError(f"there is nothing at {self._source}")
        if self._name:
            return _File(self._source, self._name)
        return Tree(self._mount.source, self._mount.ignore, _OWNER)

    def _meet(self, tree: Tree) -> Mirror:
        return Mirror(tree, self.channel, self._base, self._spec.vm, two_way=False, alone=False)

    def _argv(self, command: tuple[str, ...]) -> list[str]:
        return super()._argv(("sh", "-c", _MAKE, self._mount.place, *command))


class _File(Tree):
    """A directory in which nothing is but one file, by the name that it has in the guest."""

    def __init__(self, path: str, name: str) -> None:
        super().__init__(os.path.dirname(path), (), _OWNER)
        self._host_name = os.path.basename(path)
        self.only = (name,)

    def read_rules(self) -> None:
        """A file that is named is meant."""

    def scan(self, top: str = "", *, deep: bool = True) -> Packed:
        """The file, if it is there; nothing is in it."""
        del deep
        found = Packed()
        for name in () if top else self.only or ():
            entry = self.look(name)
            if entry is not None:
                found.put(name, entry)
        return found

    def look(self, path: str) -> Entry | None:
        """As `Tree.look`; a folder that has taken the file's place is none."""
        entry = super().look(self._host_name) if path in (self.only or ()) else None
        return None if entry is None or stat.S_ISDIR(entry.mode) else entry

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """As `Tree.opened`."""
        with super().opened(self._host_name if path in (self.only or ()) else path) as descriptor:
            yield descriptor


def _key(rule: WatchRule) -> str:
    """What tells its memory from those of a VM's other rules."""
    parts = json.dumps([rule.path, rule.target, rule.ignore])
    return hashlib.sha256(parts.encode(errors="surrogateescape")).hexdigest()[:16]
