"""Walks a plan's graph in parallel and tells what happens, step by step.

A step begins as soon as all that come before it have ended: there are no levels. When one of those in `after`
was not done it is skipped instead, and told so at once; everything else goes on.
"""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Lock, Semaphore

from vmmcompose.apply.actions import run_action
from vmmcompose.apply.context import Context
from vmmcompose.apply.interrupts import signals_set
from vmmcompose.errors import Interrupted, VmmError
from vmmcompose.model.actions import (
    BuildMount,
    CreateDisk,
    CreateVolume,
    GrowDisk,
    GrowVolume,
    StageDisks,
    SwapMount,
    WriteGuestFiles,
)
from vmmcompose.model.plan import Event, Outcome, Plan, Step

THREADS = 64
"""Steps at once; most of them wait for guests."""
DISK_STEPS = 4
"""Disk steps at once: more only make each other slower."""
_HEAVY = (
    CreateDisk,
    GrowDisk,
    WriteGuestFiles,
    BuildMount,
    SwapMount,
    StageDisks,
    CreateVolume,
    GrowVolume,
)

Emit = Callable[[Event], None]


@dataclass(slots=True)
class _Run:
    """The state of one walk."""

    context: Context
    emit: Emit
    waiting: dict[int, Step] = field(default_factory=dict)
    """Steps that have not begun, those skipped among them until all before them have ended."""
    missing: dict[int, int] = field(default_factory=dict)
    """How many of the steps that come before a waiting one have not ended."""
    followers: dict[int, list[int]] = field(default_factory=dict)
    """Which steps come after a step."""
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
        if step.is_intent:
            run_action(context, step.action, lambda _words: None)


def execute(plan: Plan, context: Context, emit: Emit) -> Outcome:
    """Does all steps of a plan but the intents, which are written already.

    Raises:
        Interrupted: Ctrl-C; running steps were let finish, the others never began.
    """
    run = _Run(context, emit)
    ready = _prepare(run, plan)
    futures: dict[Future[Event | None], Step] = {}
    with signals_set(context.cancelled), ThreadPoolExecutor(THREADS, thread_name_prefix="step") as pool:
        while ready or futures:
            for step in ready:
                futures[pool.submit(_do, run, step)] = step
            finished, _ = wait(futures, return_when=FIRST_COMPLETED)
            ready = [
                step for future in finished for step in _settle(run, futures.pop(future), future.result())
            ]
            if context.cancelled.is_set():
                ready = []
                for future in [future for future in futures if future.cancel()]:
                    del futures[future]
    if context.cancelled.is_set():
        hint = "run `vmm up` to go on, or `vmm down` to clean up" if plan.project else "run the command again"
        raise Interrupted("interrupted", hint=hint)
    return Outcome(tuple(sorted(run.done)), tuple(run.failed.values()), tuple(run.skipped.values()))


def _prepare(run: _Run, plan: Plan) -> list[Step]:
    """Counts what each step waits for; gives those that can begin at once."""
    run.done = {step.id for step in plan.steps if step.is_intent}
    ready = []
    for step in plan.steps:
        if step.id in run.done:
            continue
        before = step.before - run.done
        for number in before:
            run.followers.setdefault(number, []).append(step.id)
        run.missing[step.id] = len(before)
        if before:
            run.waiting[step.id] = step
        else:
            ready.append(step)
    return ready


def _settle(run: _Run, step: Step, failure: Event | None) -> list[Step]:
    """Notes how a step ended; gives those that can begin now and skips those that cannot any more."""
    if failure is None:
        run.done.add(step.id)
    else:
        run.failed[step.id] = failure
        _skip_followers(run, step)
    ready: list[Step] = []
    ended = [step.id]
    while ended:
        for number in run.followers.get(ended.pop(), ()):
            run.missing[number] -= 1
            if run.missing[number] == 0:
                follower = run.waiting.pop(number)
                # A skipped step ends when its turn would have come, so that order holds across it as well.
                if number in run.skipped:
                    ended.append(number)
                else:
                    ready.append(follower)
    return ready


def _skip_followers(run: _Run, failed: Step) -> None:
    """Skips all that need a failed step, directly or not."""
    lost = [failed.id]
    while lost:
        number = lost.pop()
        for follower in [run.waiting[i] for i in run.followers.get(number, ()) if i in run.waiting]:
            if number in follower.after and follower.id not in run.skipped:
                run.skipped[follower.id] = Event(follower, "skipped", cause=failed)
                run.tell(run.skipped[follower.id])
                lost.append(follower.id)


def _do(run: _Run, step: Step) -> Event | None:
    """Runs one step; its failure as an event, None when it was done."""
    heavy = isinstance(step.action, _HEAVY)
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
