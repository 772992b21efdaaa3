"""The consoles of all VMs of a project while it is watched: printed as they grow, and not looked at before."""

import os
from collections.abc import Iterable
from types import TracebackType
from typing import BinaryIO, Self

from vmmcompose.cli.follow import Printer, Source, look
from vmmcompose.host.inotify import MASK, MODIFY, Inotify
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.watch import Eyes


class Logs:
    """Off until switched on. Then what comes is printed; what was there before is not."""

    def __init__(self, paths: Paths, eyes: Eyes, out: BinaryIO, *, clean: bool, color: bool) -> None:
        self._paths, self._eyes = paths, eyes
        self._printer = Printer(out, clean, color)
        self._inotify: Inotify | None = None
        self._sources: dict[str, Source] = {}

    def __enter__(self) -> Self:
        """Nothing is open yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes what is open."""
        self._off()

    def switch(self, records: Iterable[Record]) -> None:
        """On, or off again."""
        if self._inotify is not None:
            self._off()
            return
        self._inotify = Inotify()
        self._eyes.add(self._inotify.fileno(), self._ready)
        self.follow(records)

    def follow(self, records: Iterable[Record]) -> None:
        """These VMs from now on; nothing while it is off."""
        if self._inotify is None:
            return
        names = {record.spec.vm: record.spec.name for record in records}
        for vm in self._sources.keys() - names.keys():
            _close(self._sources.pop(vm))
        for vm, name in names.items():
            self._inotify.add(str(self._paths.logs(name)), MASK | MODIFY)
            if vm not in self._sources:
                self._sources[vm] = _at_end(Source(vm, str(self._paths.console(name))))
        self._printer.prefixes.clear()
        self._printer.name_all(sorted(names), always=True)
        self._print()

    def _ready(self) -> None:
        assert self._inotify is not None
        for _ in self._inotify.read():
            pass
        self._print()

    def _print(self) -> None:
        for source in self._sources.values():
            look(source, self._printer)

    def _off(self) -> None:
        if self._inotify is not None:
            self._eyes.remove(self._inotify.fileno())
            self._inotify.close()
            self._inotify = None
        for source in self._sources.values():
            _close(source)
        self._sources.clear()


def _at_end(source: Source) -> Source:
    """A source of which what is there already counts as read."""
    try:
        source.file = open(source.path, "rb")  # noqa: SIM115 - it stays open while it is followed
    except OSError:
        return source
    source.file.seek(0, os.SEEK_END)
    source.inode = os.fstat(source.file.fileno()).st_ino
    return source


def _close(source: Source) -> None:
    if source.file is not None:
        source.file.close()
        source.file = None
