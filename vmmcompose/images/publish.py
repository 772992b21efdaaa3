"""How something gets into the image store: built beside its final name, shown under it when it is whole."""

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.host.files import failed, make_dir, remove_tree, temp_path
from vmmcompose.model.paths import Paths

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+")


def check_name(name: str) -> str:
    """`name`, if a kernel or an image may be called so.

    Raises:
        UsageError: it may not.
    """
    good = 0 < len(name) <= 64 and name[0].isalnum() and set(name) <= _NAME_CHARACTERS and ".tmp." not in name
    if not good:
        hint = "use up to 64 letters, digits and - _ . +, beginning with a letter or digit"
        raise UsageError(f"{name!r} cannot be a name in the image store", hint=hint)
    return name


def prepare(paths: Paths) -> None:
    """Makes the store's folders.

    Raises:
        HostUnfit: the data folder cannot be written.
    """
    try:
        for folder in (paths.root, paths.root / "images", paths.kernels(), paths.rootfs()):
            make_dir(folder, 0o755)
    except HostError as error:
        raise HostUnfit(error.message, hint=error.hint) from error


@contextmanager
def scratch(path: PurePosixPath) -> Iterator[Path]:
    """A private folder beside `path`, removed at the end; its name tells what it is after a crash."""
    folder = temp_path(f"{path}.work")
    remove_tree(folder)
    make_dir(folder, 0o700)
    try:
        yield folder
    finally:
        remove_tree(folder)


@contextmanager
def folder_replacing(path: PurePosixPath) -> Iterator[Path]:
    """Gives an empty folder to fill, which becomes `path` at the end; on failure nothing is left.

    Raises:
        HostError: the system refused.
    """
    temp = temp_path(path)
    old = temp_path(f"{path}.old")
    remove_tree(temp)
    make_dir(temp, 0o755)
    try:
        yield temp
        for file in temp.iterdir():
            flush(file)
        flush(temp)
        # rename(2) does not replace a folder that holds something.
        if Path(path).is_dir():
            Path(path).rename(old)
        temp.rename(path)
        flush(temp.parent)
    except OSError as error:
        raise failed(f"cannot write {path}", error) from error
    finally:
        remove_tree(temp)
        remove_tree(old)


def flush(path: Path) -> None:
    """Waits until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The digest of a file's content, holes included, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def info_text(fields: dict[str, Any]) -> bytes:
    """A sidecar's content: the fields and the time."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return (json.dumps({"schema_version": 1, **fields, "created": now}, indent=2) + "\n").encode()


@contextmanager
def renamed_to(path: PurePosixPath) -> Iterator[Path]:
    """Gives a temporary name to make a symbolic link at, which is then renamed to `path`.

    Raises:
        HostError: the system refused.
    """
    temp = temp_path(path)
    try:
        temp.unlink(missing_ok=True)
        yield temp
        temp.rename(path)
        flush(temp.parent)
    except OSError as error:
        raise failed(f"cannot make {path}", error) from error
    finally:
        temp.unlink(missing_ok=True)
