"""What an archive says about one file of a tree, and how messages speak of it."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from vmmcompose.errors import HostError
from vmmcompose.host.files import failed

Kind = Literal["file", "folder", "symlink", "link", "special"]
_IDS = 0xFFFFFFFF
_STANDS_IN_THE_WAY = frozenset((errno.ENOTDIR, errno.EEXIST, errno.ELOOP))


@dataclass(frozen=True, slots=True)
class Entry:
    """What an archive says about one file."""

    name: bytes
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0
    """Bytes of a file, holes included."""
    target: bytes = b""
    """Where a link leads."""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


def clean(name: bytes) -> bytes:
    """A path in the tree without leading slash, `.` and empty parts.

    Raises:
        HostError: it holds `..` or a NUL.
    """
    parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
    if b".." in parts or b"\0" in name:
        raise HostError(
            f"the archive holds the name {text(name)}, which leads out of its folder",
            hint="nothing of it was kept; whoever made it made a mistake, or means harm",
        )
    return b"/".join(parts)


def text(name: bytes) -> str:
    """A name for a message."""
    return ascii(os.fsdecode(name))[:200]


def owner(entry: Entry) -> tuple[int, int]:
    """Its user and group.

    Raises:
        HostError: they are no ids.
    """
    if not (0 <= entry.uid < _IDS and 0 <= entry.gid < _IDS):
        raise HostError(f"its owner {entry.uid}:{entry.gid} does not exist in Linux")
    return entry.uid, entry.gid


@contextmanager
def naming(name: bytes) -> Iterator[None]:
    """Errors say which entry of the archive they are about."""
    try:
        yield
    except OSError as error:
        if error.errno in _STANDS_IN_THE_WAY:
            raise HostError(
                f"cannot unpack {text(name)}: a file or a link that leads nowhere is where its folder should be",
                hint="the archive is damaged, or means harm; nothing of it was kept",
            ) from error
        raise failed(f"cannot unpack {text(name)}", error) from error
    except HostError as error:
        if not error.message.startswith("its "):
            raise
        raise HostError(f"cannot unpack {text(name)}: {error.message}", hint=error.hint) from error
