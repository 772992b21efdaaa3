"""Whether guests answer, while the loop goes on: a thread for each VM that is asked, and the verdict in its record.

A thread only asks. The record is written by the loop: a process forked while a thread holds a lock would hold it too.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event, Thread
from types import TracebackType
from typing import Literal, Self

from vmmcompose.errors import Interrupted, VmmError
from vmmcompose.host import process as processes
from vmmcompose.host import ready, records
from vmmcompose.host.locks import hold
from vmmcompose.model.desired import Healthcheck
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.watch.mailbox import Mailbox
from vmmcompose.watch.notice import Notice, Tell

BOOT_S = 120.0
"""How long a guest without a healthcheck may take to answer on SSH, as in `vmm up`."""
AGAIN_S = 10.0
"""How long one may take that is asked again."""
EVERY_S = 55.0
"""How often one with a healthcheck is asked, and one that did not answer; at the next look after that."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a thread found."""

    spec: VmSpec
    process: Process
    health: Literal["healthy", "unhealthy"]
    words: str
    hint: str = ""


class _Asking(Thread):
    """Asks one VM until it answers, is given up, or nobody wants to know."""

    def __init__(
        self, paths: Paths, record: Record, process: Process, timeout_s: float, found: Mailbox[_Verdict]
    ) -> None:
        super().__init__(daemon=True, name=f"ask {record.spec.vm}")
        self.spec, self.process = record.spec, process
        self._paths, self._timeout_s, self._found = paths, timeout_s, found
        self.cancelled = Event()

    def run(self) -> None:
        """The thread's body."""
        spec = self.spec
        try:
            waited = ready.wait_ready(
                self._paths,
                spec,
                self.process,
                timeout_s=self._timeout_s,
                on_phase=lambda _phase: None,
                cancelled=self.cancelled,
            )
        except Interrupted:
            return
        except VmmError as error:
            verdict = _Verdict(spec, self.process, "unhealthy", error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - no traceback reaches a user
            verdict = _Verdict(spec, self.process, "unhealthy", f"unexpected {type(error).__name__}: {error}")
        else:
            verdict = _Verdict(spec, self.process, "healthy", f"{spec.vm}: {waited.detail}")
        if not self.cancelled.is_set():
            self._found.put(verdict)


class Answers:
    """Asks a project's VMs: each after it was started, and those with a healthcheck again and again."""

    def __init__(self, paths: Paths, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths, self._tell, self._clock = paths, tell, clock
        self._asking: dict[str, _Asking] = {}
        self._asked: dict[str, tuple[Process, Healthcheck | None, float]] = {}
        """When whoever runs now was last asked."""
        self._found: Mailbox[_Verdict] = Mailbox()
        self._left: list[_Verdict] = []
        """Could not be written, as somebody else worked on the project."""

    def fileno(self) -> int:
        """Readable when an answer came."""
        return self._found.fileno()

    def hand_over(self) -> None:
        """Writes down what came, and tells it."""
        for verdict in self._found.take():
            self._left.append(verdict)
        self._write()

    def arrange(self, known: Mapping[str, Record], running: Mapping[str, Process]) -> None:
        """Asks whose turn it is, and no longer those that went or have another healthcheck now."""
        self._write()
        for vm, asking in list(self._asking.items()):
            if running.get(vm) != asking.process or known[vm].spec.healthcheck != asking.spec.healthcheck:
                asking.cancelled.set()
            if asking.cancelled.is_set() or not asking.is_alive():
                del self._asking[vm]
        for vm, process in running.items():
            record = known[vm]
            if vm not in self._asking and record.state == "running" and record.process == process:
                self._perhaps(record, process)

    def __enter__(self) -> Self:
        """Nobody is asked yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Asks nobody any more."""
        for asking in self._asking.values():
            asking.cancelled.set()
        for asking in self._asking.values():
            asking.join(1.0)
        if not any(asking.is_alive() for asking in self._asking.values()):
            self._found.close()

    def _perhaps(self, record: Record, process: Process) -> None:
        check, now = record.spec.healthcheck, self._clock()
        asked = self._asked.get(record.spec.vm)
        if asked is not None and asked[:2] == (process, check) and now - asked[2] < EVERY_S:
            return
        if not record.health:
            self._ask(record, process, BOOT_S if check is None else check.timeout_s)
        elif check is not None or record.health == "unhealthy":
            self._ask(record, process, min(AGAIN_S, BOOT_S if check is None else check.timeout_s))

    def _ask(self, record: Record, process: Process, timeout_s: float) -> None:
        vm = record.spec.vm
        self._asked[vm] = process, record.spec.healthcheck, self._clock()
        self._asking[vm] = _Asking(self._paths, record, process, timeout_s, self._found)
        self._asking[vm].start()

    def _write(self) -> None:
        left, self._left = self._left, []
        for verdict in left:
            spec = verdict.spec
            try:
                with hold(self._paths.work_lock(spec.project, ""), f"project {spec.project}", timeout_s=0.0):
                    self._note(verdict)
            except VmmError:  # somebody works on the project, or the disk is full: at the next look
                self._left.append(verdict)

    def _note(self, verdict: _Verdict) -> None:
        spec = verdict.spec
        record = records.read_record(self._paths, spec.name)
        if (
            not isinstance(record, Record)
            or record.state != "running"
            or record.process != verdict.process
            or record.spec.healthcheck != spec.healthcheck
            or record.health == verdict.health
            or not processes.alive(verdict.process)
        ):
            return
        records.write_record(self._paths, replace(record, health=verdict.health))
        bad = verdict.health == "unhealthy"
        self._tell(Notice(verdict.health, verdict.words, spec.vm, hint=verdict.hint, bad=bad))
