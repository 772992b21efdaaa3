"""Finding and reading manifest files, and remembering which bytes passed the schema before.

Checking a manifest against its JSON Schema takes longer than everything else `vmm plan` does; the schema's
verdict on the same bytes does not change.
"""

import os
from hashlib import sha256
from pathlib import PurePosixPath

from vmmcompose import __version__
from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.files import write_atomic
from vmmcompose.model.paths import Paths

FILE_NAMES = ("vmm.yaml", "vmm.yml")
READ_LIMIT = 16 * 1024 * 1024
"""Bytes read of a manifest; the parser refuses far smaller ones."""
REMEMBERED = 200
"""Digests kept; the oldest go first."""


def find_manifest(named: str | None) -> str:
    """The manifest's absolute path: the one named, or `vmm.yaml` here or in the nearest parent folder.

    Raises:
        UsageError: there is none.
    """
    if named is not None:
        path = os.path.abspath(named)
        inside = next((found for found in _candidates(path) if os.path.isfile(found)), None)
        if inside is None:
            raise UsageError(f"there is no manifest {named}", hint="name a file with -f")
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
        raise HostError(f"cannot read {path}: {error.strerror}") from error


def passed_before(paths: Paths, data: bytes) -> bool:
    """Whether exactly these bytes passed this version's schema."""
    return _digest(data) in _remembered(paths)


def remember_passed(paths: Paths, data: bytes) -> None:
    """Keeps that these bytes passed; where that cannot be written, the next run checks again."""
    digests = [*_remembered(paths), _digest(data)][-REMEMBERED:]
    if os.access(str(paths.state()), os.W_OK):
        write_atomic(_store(paths), "\n".join(digests).encode(), mode=0o644)


def _candidates(path: str) -> list[str]:
    return [path, *(os.path.join(path, name) for name in FILE_NAMES)]


def _store(paths: Paths) -> PurePosixPath:
    return paths.state() / "validated"


def _remembered(paths: Paths) -> list[str]:
    try:
        with open(str(_store(paths)), encoding="ascii") as file:
            return file.read().split()
    except (OSError, UnicodeDecodeError):
        return []


def _digest(data: bytes) -> str:
    return sha256(__version__.encode() + b"\0" + data).hexdigest()
