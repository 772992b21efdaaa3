"""A VM's logs as files: kept apart per boot or by size, and their last lines made fit for a message."""

import os
import re
from pathlib import Path, PurePath

from vmmcompose.host.files import failed

_TAIL_BYTES = 16384
LOG_BYTES = 4 << 20
LINE_WIDTH = 200
_PANIC = "] Kernel panic - not syncing"
_ESCAPES = re.compile(
    r"\x1b\[[0-9;?<=>]*[ -/]*[@-~]"  # CSI: colours, cursor, clearing
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and the like: titles, links
    r"|\x1b[ -/]*[0-~]"  # the rest of ECMA-48
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class CappedLog:
    """A log that lines are added to. Full, it becomes `<path>.1` and begins anew."""

    def __init__(self, path: PurePath, limit: int = LOG_BYTES) -> None:
        self._path = path
        self._limit = limit

    def add(self, line: bytes) -> None:
        """Adds a line.

        Raises:
            HostError: it cannot be written.
        """
        try:
            if size(self._path) >= self._limit:
                rotate(self._path)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            raise failed(f"cannot write to {self._path}", error) from error


def rotate(path: PurePath) -> None:
    """Move a log to `<path>.1`, so that the next boot begins an empty one. A missing log is no error."""
    try:
        os.replace(path, f"{path}.1")
    except FileNotFoundError:
        return


def tail(path: PurePath, lines: int, *, width: int = LINE_WIDTH) -> list[str]:
    """The last lines of a log that are not blank, clean; empty when there is no log or it may not be read.

    Where the kernel panicked they begin with that: its reason stands above a longer trace that says less.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            data = file.read()
    except OSError:
        return []
    found = clean(data.decode(errors="replace"), width)
    panic = next((at for at, line in enumerate(found) if _PANIC in line), len(found))
    return found[min(panic, max(0, len(found) - lines)) :][:lines]


def clean(text: str, width: int = LINE_WIDTH) -> list[str]:
    """Lines without escape sequences and control characters, blank ones left out, long ones cut.

    What a guest prints must not be able to move the cursor or set the title of the user's terminal.
    """
    plain = (_CONTROLS.sub("", _ESCAPES.sub("", line)).rstrip() for line in re.split(r"[\r\n]+", text))
    return [line if len(line) <= width else line[: width - 1] + "…" for line in plain if line]


def size(path: PurePath) -> int:
    """Bytes in a log; 0 when there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
