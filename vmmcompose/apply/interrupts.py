"""Ctrl-C and its kin as a flag, for work that must not be left in the middle."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_set(cancelled: Event) -> Iterator[None]:
    """Ctrl-C and its kin set `cancelled` meanwhile; an exception could come at a moment that suits nobody."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _INTERRUPTS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda _signum, _frame: cancelled.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
