"""Finding and reading manifest files, and remembering what the same bytes meant before.

Parsing a manifest and checking it against its schema takes longer than everything else `vmm plan` does, and the same
files and variables always mean the same.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import PurePosixPath

from vmmcompose import __version__
from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.files import failed, make_dir, write_atomic
from vmmcompose.model.codec import desired_from_json, desired_to_json
from vmmcompose.model.desired import Desired
from vmmcompose.model.paths import Paths
from vmmcompose.model.reading import Reading

FILE_NAMES = ("vmm.yaml", "vmm.yml")
OVERRIDE_NAMES = ("vmm.override.yaml", "vmm.override.yml")
_REMEMBERED = 64
"""Manifests and ways of reading them that are kept in mind."""
READ_LIMIT = 16 * 1024 * 1024
"""Bytes read of a manifest; the parser refuses far smaller ones."""


class ManifestFiles:
    """Reads the files of one manifest and keeps what was in them, also that one was not there.

    `asked_for` hears of each file before it is read.
    """

    def __init__(self, asked_for: Callable[[str], None] = lambda _path: None) -> None:
        self.contents: dict[str, bytes | None] = {}
        self._asked_for = asked_for

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is no file.

        Raises:
            HostError: it cannot be read.
        """
        if path not in self.contents:
            self._asked_for(path)
            self.contents[path] = read_file(path)
        return self.contents[path]


def located(reading: Reading) -> Reading:
    """The same with the absolute paths of its files: those named, or `vmm.yaml` here or in the nearest parent folder.

    With a `vmm.yaml` that was found in a folder goes the `vmm.override.yaml` beside it.

    Raises:
        UsageError: there is none.
    """
    files = tuple(path for name in reading.files for path in _named(name)) or _nearest()
    return replace(reading, files=files, env_files=tuple(map(os.path.abspath, reading.env_files)))


def read_file(path: str) -> bytes | None:
    """A file's bytes; None where there is no file, or a folder has its name.

    Raises:
        HostError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(READ_LIMIT)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise failed(f"cannot read {path}", error) from error


def recall(paths: Paths, reading: Reading, files: ManifestFiles, *bearing: str) -> Desired | None:
    """What a manifest meant when it was last read with all that bears on it as it is now.

    `reading` is a located one, `bearing` whatever else decides what it means.
    """
    try:
        with open(str(_store(paths, reading)), encoding="utf-8") as file:
            value = json.load(file)
        contents = {path: files.read(path) for path in value["files"]}
        key = _key(contents, _answers(value["variables"], reading.environ), bearing)
        return desired_from_json(value["desired"]) if value["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, HostError):
        return None


def remember(
    paths: Paths,
    reading: Reading,
    files: ManifestFiles,
    asked: Iterable[str],
    desired: Desired,
    *bearing: str,
) -> None:
    """Keeps what a manifest means; where that cannot be written, the next run reads it again.

    `asked` are the variables that it asks the environment for. Only for the owner's eyes: it holds `env` values.
    """
    if not os.access(str(paths.state()), os.W_OK):
        return
    names = sorted(asked)
    value = {
        "key": _key(files.contents, _answers(names, reading.environ), bearing),
        "files": list(files.contents),
        "variables": names,
        "desired": desired_to_json(desired),
    }
    store = _store(paths, reading)
    with suppress(HostError):
        make_dir(store.parent, 0o700)
        write_atomic(store, json.dumps(value).encode("utf-8", "surrogateescape"), mode=0o600)
        _forget_oldest(str(store.parent))


def _forget_oldest(folder: str) -> None:
    """Each way of reading has a file of its own; those written longest ago go."""
    with suppress(OSError), os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.stat().st_mtime)
        for entry in entries[: max(0, len(entries) - _REMEMBERED)]:
            os.unlink(entry.path)


def _answers(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str | None]:
    return {name: environ.get(name) for name in names}


def _key(
    contents: Mapping[str, bytes | None], answers: Mapping[str, str | None], bearing: tuple[str, ...]
) -> str:
    """A digest of this version, of all that was read and asked, and of whatever else decides what it means."""
    digests = {path: None if data is None else sha256(data).hexdigest() for path, data in contents.items()}
    return _digest((__version__, bearing, sorted(digests.items()), sorted(answers.items())))


def _digest(value: object) -> str:
    return sha256(repr(value).encode("utf-8", "surrogateescape")).hexdigest()


def _nearest() -> tuple[str, ...]:
    folder = PurePosixPath(os.getcwd())
    for place in (folder, *folder.parents):
        found = _in_folder(str(place))
        if found:
            return found
    raise UsageError(
        f"there is no vmm.yaml in {folder} or above it",
        hint="go into a project's folder, or name the file: vmm -f PATH …",
    )


def _named(name: str) -> tuple[str, ...]:
    path = os.path.abspath(name)
    found = (path,) if os.path.isfile(path) else _in_folder(path)
    if not found:
        raise UsageError(f"there is no manifest {name}", hint=_instead(path))
    return found


def _in_folder(folder: str) -> tuple[str, ...]:
    """The folder's manifest and what overrides it."""
    manifest = _first(folder, FILE_NAMES)
    return manifest and (*manifest, *_first(folder, OVERRIDE_NAMES))


def _first(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    paths = (os.path.join(folder, name) for name in names)
    return next(((path,) for path in paths if os.path.isfile(path)), ())


def _instead(path: str) -> str:
    if os.path.isdir(path):
        return f"that folder has no {' or '.join(FILE_NAMES)}"
    if os.path.exists(path):
        return "that is no regular file; -f takes a file or a folder"
    return "name a file with -f"


def _store(paths: Paths, reading: Reading) -> PurePosixPath:
    how = (reading.files, reading.project, reading.env_files, reading.choice)
    return paths.state() / "manifests" / f"{_digest(how)[:16]}.json"
