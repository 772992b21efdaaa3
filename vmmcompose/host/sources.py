"""The host paths a manifest names: directories to mount, key files and files for the guest."""

import os
import stat
from hashlib import sha256
from typing import Literal

from vmmcompose.errors import HostError
from vmmcompose.host.survey import survey
from vmmcompose.model.observed import Image, Source

FILE_LIMIT = 1024 * 1024
"""Bytes of a file that goes into a guest through the manifest."""


def read_directory(path: str, *, digest: bool) -> Source:
    """A directory to mount; its content is only looked at where `digest` asks for it."""
    kind = _kind(path)
    if kind != "directory":
        return Source(kind)
    if not os.access(path, os.R_OK | os.X_OK):
        return Source("unreadable")
    try:
        return Source("directory", survey(path).digest if digest else "")
    except HostError:  # a folder in it that only root may read
        return Source("unreadable")


def read_filtered(path: str, ignore: tuple[str, ...]) -> str:
    """The digest of what a mount takes of a directory; empty where it cannot be read."""
    try:
        return survey(path, ignore).digest
    except HostError:
        return ""


def read_file(path: str) -> Source:
    """A small file's content; a bigger one than `FILE_LIMIT` counts as `other`."""
    kind = _kind(path)
    if kind != "file":
        return Source(kind)
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError:
        return Source("unreadable")
    if len(data) > FILE_LIMIT:
        return Source("other")
    return Source("file", sha256(data).hexdigest(), data.decode(errors="surrogateescape"))


def read_image(path: str) -> Image | None:
    """An image named by its path, known by its size and time; None where there is no such file."""
    if _kind(path) != "file":
        return None
    status = os.stat(path)
    digest = f"{status.st_size}-{status.st_mtime_ns}"
    return Image(path, path, status.st_size, digest)


Kind = Literal["directory", "file", "missing", "unreadable", "other"]


def _kind(path: str) -> Kind:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "unreadable"
    if stat.S_ISDIR(mode):
        return "directory"
    return "file" if stat.S_ISREG(mode) else "other"
