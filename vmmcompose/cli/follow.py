"""Printing and following log files, several at once, across truncation and replacement."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from vmmcompose.errors import HostError, HostUnfit

POLL_S = 0.1
"""How often a file is looked at: one stat per file; a reader would not notice that inotify is sooner."""
BLOCK = 65536
LONGEST_LINE = 65536
"""Bytes after which an unfinished line of several sources is printed anyway: a guest may never end it."""

_CONTROL = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-ln-~]"  # CSI sequences but `m`, which sets colours
    rb"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS and other strings
    rb"|\x1b[ -/]*[0-Z\\^-~]"  # other escapes
    rb"|\x1b(?!\[[0-9;]*m)"  # whatever else begins with ESC, also one cut off
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\r(?!\n)"
    rb"|\xc2[\x80-\x9f]"  # C1 controls as UTF-8
)
_COLORS = (36, 33, 32, 35, 34, 31)


@dataclass(slots=True)
class Source:
    """One VM's log file."""

    name: str
    path: str
    file: BinaryIO | None = None
    inode: int = 0
    rest: bytes = b""
    """The beginning of a line whose end has not come yet."""


@dataclass(slots=True)
class Printer:
    """Where lines go, and how they look."""

    out: BinaryIO
    clean: bool
    """Leave out control sequences: a guest must not steer the user's terminal."""
    color: bool = False
    prefixes: dict[str, bytes] = field(default_factory=dict)

    def name_all(self, names: Sequence[str], *, always: bool = False) -> None:
        """Puts names before the lines when there are several, or always."""
        if len(names) < 2 and not (always and names):
            return
        wide = max(len(name) for name in names)
        for number, name in enumerate(names):
            plain = f"{name.ljust(wide)} | "
            code = _COLORS[number % len(_COLORS)]
            self.prefixes[name] = (f"\033[{code}m{plain}\033[0m" if self.color else plain).encode()

    def write(self, source: Source, data: bytes, *, whole: bool) -> None:
        """Prints what came. With prefixes only whole lines, unless `whole` says that nothing more comes."""
        prefix = self.prefixes.get(source.name)
        if prefix is None:
            self.out.write(self._cleaned(data))
            self.out.flush()
            return
        *lines, rest = (source.rest + data).split(b"\n")
        if rest and (whole or len(rest) > LONGEST_LINE):
            lines, rest = [*lines, rest], b""
        source.rest = rest
        self.out.write(b"".join(prefix + self._cleaned(line.rstrip(b"\r")) + b"\n" for line in lines))
        self.out.flush()

    def _cleaned(self, data: bytes) -> bytes:
        return _CONTROL.sub(b"", data) if self.clean else data


def show(
    sources: Sequence[Source], *, lines: int | None, follow: bool, out: BinaryIO, clean: bool, color: bool
) -> None:
    """Prints the files, the last `lines` of each, and goes on with what is added while `follow`.

    Raises:
        HostUnfit: a file may not be read.
        HostError: a file cannot be read.
    """
    printer = Printer(out, clean, color)
    printer.name_all([source.name for source in sources])
    for source in sources:
        _open(source)
        if source.file is not None:
            if lines is not None:
                source.file.seek(tail_offset(source.file, lines))
            _drain(source, printer, whole=not follow)
    while follow:
        time.sleep(POLL_S)
        for source in sources:
            look(source, printer)


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last `lines` lines begin; an unfinished last line counts as one."""
    end = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    position, found = end, 0
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = size
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if position + at == end - 1:
                continue  # it ends the last line and begins none
            found += 1
            if found == lines:
                return position + at + 1
    return 0


def look(source: Source, printer: Printer) -> None:
    """Prints what was added to a file, also where it was emptied or replaced meanwhile."""
    try:
        now = os.stat(source.path)
    except FileNotFoundError:
        _close(source, printer)
        return
    if source.file is not None and now.st_ino != source.inode:
        _close(source, printer)
    if source.file is None:
        _open(source)
    if source.file is not None:
        if now.st_size < source.file.tell():
            source.file.seek(0)  # it was emptied and begins anew
        _drain(source, printer, whole=False)


def _close(source: Source, printer: Printer) -> None:
    """The file was replaced or deleted: what is left in the old one first."""
    if source.file is not None:
        _drain(source, printer, whole=True)
        source.file.close()
        source.file = None


def _drain(source: Source, printer: Printer, *, whole: bool) -> None:
    assert source.file is not None
    while data := source.file.read(BLOCK):
        printer.write(source, data, whole=False)
    if whole and source.rest:
        printer.write(source, b"", whole=True)


def _open(source: Source) -> None:
    try:
        source.file = open(source.path, "rb")  # noqa: SIM115 - it stays open while it is followed
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise HostUnfit(f"{source.path} may not be read", hint="logs are root's: run it with sudo") from error
    except OSError as error:
        raise HostError(f"{source.path} cannot be read: {error.strerror}") from error
    source.inode = os.fstat(source.file.fileno()).st_ino
