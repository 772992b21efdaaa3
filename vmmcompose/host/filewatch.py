"""Which of some files and folder trees have changed, whatever way an editor saves.

A file is watched through the folder it is in: editors write a new one and rename it over the old, and a file that is
not there yet has no other place to appear. Trees are watched folder by folder, those that appear included.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from vmmcompose.host.inotify import (
    CREATE,
    GONE,
    IGNORED,
    IS_DIR,
    MOVED_FROM,
    MOVED_TO,
    OVERFLOW,
    Change,
    Inotify,
)


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
    """A watched folder, and why."""

    names: dict[str, set[str]] = field(default_factory=dict)
    """Names that matter in it, and the files that each stands for."""
    all_names: set[str] = field(default_factory=set)
    """Folders of which every entry matters: how they were named."""
    places: set[tuple[str, str]] = field(default_factory=set)
    """(tree, path in it) that it is."""


class FileWatch:
    """Files, folders and trees. `set` may be called as often as one likes: what stays is left alone."""

    def __init__(self) -> None:
        self._inotify = Inotify()
        self._folders: dict[int, _Folder] = {}
        self._trees: set[str] = set()

    def fileno(self) -> int:
        """Readable when something may have changed."""
        return self._inotify.fileno()

    def close(self) -> None:
        """Watches no longer."""
        self._inotify.close()

    def set(self, files: Iterable[str], trees: Collection[str] = (), folders: Iterable[str] = ()) -> bool:
        """Watches these and no others; whether a folder came to be watched that was not.

        Of `folders` every entry matters, but not what is below; it is told as the folder itself.

        Raises:
            HostUnfit: the user may watch no more folders.
        """
        before = set(self._folders)
        for folder in self._folders.values():
            folder.names.clear()
            folder.all_names.clear()
        for file in files:
            for path in {file, os.path.realpath(file)}:
                self._add_file(file, path)
        for name in folders:
            number = self._inotify.add(name)
            if number is None:
                self._add_file(name, name)
            else:
                self._folders.setdefault(number, _Folder()).all_names.add(name)
        for tree in self._trees - set(trees):
            self._drop(tree, "")
        self._trees &= set(trees)
        for tree in trees:
            self._add_tree(tree)
        self._sweep()
        return not before.issuperset(self._folders)

    def read(self) -> Changed:
        """What has changed."""
        changed = Changed()
        for change in self._inotify.read():
            self._take(change, changed)
        return changed

    def _add_file(self, file: str, path: str) -> None:
        """Watches the nearest folder there is above a file for the next name on the way to it."""
        folder, name = os.path.split(path)
        while (number := self._inotify.add(folder or "/")) is None and folder not in ("", "/"):
            folder, name = os.path.split(folder)
        if number is not None:
            self._folders.setdefault(number, _Folder()).names.setdefault(name, set()).add(file)

    def _add_tree(self, tree: str) -> None:
        number = self._inotify.add(tree)
        if number is None:
            self._trees.discard(tree)
            self._add_file(tree, tree)
        elif (tree, "") not in self._folders.setdefault(number, _Folder()).places:
            self._trees.add(tree)
            self._add_below(tree, "")

    def _add_below(self, tree: str, path: str) -> None:
        left = [path]
        while left:
            here = left.pop()
            number = self._inotify.add(os.path.join(tree, here) if here else tree)
            if number is None:
                continue
            self._folders.setdefault(number, _Folder()).places.add((tree, here))
            try:
                with os.scandir(os.path.join(tree, here)) as entries:
                    found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:  # it is gone again, and its folder tells
                continue
            left += [os.path.join(here, name) for name in found]

    def _drop(self, tree: str, path: str) -> None:
        below = f"{path}/" if path else ""
        for folder in self._folders.values():
            folder.places = {
                (root, place)
                for root, place in folder.places
                if root != tree or not (place == path or place.startswith(below))
            }

    def _sweep(self) -> None:
        """Ends the watches that nobody has a reason for any more."""
        for number, folder in list(self._folders.items()):
            if not (folder.names or folder.all_names or folder.places):
                del self._folders[number]
                self._inotify.remove(number)

    def _take(self, change: Change, changed: Changed) -> None:
        if change.mask & OVERFLOW:
            changed.overflow = True
            return
        folder = self._folders.get(change.folder)
        if folder is None:
            return
        if change.mask & (GONE | IGNORED):
            self._lost(change, folder, changed)
            return
        changed.files |= folder.all_names
        if change.name in folder.names and not self._unfinished(change, folder.names[change.name]):
            changed.files |= folder.names[change.name]
        for tree, place in tuple(folder.places):
            self._take_in_tree(tree, os.path.join(place, change.name), change, changed)

    def _take_in_tree(self, tree: str, path: str, change: Change, changed: Changed) -> None:
        changed.trees.setdefault(tree, set()).add(path)
        if change.mask & IS_DIR and change.mask & MOVED_FROM:
            self._drop(tree, path)
            self._sweep()
        elif change.mask & IS_DIR and change.mask & (CREATE | MOVED_TO):
            self._add_below(tree, path)

    def _lost(self, change: Change, folder: _Folder, changed: Changed) -> None:
        """The folder itself was deleted or moved away: everything that was to be seen in it may have changed."""
        changed.files |= folder.all_names.union(*folder.names.values())
        for tree, place in folder.places:
            if not place:
                changed.trees.setdefault(tree, set()).add("")
                self._trees.discard(tree)
        del self._folders[change.folder]
        self._inotify.remove(change.folder)

    @staticmethod
    def _unfinished(change: Change, files: Iterable[str]) -> bool:
        """Whether a file was only just made: it is told again when its writer closes it."""
        if not change.mask & CREATE or change.mask & IS_DIR:
            return False
        for file in files:
            try:
                if os.lstat(file).st_size:
                    return False  # a link, or written already
            except OSError:
                return False
        return True
