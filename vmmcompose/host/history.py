"""The door to what was done on this host: `logs/history.jsonl`, run by run, and `logs/events.jsonl`, step by step."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from vmmcompose.errors import Interrupted, Refused, VmmError
from vmmcompose.host import journal
from vmmcompose.host.identity import command_line, invoking_user
from vmmcompose.host.process import alive, boot_id, identify
from vmmcompose.model.history import (
    Begun,
    Ended,
    Failure,
    Result,
    Run,
    begun_to_json,
    counted,
    ended_to_json,
    event_to_json,
    run_event,
    runs_of,
)
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Event, Plan
from vmmcompose.model.record import Process

HISTORY_LIMIT = 4 * 1024 * 1024
EVENTS_LIMIT = 16 * 1024 * 1024
"""Bytes after which a file is put aside; the one put aside before goes."""
_LONGEST_COMMAND = 500


class Recording:
    """One run as it goes; nothing is written of a run that finds nothing to do."""

    def __init__(self, paths: Paths, project: str, plan_id: str) -> None:
        self.plan: Plan | None = None
        """What is to be done, as far as it is known; the run sets it."""
        self._paths, self._project, self._plan_id = paths, project, plan_id
        self._id = os.urandom(6).hex()
        self._begin = time.monotonic()
        self._begun = False
        self._done = 0
        self._skipped = 0
        self._failed: list[Failure] = []

    def begin(self) -> None:
        """Writes the intent, before anything is touched."""
        self._begun = True
        pid = os.getpid()
        changes = self.plan.changes if self.plan is not None else ()
        begun = Begun(
            self._id,
            timestamp(),
            invoking_user(os.environ).name,
            command_line()[:_LONGEST_COMMAND],
            identify(pid) or Process(pid, 0, boot_id()),
            self._project,
            self._plan_id,
            changes,
        )
        journal.append(self._paths.history(), begun_to_json(begun), limit=HISTORY_LIMIT, sync=True)
        words = counted(changes)
        self._tell(run_event(self._id, self._project, begun.time, "begun", words))

    def telling(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """`emit`, with every event but mere progress kept as well."""

        def tell(event: Event) -> None:
            if event.state != "progress":
                self._count(event)
                self._tell(event_to_json(event, self._id, self._project, timestamp()))
            emit(event)

        return tell

    def end(self, error: BaseException | None) -> None:
        """Writes what came of it. A refusal that came before the beginning is told with one."""
        if not self._begun and error is None:
            return
        if not self._begun:
            self.begin()
        seconds = time.monotonic() - self._begin
        message = error.message if isinstance(error, VmmError) else str(error or "")
        result = _result(error)
        ended = Ended(
            timestamp(), result, message, self._done, tuple(self._failed), self._skipped, round(seconds, 3)
        )
        journal.append(self._paths.history(), ended_to_json(self._id, ended), limit=HISTORY_LIMIT, sync=True)
        self._tell(run_event(self._id, self._project, ended.time, result, message, seconds))

    def _count(self, event: Event) -> None:
        self._done += event.state == "done"
        self._skipped += event.state == "skipped"
        if event.state == "failed":
            self._failed.append(Failure(event.step.address, type(event.step.action).__name__, event.detail))

    def _tell(self, line: dict[str, object]) -> None:
        journal.append(self._paths.events(), line, limit=EVENTS_LIMIT)


@contextmanager
def recorded(paths: Paths, project: str, plan_id: str) -> Iterator[Recording]:
    """A run that is kept in the history, however it ends."""
    recording = Recording(paths, project, plan_id)
    try:
        yield recording
    except BaseException as error:
        recording.end(error)
        raise
    recording.end(None)


def read_runs(paths: Paths) -> list[Run]:
    """All runs that are still known, in the order they began.

    Raises:
        HostUnfit: this user may not read them.
        HostError: they cannot be read.
    """
    return runs_of(journal.read(paths.history()))


def state_of(run: Run) -> str:
    """What became of a run: its result; without one `running` while its process lives, else `interrupted`."""
    if run.ended is not None:
        return run.ended.result
    return "running" if alive(run.begun.process) else "interrupted"


def _result(error: BaseException | None) -> Result:
    if error is None:
        return "done"
    if isinstance(error, Interrupted | KeyboardInterrupt | SystemExit):
        return "interrupted"
    return "refused" if isinstance(error, Refused) else "failed"


def timestamp() -> str:
    """This moment: UTC in ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
