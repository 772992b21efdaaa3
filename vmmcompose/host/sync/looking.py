"""What changed on the host among paths that may have: a look at these and no others."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from vmmcompose.guest.listing import Entry, only_dressed, touched
from vmmcompose.host.sync.base import Base
from vmmcompose.host.sync.tree import Tree


@dataclass(slots=True)
class Looked:
    """What is to be sent and deleted."""

    items: dict[str, Entry] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    """Topmost ones, with all that is known below them."""

    def worn(self, path: str, before: Entry) -> bool:
        """Whether only its mode or owner is new."""
        return only_dressed(self.items[path], before)


def changes(tree: Tree, base: Base, paths: Iterable[str]) -> Looked:
    """Looks at paths; of folders that are the same as before, only what is right in them.

    Raises:
        HostError: a folder cannot be read.
    """
    look = _Look(tree, base)
    for path in sorted({_relative(path) for path in paths}):
        look.at(path)
    return look.result()


def _relative(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in {"", "."})


class _Look:
    def __init__(self, tree: Tree, base: Base) -> None:
        self._tree = tree
        self._base = base
        self._found: dict[str, Entry] = {}
        self._gone: set[str] = set()

    def at(self, path: str) -> None:
        """One path that may have changed."""
        if not path:
            self._shallow("")
            return
        path, entry = self._deciding(path)
        if entry is None:
            if path in self._base.entries:
                self._gone.add(path)
            return
        rules = self._tree.rules
        if entry.is_special or rules.ignores_above(path) or rules.ignores(path, folder=entry.is_folder):
            return
        self._parents(path)
        self._add(path, entry)

    def _deciding(self, path: str) -> tuple[str, Entry | None]:
        """The path, or the one above it that is gone or is no folder any more."""
        while (entry := self._tree.look(path)) is None:
            above = path.rpartition("/")[0]
            parent = self._tree.look(above) if above else None
            if not above or (parent is not None and parent.is_folder):
                break
            path = above
        return path, entry

    def _parents(self, path: str) -> None:
        parts = path.split("/")
        for end in range(1, len(parts)):
            above = "/".join(parts[:end])
            if above not in self._base.entries and above not in self._found:
                entry = self._tree.look(above)
                if entry is not None:
                    self._found[above] = entry

    def _add(self, path: str, entry: Entry) -> None:
        self._found[path] = entry
        if not entry.is_folder:
            return
        before = self._base.entries.get(path)
        if before is not None and before.is_folder and before.inode == entry.inode:
            self._shallow(path)
        else:
            self._deep(path)

    def _shallow(self, folder: str) -> None:
        listed = self._tree.scan(folder, deep=False)
        for path, entry in listed.items():
            before = self._base.entries.get(path)
            if entry.is_folder and not (before and before.is_folder and before.inode == entry.inode):
                self._found[path] = entry
                self._deep(path)
            elif not entry.is_special:
                self._found[path] = entry
        self._gone.update(path for path in self._base.inside(folder) if path not in listed)

    def _deep(self, folder: str) -> None:
        listed = {path: entry for path, entry in self._tree.scan(folder).items() if not entry.is_special}
        self._found |= listed
        self._gone.update(path for path in self._base.below(folder) if path not in listed)

    def result(self) -> Looked:
        """What of it is new."""
        known = self._base.entries
        items = {
            path: entry
            for path, entry in self._found.items()
            if path not in known or touched(entry, known[path]) or only_dressed(entry, known[path])
        }
        gone: list[str] = []
        for path in sorted(self._gone, key=lambda path: path.split("/")):
            if not (gone and path.startswith(f"{gone[-1]}/")):
                gone.append(path)
        return Looked(items, gone)
