"""Which of some files and folder trees have changed, whatever way an editor saves.

A file is watched through the folder it is in: editors write a new one and rename it over the old, and a file that is
not there yet has no other place to appear. Trees are watched folder by folder, those that appear included, but for what
is ignored in them: the kernel counts watches, and a folder of dependencies may need more than all else together. The
links on the way to a file or a tree count as well, and so does its own place: another may get its name.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.guest.ignoring import FILE, Rules
from vmmcompose.host.inotify import (
    CREATE,
    GONE,
    IGNORED,
    IS_DIR,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    OVERFLOW,
    Change,
    Inotify,
    watches_limit,
)
from vmmcompose.host.sync.tree import Tree
from vmmcompose.host.waypoints import still_empty, ways_to

Ignores = frozenset[tuple[str, ...]]
"""The patterns of each mount of a directory: left out is what all of them leave out."""


@dataclass(slots=True)
class Changed:
    """What has changed since the last look."""

    files: set[str] = field(default_factory=set)
    """Of the files, as they were named."""
    trees: dict[str, set[str]] = field(default_factory=dict)
    """By tree, paths in it that may have changed; the empty one is the whole tree."""
    overflow: bool = False
    """The kernel could not keep up: anything may have changed."""


@dataclass(slots=True)
class _Folder:
    """A watched folder with names that matter."""

    names: dict[str, set[str]] = field(default_factory=dict)
    """Names in it, and the files that each stands for."""
    all_names: set[str] = field(default_factory=set)
    """Folders of which every entry matters: how they were named."""


@dataclass(slots=True, eq=False)
class _Tree:
    """A watched tree."""

    name: str
    ignores: Ignores
    rules: tuple[Rules, ...] = ()
    root: int | None = None
    """The folder that it is now."""

    def read_rules(self) -> None:
        """Reads what is ignored; nothing is where that cannot be read, of which whoever carries the tree tells."""
        self.rules = ()
        found: list[Rules] = []
        try:
            for patterns in self.ignores:
                with Tree(os.path.realpath(self.name), patterns) as tree:
                    found.append(tree.rules)
        except HostError:
            return
        self.rules = tuple(found)

    def ignores_path(self, path: str, *, folder: bool) -> bool:
        """Whether nobody wants to know of a path."""
        return bool(self.rules) and all(
            rules.ignores(path, folder=folder) or rules.ignores_above(path) for rules in self.rules
        )


class FileWatch:
    """Files, folders and trees. `set` may be called as often as one likes: what stays is left alone."""

    def __init__(self) -> None:
        self._inotify = Inotify()
        self._folders: dict[int, _Folder] = {}
        self._trees: dict[str, _Tree] = {}
        self._places: dict[int, tuple[tuple[_Tree, str], ...]] = {}
        """(tree, path in it) that a folder is. There may be tens of thousands."""
        self._stale: set[str] = set()
        """Trees to be gone through anew."""
        self._limit = 0
        self.unwatched: dict[str, HostUnfit] = {}
        """Files and trees of which nothing is told, and why: there are more folders than a user may watch."""

    def fileno(self) -> int:
        """Readable when something may have changed."""
        return self._inotify.fileno()

    def close(self) -> None:
        """Watches no longer."""
        self._inotify.close()

    def set(
        self,
        files: Iterable[str],
        trees: Mapping[str, Ignores] | None = None,
        folders: Iterable[str] = (),
    ) -> bool:
        """Watches these and no others; whether a folder came to be watched that was not.

        Of `folders` every entry matters, but not what is below; it is told as the folder itself. What cannot be
        watched is in `unwatched`; a tree is tried again once the user may watch more.
        """
        trees = trees or {}
        for tree in [tree for tree in self._trees.values() if trees.get(tree.name) != tree.ignores]:
            self._drop(tree)
        before, old = self._folders.keys() | self._places.keys(), self._folders
        self._folders, limit = {}, watches_limit()
        again = limit != self._limit
        self.unwatched = {} if again else {n: why for n, why in self.unwatched.items() if n in trees}
        self._limit = limit
        for file in files:
            self._add_file(file)
        for name in folders:
            self._add_folder(name)
        for name, ignores in trees.items():
            self._add_file(name)
            if name not in self._trees and name not in self.unwatched:
                self._trees[name] = _Tree(name, ignores)
                self._renew(self._trees[name])
        self._forget(old)
        return not before >= self._folders.keys() | self._places.keys()

    def read(self) -> Changed:
        """What has changed."""
        changed = Changed()
        for change in self._inotify.read():
            self._take(change, changed)
        for name in changed.files & self._trees.keys():
            self._see_where(self._trees[name], changed)
        for name in self._stale & self._trees.keys():
            self._renew(self._trees[name])
        self._stale.clear()
        for name in self.unwatched.keys() & changed.trees.keys():
            changed.trees[name].add("")
        return changed

    def _add_file(self, file: str) -> None:
        try:
            for path in ways_to(file):
                self._add_name(file, path)
        except HostUnfit as error:
            self.unwatched[file] = error

    def _add_name(self, file: str, path: str) -> None:
        """Watches the nearest folder there is above a file for the next name on the way to it."""
        folder, name = os.path.split(path)
        while (number := self._inotify.add(folder or "/")) is None and folder not in ("", "/"):
            folder, name = os.path.split(folder)
        if number is not None:
            self._folders.setdefault(number, _Folder()).names.setdefault(name, set()).add(file)

    def _add_folder(self, name: str) -> None:
        try:
            number = self._inotify.add(name)
        except HostUnfit as error:
            self.unwatched[name] = error
            return
        if number is None:
            self._add_file(name)
        else:
            self._folders.setdefault(number, _Folder()).all_names.add(name)

    def _see_where(self, tree: _Tree, changed: Changed) -> None:
        """Another folder may have the tree's name, or none."""
        self._add_file(tree.name)
        with suppress(HostUnfit):
            if self._inotify.add(tree.name) == tree.root:
                return
        changed.trees.setdefault(tree.name, set()).add("")
        self._stale.add(tree.name)

    def _add_below(self, tree: _Tree, path: str) -> None:
        """Watches a folder of a tree and those in it.

        Nothing of the tree is watched where there are too many: other programs of this user need watches as well.
        """
        left = [path]
        while left:
            here = left.pop()
            folder = os.path.join(tree.name, here) if here else tree.name
            try:
                number = self._inotify.add(folder)
            except HostUnfit as error:
                self._drop(tree)
                self.unwatched[tree.name] = error
                return
            tree.root = tree.root if here else number
            if number is None:
                continue
            if (tree, here) not in (places := self._places.get(number, ())):
                self._places[number] = (*places, (tree, here))
            try:
                with os.scandir(folder) as entries:
                    found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:  # it is gone again, and its folder tells
                continue
            below = (os.path.join(here, name) for name in found)
            left += [one for one in below if not tree.ignores_path(one, folder=True)]

    def _renew(self, tree: _Tree) -> None:
        """Goes through a tree anew: other folders are ignored in it, or it is not known which there are."""
        numbers = self._strip(tree, "")
        tree.read_rules()
        self._add_below(tree, "")
        self._forget(numbers)

    def _drop(self, tree: _Tree) -> None:
        self._forget(self._strip(tree, ""))
        self._trees.pop(tree.name, None)

    def _strip(self, tree: _Tree, path: str) -> list[int]:
        """Takes what is below a path out of the known folders; gives those that were touched."""
        below = f"{path}/" if path else ""
        numbers = []
        for number, places in list(self._places.items()):
            rest = tuple(
                (one, place)
                for one, place in places
                if one is not tree or not (place == path or place.startswith(below))
            )
            if len(rest) == len(places):
                continue
            numbers.append(number)
            self._places[number] = rest
            if not rest:
                del self._places[number]
        return numbers

    def _forget(self, numbers: Iterable[int]) -> None:
        """Ends the watches that nobody has a reason for any more."""
        for number in numbers:
            if number not in self._folders and number not in self._places:
                self._inotify.remove(number)

    def _take(self, change: Change, changed: Changed) -> None:
        if change.mask & OVERFLOW:
            changed.overflow = True
            self._stale.update(self._trees)
            return
        if change.mask & (GONE | IGNORED):
            self._lost(change, changed)
            return
        folder = self._folders.get(change.folder)
        if folder is not None:
            changed.files |= folder.all_names
            files = folder.names.get(change.name, set())
            if files and not (_makes_file(change) and still_empty(files)):
                changed.files |= files
        for tree, place in self._places.get(change.folder, ()):
            self._take_in_tree(tree, os.path.join(place, change.name), change, changed)

    def _take_in_tree(self, tree: _Tree, path: str, change: Change, changed: Changed) -> None:
        is_folder = bool(change.mask & IS_DIR)
        if tree.ignores_path(path, folder=is_folder):
            return
        changed.trees.setdefault(tree.name, set()).add(path)
        if path == FILE:
            self._stale.add(tree.name)
        elif is_folder and change.mask & MOVED_FROM:
            self._forget(self._strip(tree, path))
        elif is_folder and change.mask & (CREATE | MOVED_TO):
            self._add_below(tree, path)

    def _lost(self, change: Change, changed: Changed) -> None:
        """The folder itself was deleted or moved away: everything that was to be seen in it may have changed."""
        folder = self._folders.pop(change.folder, None)
        if folder is not None:
            changed.files |= folder.all_names.union(*folder.names.values())
        for tree, place in self._places.pop(change.folder, ()):
            if not place:
                changed.trees.setdefault(tree.name, set()).add("")
                tree.root = None
                self._stale.add(tree.name)
            elif change.mask & MOVE_SELF:  # perhaps within the tree, and its new place is known already
                self._stale.add(tree.name)
        self._inotify.remove(change.folder)


def _makes_file(change: Change) -> bool:
    return bool(change.mask & CREATE and not change.mask & IS_DIR)
