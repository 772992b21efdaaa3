"""Watching a VM that comes up: its process, its console, the clock and the user, all at once."""

import os
import select
import threading
import time
from collections.abc import Callable, Iterable

from vmmcompose.errors import DriverError, Interrupted, VmmError
from vmmcompose.host import console
from vmmcompose.host import process as processes
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

LOOK_S = 0.05
"""How often the console, the clock and the user are looked at; the process and sockets wake at once."""
SILENT_START_S = 30.0
"""A kernel prints within a second or two, even emulated. Some boots hang before their first line."""
SILENT_LATER_S = 60.0
_TAIL_LINES = 15


class Watch:
    """One wait for one VM. `pause` is the only place where time passes; it raises when waiting is pointless.

    The phases `booting` and `kernel up` are told from the console, the later ones by who waits.
    """

    def __init__(
        self,
        paths: Paths,
        spec: VmSpec,
        process: Process,
        *,
        timeout_s: float,
        over: str = "",
        on_phase: Callable[[str], None],
        cancelled: threading.Event,
    ) -> None:
        self.spec = spec
        self.last = ""
        """The guest's last answer, for the message if it stays the last."""
        self._paths = paths
        self._timeout_s = timeout_s
        self._over = over or f"not ready after {timeout_s:g} s"
        self._on_phase = on_phase
        self._cancelled = cancelled
        self._phase = ""
        self._answered = False
        self._begin = time.monotonic()
        self._printed_at = self._begin
        self._printed = -1
        self.enter("booting")
        pidfd = processes.open_pidfd(process)
        if pidfd is None:
            raise self._ended()
        self._pidfd = pidfd

    def close(self) -> None:
        """Give the process's descriptor back."""
        os.close(self._pidfd)

    @property
    def seconds(self) -> float:
        """How long the wait has lasted."""
        return time.monotonic() - self._begin

    def enter(self, phase: str) -> None:
        """Tell a new phase; each is told once."""
        if phase != self._phase:
            self._phase = phase
            self._on_phase(phase)

    def answered(self, phase: str, what: str) -> None:
        """The guest's network speaks: its kernel lives, however little it prints."""
        self._answered = True
        self.last = what
        self.enter(phase)

    def pause(self, step_s: float, sockets: Iterable[tuple[int, int]] = ()) -> set[int]:
        """Wait until one of the (descriptor, poll events) is ready, at most `step_s` seconds.

        Returns:
            The descriptors that are ready.

        Raises:
            DriverError: the VMM has ended, the guest has fallen silent, or the time is over.
            Interrupted: the wait was cancelled.
        """
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        for descriptor, events in sockets:
            poll.register(descriptor, events)
        until = time.monotonic() + step_s
        while True:
            left = max(0.0, until - time.monotonic())
            ready = {descriptor for descriptor, _ in poll.poll(min(left, LOOK_S) * 1000)}
            if self._pidfd in ready:
                raise self._ended()
            if ready:
                return ready
            self._look()
            if time.monotonic() >= until:
                return ready

    def _look(self) -> None:
        if self._cancelled.is_set():
            raise Interrupted(f"VM {self.spec.vm}: no longer waited for")
        now = time.monotonic()
        printed = console.size(self._paths.console(self.spec.name))
        if printed != self._printed:
            self._printed, self._printed_at = printed, now
        if printed and self._phase == "booting":
            self.enter("kernel up")
        if now - self._begin >= self._timeout_s:
            raise self.failure(self._over)
        if not self._answered:
            self._check_silence(now)

    def _check_silence(self, now: float) -> None:
        if self._printed <= 0:
            if now - self._begin >= SILENT_START_S:
                raise self.failure(f"the guest printed nothing in its first {SILENT_START_S:g} s")
            return
        patience = max(SILENT_LATER_S, self._timeout_s / 2)
        if now - self._printed_at >= patience:
            raise self.failure(f"the guest hangs: it printed nothing for {patience:g} s")

    def _ended(self) -> VmmError:
        failure = self.failure("the VM ended: its guest halted or rebooted, or its process was killed")
        said = console.tail(self._paths.driver_log(self.spec.name), 5)
        if said:
            failure.hint = "\n".join([failure.hint, f"last lines of {self.spec.driver}:", *_indent(said)])
        return failure

    def failure(self, what: str) -> DriverError:
        """An error that names the VM and the phase, with the console's last lines as its hint."""
        phase = f"{self._phase}: {self.last}" if self.last else self._phase
        lines = console.tail(self._paths.console(self.spec.name), _TAIL_LINES)
        head = "last lines of its console:" if lines else "its console is empty"
        hint = [head, *_indent(lines), f"the whole log: `vmm logs {self.spec.vm}`"]
        return DriverError(f"VM {self.spec.vm}: {what} (phase: {phase})", hint="\n".join(hint))


def _indent(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
