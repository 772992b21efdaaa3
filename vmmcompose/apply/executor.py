"""Walks a plan's graph in parallel and tells what happens, step by step.

A failed step skips what waits for it; everything else goes on. Steps start as soon as what they wait for is
done: there are no levels.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock, Semaphore

from vmmcompose.apply.actions import run_action
from vmmcompose.apply.context import Context
from vmmcompose.errors import Interrupted, VmmError
from vmmcompose.model.plan import (
    BuildMount,
    CreateDisk,
    Event,
    GrowDisk,
    Outcome,
    Plan,
    Step,
    SyncNetwork,
    WriteGuestFiles,
    WriteRecord,
)

THREADS = 64
"""Steps at once; most of them wait for guests."""
DISK_STEPS = 4
"""Disk steps at once: more only make each other slower."""

Emit = Callable[[Event], None]


@dataclass(slots=True)
class _Run:
    """The state of one walk."""

    context: Context
    emit: Emit
    done: set[int] = field(default_factory=set)
    failed: dict[int, Event] = field(default_factory=dict)
    skipped: dict[int, Event] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    disks: Semaphore = field(default_factory=lambda: Semaphore(DISK_STEPS))

    def tell(self, event: Event) -> None:
        with self.lock:
            self.emit(event)


def write_intents(plan: Plan, context: Context) -> None:
    """Writes all records a plan begins with. The caller holds the host lock.

    Raises:
        HostError: one could not be written; nothing else has been touched.
    """
    for step in plan.steps:
        if isinstance(step.action, WriteRecord):
            run_action(context, step.action, lambda _words: None)


def execute(plan: Plan, context: Context, emit: Emit) -> Outcome:
    """Does all steps of a plan but the intents, which are written already.

    Raises:
        Interrupted: Ctrl-C; running steps were let finish, the others never began.
    """
    run = _Run(context, emit)
    run.done = {step.id for step in plan.steps if isinstance(step.action, WriteRecord)}
    waiting = {step.id: step for step in plan.steps if step.id not in run.done}
    interrupted = False
    with ThreadPoolExecutor(THREADS, thread_name_prefix="step") as pool:
        futures: dict[Future[Event | None], Step] = {}
        while waiting or futures:
            for step in [] if interrupted else _ready(run, waiting):
                futures[pool.submit(_do, run, step)] = step
            if not futures:
                break
            try:
                finished, _ = wait(futures, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                interrupted = True
                context.cancelled.set()
                continue
            for future in finished:
                _settle(run, futures.pop(future), future.result())
    if interrupted:
        raise Interrupted("interrupted", hint="run `vmm up` to go on, or `vmm down` to clean up")
    return Outcome(tuple(sorted(run.done)), tuple(run.failed.values()), tuple(run.skipped.values()))


def _ready(run: _Run, waiting: dict[int, Step]) -> list[Step]:
    """Takes the steps that can begin out of `waiting`; what cannot begin any more is skipped on the way."""
    ready = []
    for step in list(waiting.values()):
        broken = [i for i in sorted(step.after) if i in run.failed or i in run.skipped]
        level_based = isinstance(step.action, SyncNetwork)  # it looks at the records as they are then
        if broken and not level_based:
            del waiting[step.id]
            cause = run.failed.get(broken[0]) or run.skipped[broken[0]]
            run.skipped[step.id] = Event(step, "skipped", _because(cause))
            run.tell(run.skipped[step.id])
        elif all(i in run.done or (level_based and i in broken) for i in step.after):
            del waiting[step.id]
            ready.append(step)
    return ready


def _because(cause: Event) -> str:
    return cause.detail if cause.state == "skipped" else f"{cause.step.address} failed"


def _settle(run: _Run, step: Step, failure: Event | None) -> None:
    if failure is None:
        run.done.add(step.id)
    else:
        run.failed[step.id] = failure


def _do(run: _Run, step: Step) -> Event | None:
    """Runs one step; its failure as an event, None when it was done."""
    heavy = isinstance(step.action, CreateDisk | GrowDisk | WriteGuestFiles | BuildMount)
    if heavy:
        run.disks.acquire()
    begin = time.monotonic()
    try:
        run.tell(Event(step, "started"))
        run_action(run.context, step.action, lambda words: run.tell(Event(step, "progress", words)))
    except VmmError as error:
        failure = Event(step, "failed", error.message, error.hint, time.monotonic() - begin)
    except Exception as error:  # noqa: BLE001 - a bug in one step must not strand the others
        failure = Event(
            step, "failed", f"unexpected {type(error).__name__}: {error}", "", time.monotonic() - begin
        )
    else:
        run.tell(Event(step, "done", seconds=time.monotonic() - begin))
        return None
    finally:
        if heavy:
            run.disks.release()
    run.tell(failure)
    return failure
