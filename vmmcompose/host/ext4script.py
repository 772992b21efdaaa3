"""The debugfs script that puts files into an image: which folders to make, what to replace, in which order.

Nothing here touches the image. `questions` says what has to be known about it, `compose` turns the answers
into commands. Each command works in a folder given by its inode number, so no name in it can lead elsewhere.
"""

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from vmmcompose.errors import HostError
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.host.debugfs import Inode, quote

_ROOT = 2
"""The root folder's inode number in every ext4 file system."""
_NAME_LIMIT = 255

Seen = Mapping[str, Inode | None]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder: an inode that exists, and the names of new folders below it."""

    inode: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be in the image and what not, by clean absolute paths."""

    files: Mapping[str, GuestEntry]
    folders: Mapping[str, GuestEntry | None]
    """Every folder on the way, parents first; with an entry where mode and owner are asked for."""
    removals: tuple[str, ...]


@dataclass(slots=True)
class Script:
    """Commands for one debugfs process, and the files whose content it takes, in order."""

    commands: list[str] = field(default_factory=list)
    sources: list[GuestEntry] = field(default_factory=list)
    at: Place | None = None

    def enter(self, place: Place) -> None:
        """Changes to a folder."""
        if place != self.at:
            self.commands.append(f"cd <{place.inode}>")
            self.commands.extend(f"cd {quote(f'./{name}')}" for name in place.names)
            self.at = place

    def own(self, target: str, mode: int, entry: GuestEntry) -> None:
        """Sets mode and owner; `target` is a word of the script."""
        for name, value in (("mode", f"0{mode:o}"), ("uid", entry.uid), ("gid", entry.gid)):
            self.commands.append(f"set_inode_field {target} {name} {value}")


def clean(path: str) -> str:
    """An absolute guest path without doubled slashes.

    Raises:
        HostError: it cannot be the path of something in an image.
    """
    parts = [part for part in path.split("/") if part]
    quote(path)
    if not path.startswith("/") or not parts or {".", ".."} & set(parts):
        raise HostError(f"{path!r} is no path in a guest", hint="give an absolute path without `.` and `..`")
    if any(len(part.encode("utf-8", "surrogateescape")) > _NAME_LIMIT for part in parts):
        raise HostError(f"{path!r} has a name of more than {_NAME_LIMIT} bytes")
    return "/" + "/".join(parts)


def sort_out(entries: Iterable[GuestEntry], remove: Iterable[str]) -> Wanted:
    """Checks the paths and finds the folders on their way.

    Raises:
        HostError: a path is no guest path, or one is both a file and a folder.
    """
    files: dict[str, GuestEntry] = {}
    asked: dict[str, GuestEntry] = {}
    for entry in entries:
        (asked if entry.is_dir else files)[clean(entry.path)] = entry
    folders: dict[str, GuestEntry | None] = {}
    for path in (*asked, *files):
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            folders.setdefault(str(parent), None)
        if path in asked:
            folders[path] = None if asked[path].keep else asked[path]
    both = sorted(folders.keys() & files.keys())
    if both:
        raise HostError(
            f"{both[0]} cannot be both a file and a folder in a guest", hint="name one of them differently"
        )
    depth = sorted(folders, key=lambda path: path.count("/"))
    gone = tuple(path for path in map(clean, remove) if path not in files and path not in folders)
    return Wanted(files, {path: folders[path] for path in depth}, gone)


def questions(wanted: Wanted) -> list[str]:
    """The paths to look at: `X` is the thing of that name, `X/.` the folder it leads to."""
    asked = dict.fromkeys((*wanted.folders, *wanted.files, *wanted.removals))
    through = dict.fromkeys((*wanted.folders, *(_parent(path) for path in wanted.removals)))
    return [*asked, *(f"{path}/." for path in through if path != "/")]


def compose(wanted: Wanted, seen: Seen, first_fd: Sequence[int], per_script: int) -> list[Script]:
    """The scripts, each with at most `per_script` files; `first_fd` numbers the descriptors of one script.

    Raises:
        HostError: a folder stands where a file is wanted, or the other way round.
    """
    scripts = [Script()]
    places = _folders(scripts[0], wanted, seen)
    targets = _targets(wanted, places)
    _removals(scripts[0], wanted, seen, targets.keys())
    for (place, name), path in targets.items():
        if len(scripts[-1].sources) == per_script:
            scripts.append(Script())
        script = scripts[-1]
        descriptor = first_fd[len(script.sources)]
        _file(script, Target(place, name, seen[path]), wanted.files[path], descriptor)
    return scripts


def _targets(wanted: Wanted, places: Mapping[str, Place]) -> dict[tuple[Place, str], str]:
    targets: dict[tuple[Place, str], str] = {}
    for path in wanted.files:
        key = (places[_parent(path)], PurePosixPath(path).name)
        other = targets.setdefault(key, path)
        if other != path:
            raise HostError(f"{other} and {path} are the same file in this image", hint="keep one of them")
    return targets


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file goes and what has that name now."""

    place: Place
    name: str
    now: Inode | None


def _folders(script: Script, wanted: Wanted, seen: Seen) -> dict[str, Place]:
    places = {"/": Place(_ROOT)}
    made: set[Place] = set()
    for path, entry in wanted.folders.items():
        parent, name = places[_parent(path)], PurePosixPath(path).name
        leads_to = seen[f"{path}/."] if not parent.names else None
        if leads_to is not None and leads_to.kind == "directory":
            place = Place(leads_to.number)
            target = f"<{place.inode}>"
        else:
            place = Place(parent.inode, (*parent.names, name))
            target = quote(f"./{name}")
            if place not in made:
                _make(script, parent, name, None if parent.names else seen[path])
                made.add(place)
        if entry is not None:
            if place.names:
                script.enter(parent)
            script.own(target, stat.S_IFDIR | stat.S_IMODE(entry.mode), entry)
        places[path] = place
    return places


def _make(script: Script, parent: Place, name: str, now: Inode | None) -> None:
    script.enter(parent)
    if now is not None:
        if now.kind != "symlink":
            raise HostError(
                f"`{name}` is a {now.kind} in the image, where a folder is needed",
                hint="use another image or path",
            )
        script.commands.append(f"rm {quote(f'./{name}')}")
    script.commands.append(f"mkdir {quote(f'./{name}')}")


def _removals(script: Script, wanted: Wanted, seen: Seen, kept: Iterable[tuple[Place, str]]) -> None:
    done = set(kept)
    for path in wanted.removals:
        parent, now = _parent(path), seen[path]
        folder = seen[f"{parent}/."] if parent != "/" else None
        place = Place(folder.number if folder else _ROOT)
        key = (place, PurePosixPath(path).name)
        if now is None or now.kind == "directory" or key in done or (folder is None and parent != "/"):
            continue
        done.add(key)
        script.enter(place)
        script.commands.append(f"rm {quote(f'./{key[1]}')}")


def _file(script: Script, target: Target, entry: GuestEntry, descriptor: int) -> None:
    if target.now is not None and target.now.kind == "directory":
        raise HostError(
            f"{entry.path} is a folder in the image, where a file is wanted", hint="choose another path"
        )
    script.enter(target.place)
    if target.now is not None:
        script.commands.append(f"rm {quote(f'./{target.name}')}")
    script.commands.append(f"write /proc/self/fd/{descriptor} {quote(target.name)}")
    script.own(quote(f"./{target.name}"), stat.S_IFREG | stat.S_IMODE(entry.mode), entry)
    script.sources.append(entry)


def _parent(path: str) -> str:
    return str(PurePosixPath(path).parent)
