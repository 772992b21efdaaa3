"""Finding and reading manifest files, and remembering what the same bytes meant before.

Parsing a manifest and checking it against its schema takes longer than everything else `vmm plan` does, and
the same bytes always mean the same.
"""

import json
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import PurePosixPath

from vmmcompose import __version__
from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.files import failed, make_dir, write_atomic
from vmmcompose.model.codec import desired_from_json, desired_to_json
from vmmcompose.model.desired import Desired
from vmmcompose.model.paths import Paths

FILE_NAMES = ("vmm.yaml", "vmm.yml")
READ_LIMIT = 16 * 1024 * 1024
"""Bytes read of a manifest; the parser refuses far smaller ones."""


def find_manifest(named: str | None) -> str:
    """The manifest's absolute path: the one named, or `vmm.yaml` here or in the nearest parent folder.

    Raises:
        UsageError: there is none.
    """
    if named is not None:
        path = os.path.abspath(named)
        inside = next((found for found in _candidates(path) if os.path.isfile(found)), None)
        if inside is None:
            raise UsageError(f"there is no manifest {named}", hint=_instead(path))
        return inside
    folder = PurePosixPath(os.getcwd())
    for place in (folder, *folder.parents):
        for name in FILE_NAMES:
            if os.path.isfile(str(place / name)):
                return str(place / name)
    raise UsageError(
        f"there is no vmm.yaml in {folder} or above it",
        hint="go into a project's folder, or name the file: vmm -f PATH …",
    )


def read_manifest(path: str) -> bytes:
    """The file's bytes.

    Raises:
        HostError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(READ_LIMIT)
    except OSError as error:
        raise failed(f"cannot read {path}", error) from error


def recall(paths: Paths, path: str, key: str) -> Desired | None:
    """What the manifest at `path` meant when `key` (its bytes and all that bears on them) was last read."""
    try:
        with open(str(_store(paths, path)), encoding="utf-8") as file:
            value = json.load(file)
        return desired_from_json(value["desired"]) if value["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(paths: Paths, path: str, key: str, desired: Desired) -> None:
    """Keeps what a manifest means; where that cannot be written, the next run reads it again.

    Only for the owner's eyes: it holds `env` values.
    """
    store = _store(paths, path)
    if os.access(str(paths.state()), os.W_OK):
        with suppress(HostError):
            make_dir(store.parent, 0o700)
            content = json.dumps({"key": key, "desired": desired_to_json(desired)})
            write_atomic(store, content.encode(), mode=0o600)


def reading_key(data: bytes, *bearing: str) -> str:
    """A digest of a manifest's bytes, of this version, and of whatever else decides what they mean."""
    return sha256(b"\0".join([__version__.encode(), *(text.encode() for text in bearing), data])).hexdigest()


def _instead(path: str) -> str:
    if os.path.isdir(path):
        return f"that folder has no {' or '.join(FILE_NAMES)}"
    if os.path.exists(path):
        return "that is no regular file; -f takes a file or a folder"
    return "name a file with -f"


def _candidates(path: str) -> list[str]:
    return [path, *(os.path.join(path, name) for name in FILE_NAMES)]


def _store(paths: Paths, path: str) -> PurePosixPath:
    return paths.state() / "manifests" / f"{sha256(path.encode()).hexdigest()[:16]}.json"
