"""Files of JSON lines that every `vmm` appends to and others read while they grow.

A line is one write(2) to a file opened with O_APPEND, so lines of several processes never mix. Before it the writer
takes a flock on the file, which keeps it from writing into a file that another one is just putting aside. A file
that has grown to its limit becomes `<name>.1`, and what was called that goes. Lines hold command lines and what
failed, so only the owner may read them.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.files import make_dir

POLL_S = 0.1
"""How often a followed file is looked at: one stat; a reader would not notice that inotify is sooner."""
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def append(path: PurePosixPath, value: Mapping[str, Any], *, limit: int, sync: bool = False) -> None:
    """Appends one line; with `sync` it survives a power cut. Where it cannot be written the work goes on without.

    `limit` is how many bytes the file may have before this line.
    """
    with suppress(OSError, HostError):
        make_dir(path.parent, 0o755)
        line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        descriptor = _open_locked(str(path), limit)
        try:
            size = os.fstat(descriptor).st_size
            # A writer that met a full disk may have left half a line: it stays alone.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, b"\n" * torn + line)
            if sync:
                os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def read(path: PurePosixPath) -> Iterator[dict[str, Any]]:
    """All lines, oldest first, those put aside before; what is no JSON object is left out.

    Raises:
        HostUnfit: this user may not read it.
        HostError: it cannot be read.
    """
    for name in (aside(path), path):
        with suppress(FileNotFoundError), _reading(name) as file:
            yield from _values(file.read().split(b"\n"))


def follow(path: PurePosixPath) -> Iterator[dict[str, Any]]:
    """All lines and those that come, until the caller stops.

    Raises:
        HostUnfit, HostError: as `read`.
    """
    file: BinaryIO | None = None
    rest = b""
    with suppress(FileNotFoundError), _reading(aside(path)) as old:
        yield from _values(old.read().split(b"\n"))
    while True:
        replaced = file is not None and _is_replaced(file, path)
        if file is None:
            with suppress(FileNotFoundError):
                file = _reading(path)
        if file is not None:
            *lines, rest = (rest + file.read()).split(b"\n")
            yield from _values(lines)
        if replaced and file is not None:
            file.close()
            file, rest = None, b""
        else:
            time.sleep(POLL_S)


def aside(path: PurePosixPath) -> PurePosixPath:
    """Where a full file is put."""
    return path.with_name(f"{path.name}.1")


def _open_locked(path: str, limit: int) -> int:
    while True:
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            status = os.fstat(descriptor)
            if status.st_ino == os.stat(path).st_ino:
                if status.st_size < limit:
                    return descriptor
                os.rename(path, f"{path}.1")
        except FileNotFoundError:  # somebody put it aside meanwhile
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_replaced(file: BinaryIO, path: PurePosixPath) -> bool:
    """Whether the file that is read is not called that any more. Asked before the last read of it."""
    try:
        return os.stat(str(path)).st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return True


def _reading(path: PurePosixPath) -> BinaryIO:
    try:
        return open(str(path), "rb")
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise HostUnfit(f"{path} may not be read", hint="logs are root's: run it with sudo") from error
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error


def _values(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value
