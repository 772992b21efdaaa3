"""Commands of rules, run in a guest: what they print, and how they end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vmmcompose.errors import Interrupted, VmmError
from vmmcompose.host.console import clean
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec
from vmmcompose.watch.notice import Notice, Tell

_SHOWN = 60
"""Characters of a command in a message."""


class RunCommand(Protocol):
    """What runs a rule's command: `host.provision.run_command`, or a test's."""

    def __call__(
        self,
        paths: Paths,
        spec: VmSpec,
        process: Process,
        command: tuple[str, ...],
        /,
        *,
        on_line: Callable[[bytes], None],
        check: Callable[[], None],
    ) -> int:
        """Gives the exit code; `check` is called again and again, and ends it by what it raises."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs them, and tells of it."""

    paths: Paths
    run: RunCommand
    say: Tell
    check: Callable[[], None]

    def __call__(self, spec: VmSpec, process: Process, command: tuple[str, ...]) -> None:
        """Runs one to its end, or until `check` raises `Interrupted`. A failure is told, and not raised."""
        vm, words = spec.vm, _shown(command)
        begin = time.monotonic()
        self.say(Notice("run", f"{vm}: running {words}", vm))

        def on_line(line: bytes) -> None:
            for text in clean(line.decode(errors="replace")):
                self.say(Notice("output", f"{vm}: {text}", vm))

        try:
            code = self.run(self.paths, spec, process, command, on_line=on_line, check=self.check)
        except Interrupted:
            return
        except VmmError as error:
            self._failed(vm, f"{vm}: {words} was cut off: {error.message}", error.hint)
            return
        if code:
            self._failed(vm, f"{vm}: {words} failed with exit code {code}", "")
        else:
            took = time.monotonic() - begin
            self.say(Notice("run-done", f"{vm}: {words} done in {took:.1f} s", vm))

    def _failed(self, vm: str, words: str, hint: str) -> None:
        again = "it runs again after the next change"
        self.say(Notice("run-failed", words, vm, hint="\n".join(filter(None, (hint, again))), bad=True))


def _shown(command: tuple[str, ...]) -> str:
    text = command[2] if command[:2] == ("sh", "-c") and len(command) == 3 else " ".join(command)
    line = " ".join(text.split())
    return f"`{line if len(line) <= _SHOWN else line[: _SHOWN - 1] + '…'}`"
