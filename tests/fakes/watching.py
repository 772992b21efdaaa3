"""`vmm watch` in a lab, with what it tells gathered while it runs."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import Lab, eventually


class Watching:
    """A running `vmm watch --json`."""

    def __init__(self, lab: Lab, process: "subprocess.Popen[str]") -> None:
        self.lab, self.process = lab, process
        self.events: list[dict[str, Any]] = []
        self.other: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.append({**json.loads(line), "at": time.monotonic()})
            else:
                self.other.append(line)

    def named(self, event: str, since: int = 0) -> list[dict[str, Any]]:
        """What was told under one name, from the `since`th event on."""
        return [one for one in self.events[since:] if one["event"] == event]

    def mark(self) -> int:
        """How many events there are, to look only at later ones."""
        return len(self.events)

    def until(self, event: str, since: int = 0, timeout_s: float = 20) -> dict[str, Any]:
        """Waits for an event."""
        eventually(lambda: bool(self.named(event, since)), f"{event} in {self.events[since:]}", timeout_s)
        return self.named(event, since)[0]

    def calm(self, for_s: float = 1.0) -> None:
        """Waits until it has told nothing for a while."""
        while True:
            mark = self.mark()
            time.sleep(for_s)
            if self.mark() == mark:
                return

    def end(self, signum: int = signal.SIGINT) -> int:
        """Ends it as a user or a service manager would; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        code = self.process.wait(30)
        self._reader.join(10)
        return code

    def count(self, what: str) -> int:
        """Open descriptors (`fd`) or threads (`task`) of the process."""
        import os

        return len(os.listdir(f"/proc/{self.process.pid}/{what}"))

    def status(self, field: str) -> int:
        """A number of /proc/PID/status, such as VmRSS in KiB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(f"{field}:"))

    def cpu_s(self) -> float:
        """Seconds of CPU that it and its children have taken."""
        import os

        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def watching(lab: Lab, *args: str) -> Iterator[Watching]:
    """`vmm watch --json` that has looked once and has nothing left to do."""
    process = lab.start("watch", "--json", "--no-wait", *args)
    watch = Watching(lab, process)
    try:
        watch.until("watching", timeout_s=60)
        watch.calm()
        yield watch
    finally:
        if process.poll() is None:
            watch.end()
