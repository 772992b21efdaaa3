"""What every action needs to know about the run it belongs to."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event as Flag
from threading import Lock
from typing import Any

from vmmcompose.errors import HostError, Interrupted
from vmmcompose.host import records
from vmmcompose.model.observed import HostFacts, Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings


class Patience:
    """How long a run may wait for guests in all. The clock starts with the first that is waited for."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self._end: float | None = None
        self._lock = Lock()

    def left(self) -> float:
        """Seconds that are left; infinite without a limit."""
        if self.seconds is None:
            return math.inf
        with self._lock:
            now = time.monotonic()
            if self._end is None:
                self._end = now + self.seconds
            return max(0.0, self._end - now)

    def over(self) -> str:
        """What to say when nothing is left."""
        return f"the {self.seconds:g} s for all waiting of this run are over (--wait-timeout)"


@dataclass(frozen=True, slots=True)
class Context:
    """One run: settings, the host as observed, and how to tell progress."""

    settings: Settings
    paths: Paths
    host: HostFacts
    kernels: dict[str, Kernel]
    patience: Patience = field(default_factory=Patience)
    cancelled: Flag = field(default_factory=Flag)

    def record(self, name: str) -> Record:
        """A VM's record as it is now.

        Raises:
            HostError: it is gone or cannot be read.
        """
        record = records.read_record(self.paths, name)
        if not isinstance(record, Record):
            raise HostError(f"the record of VM {name} is gone", hint="run the command again")
        return record

    def check(self) -> None:
        """Ends what takes long where the user pressed Ctrl-C meanwhile.

        Raises:
            Interrupted: so it is.
        """
        if self.cancelled.is_set():
            raise Interrupted("interrupted")

    def update(self, name: str, **changes: Any) -> Record:  # noqa: ANN401 - fields of Record
        """Writes a record with some fields changed."""
        record = replace(self.record(name), **changes)
        records.write_record(self.paths, record)
        return record


Progress = Callable[[str], None]
"""Tells what an action is doing, in a few words."""


def now() -> str:
    """The time for a record: UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
