"""Single keys on a terminal, without Enter."""

import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from vmmcompose.watch import Eyes


@contextmanager
def keys(eyes: Eyes, table: Mapping[str, Callable[[], None]], *, wanted: bool = True) -> Iterator[bool]:
    """Calls what a key stands for when it is pressed; whether there is a terminal to press it on."""
    if not (wanted and _in_front()):
        yield False
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def ready() -> None:
        try:
            data = os.read(descriptor, 64)
        except OSError:
            data = b""
        if not data:  # the terminal is gone
            eyes.remove(descriptor)
        for key in data.decode(errors="replace"):
            table.get(key.lower(), lambda: None)()

    tty.setcbreak(descriptor, termios.TCSADRAIN)  # Ctrl-C stays what it is
    eyes.add(descriptor, ready)
    try:
        yield True
    finally:
        eyes.remove(descriptor)
        with suppress(termios.error):  # one that was closed needs nothing any more
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _in_front() -> bool:
    """Whether the terminal is this process's to change: one in the background would be stopped for trying."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False
