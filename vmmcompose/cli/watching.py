"""Running the loop of `vmm watch` with a user in front of it, or a service manager behind it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from vmmcompose.cli.invocation import Invocation, color_on, tell
from vmmcompose.errors import Refused
from vmmcompose.host.access import require_root
from vmmcompose.host.sdnotify import notify
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.problem import Problem
from vmmcompose.model.reading import Reading
from vmmcompose.watch import Answers, Couriers, Course, Eyes, Notice, Watcher, Workshop
from vmmcompose.watch.eyes import Seen

if TYPE_CHECKING:
    from vmmcompose.cli.progress import Sink
    from vmmcompose.cli.watchlogs import Logs
    from vmmcompose.loading import Project

SCHEMA_VERSION = 1
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is watched."""

    once: bool = False
    as_json: bool = False
    logs: bool = False
    down_on_exit: bool = False
    allow_data_loss: bool = False
    patience_s: float = 600.0
    whole: bool = False
    """Bring up at first what was stopped by hand as well."""


def keep(invocation: Invocation, reading: Reading, options: Options, manner: Manner) -> None:
    """Looks once, and then whenever something happens, until the user has enough.

    Raises:
        VmmError: the first look found a manifest with problems or a host that cannot do it; with `once` anything.
        Interrupted: Ctrl-C while something was done.
    """
    require_root("watching a project")
    later = replace(options, wait=False, recreate=False)
    course = Course(invocation.settings(), reading, later, options, whole=manner.whole)
    with ExitStack() as stack:
        eyes = Eyes()
        stack.callback(eyes.close)
        shown = _Shown(invocation, manner)
        watcher = Watcher(course, eyes, shown, shown.told)
        if manner.once:
            watcher.begin(strict=True)
            return
        if manner.down_on_exit:
            stack.callback(_down, invocation, watcher, manner)
        leaving = stack.enter_context(_endings(eyes))
        watcher.begin()
        _stay(invocation, watcher, eyes, leaving, manner)


def _stay(invocation: Invocation, watcher: Watcher, eyes: Eyes, leaving: list[int], manner: Manner) -> None:
    from vmmcompose.cli.watchkeys import keys
    from vmmcompose.cli.watchlogs import Logs
    from vmmcompose.host.provision import run_command
    from vmmcompose.host.sync.carrying import Carrying
    from vmmcompose.host.sync.session import Session

    paths, say = invocation.paths(), partial(_say, invocation, manner)
    logs = Logs(paths, eyes, sys.stdout.buffer, clean=sys.stdout.isatty(), color=color_on())
    couriers, answers = Couriers(paths, say, Session), Answers(paths, say)
    workshop = Workshop(paths, say, watcher.agenda, Carrying, run_command)
    table = _key_table(watcher, logs, leaving)
    with logs, couriers, answers, workshop, keys(eyes, table, wanted=not manner.as_json) as pressed:
        eyes.add(couriers.fileno(), couriers.hand_over)
        eyes.add(answers.fileno(), answers.hand_over)
        if manner.logs:
            logs.switch(watcher.records.values())
        eyes.add(workshop.fileno(), workshop.hand_over)
        _arrange(watcher, couriers, answers, workshop)
        watcher.on_seen = lambda seen: _changed(seen, couriers, workshop)
        _hello(invocation, watcher, manner, keyed=pressed)
        while not leaving:
            before = watcher.looks
            watcher.turn()
            workshop.work(watcher.make)
            if watcher.looks != before:
                _arrange(watcher, couriers, answers, workshop)
                logs.follow(watcher.records.values())
                notify(os.environ, STATUS=_status(watcher))
    notify(os.environ, STOPPING="1")


def _arrange(watcher: Watcher, couriers: Couriers, answers: Answers, workshop: Workshop) -> None:
    assert watcher.project is not None
    couriers.arrange(watcher.records, watcher.running)
    answers.arrange(watcher.records, watcher.running)
    workshop.arrange(watcher.project.desired, watcher.records, watcher.running)


def _changed(seen: Seen, couriers: Couriers, workshop: Workshop) -> None:
    overflow, unwatched = "overflow" in seen.triggers, "timer" in seen.triggers
    couriers.changed(seen.trees, overflow=overflow)
    workshop.changed(seen.trees, overflow=overflow, unwatched=unwatched)


def _key_table(watcher: Watcher, logs: "Logs", leaving: list[int]) -> dict[str, Callable[[], None]]:
    return {
        "r": lambda: _ask(watcher),
        "l": lambda: logs.switch(watcher.records.values()),
        "q": lambda: leaving.append(0),
    }


def _ask(watcher: Watcher) -> None:
    tell("looking again")
    watcher.agenda.note("asked", time.monotonic())


def _hello(invocation: Invocation, watcher: Watcher, manner: Manner, *, keyed: bool) -> None:
    assert watcher.project is not None
    name = watcher.project.desired.project
    end = "its VMs are deleted" if manner.down_on_exit else "its VMs run on"
    how = "r looks again, l shows the consoles, q ends" if keyed else "Ctrl-C ends"
    _say(invocation, manner, Notice("watching", f"watching project {name}: {how}, and {end}"))
    notify(os.environ, READY="1", STATUS=_status(watcher))


def _status(watcher: Watcher) -> str:
    count = len(watcher.records)
    vms = f"{count} VM{'' if count == 1 else 's'}"
    return f"{vms}, as the manifest says" if watcher.converged else f"{vms}; the last look failed"


def _down(invocation: Invocation, watcher: Watcher, manner: Manner) -> None:
    from vmmcompose.cli.converging import Consent, Terms, converge_shown
    from vmmcompose.cli.project import with_everybody, with_power

    if watcher.project is None:
        return
    desired = with_power(with_everybody(watcher.project.desired), (), "absent")
    terms = Terms(patience_s=manner.patience_s)
    converge_shown(invocation, desired, Options(remove_orphans=True), Consent(allowed=True), terms)


@contextmanager
def _endings(eyes: Eyes) -> Iterator[list[int]]:
    """A list that a signal to end gets into, and that wakes whoever waits."""
    got: list[int] = []
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda signum, _frame: got.append(signum))
    eyes.add(reader, lambda: _drain(reader))
    try:
        yield got
    finally:
        eyes.remove(reader)
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _drain(reader: int) -> None:
    os.read(reader, 4096)


class _Shown:
    """The spine with its progress shown, and what the loop tells."""

    def __init__(self, invocation: Invocation, manner: Manner) -> None:
        self._invocation, self._manner = invocation, manner
        self._noted: set[Problem] = set()

    def __call__(
        self,
        project: "Project",
        options: Options,
        expect: Callable[[Plan, Observed], None],
        meanwhile: Callable[[int], None],
        *,
        quiet: bool,
    ) -> None:
        """One run: planned here, as mostly there is nothing to do, and done in a process of its own."""
        from vmmcompose.reconcile import plan_project
        from vmmcompose.watch.apart import apart

        self._invocation.manifest = project
        plan, observed = plan_project(project.settings, project.desired, options)
        expect(plan, observed)
        self._note(plan)
        if plan.steps or any(problem.severity == "error" for problem in plan.problems):
            apart(lambda: self._converge(project, options, expect, quiet=quiet), meanwhile)

    def _converge(
        self,
        project: "Project",
        options: Options,
        expect: Callable[[Plan, Observed], None],
        *,
        quiet: bool,
    ) -> None:
        from vmmcompose.cli.converging import located
        from vmmcompose.reconcile import Asker, converge
        from vmmcompose.render.events import done_line

        begin = time.monotonic()
        sink = self._sink(quiet=quiet)
        invocation, patience_s = self._invocation, self._manner.patience_s
        with sink, located(invocation):
            asker = Asker(
                self._approve, sink.tell, sink.planned, invocation.say, expect, patience_s=patience_s
            )
            plan = converge(project.settings, project.desired, options, asker).plan
        if plan.changes and not quiet:
            seconds = time.monotonic() - begin
            sink.ended(plan, done_line(plan, seconds), seconds)
        sys.stdout.flush()

    def _note(self, plan: Plan) -> None:
        """What a plan noticed, each thing once."""
        from vmmcompose.cli.converging import show_notes

        news = [p for p in plan.problems if p.severity != "error" and p not in self._noted]
        self._noted.update(news)
        show_notes(self._invocation, replace(plan, problems=tuple(news)), ())

    def told(self, notice: Notice) -> None:
        """What the loop tells."""
        _say(self._invocation, self._manner, notice)

    def _sink(self, *, quiet: bool) -> "Sink":
        from vmmcompose.cli.progress import JsonSink, SilentSink, make_sink

        if self._manner.as_json:
            return JsonSink(sys.stdout)
        return SilentSink() if quiet else make_sink(self._invocation)

    def _approve(self, plan: Plan) -> bool:
        losses = [f"{change.address}: {change.data_loss}" for change in plan.changes if change.data_loss]
        if not self._manner.allow_data_loss:
            hint = "`vmm up` asks and does it; --allow-data-loss lets vmm watch do it"
            raise Refused(f"data would be lost: {'; '.join(losses)}", hint=hint)
        return True


def _say(invocation: Invocation, manner: Manner, notice: Notice) -> None:
    if manner.as_json or invocation.log_format == "json":
        _say_json(notice, to_stdout=manner.as_json)
        return
    if notice.event == "look" or (invocation.quiet and not notice.bad):
        return
    if notice.problems:
        from vmmcompose.render.problems import render_problems

        tell(render_problems(notice.problems, color=color_on(sys.stderr)).rstrip("\n"))
    tell(notice.words)
    for line in notice.lines:
        tell(f"  {line}")
    for line in notice.hint.splitlines():
        tell(f"hint: {line}")


def _say_json(notice: Notice, *, to_stdout: bool) -> None:
    from dataclasses import asdict

    from vmmcompose.cli.jsonlog import log_json

    value = {
        "schema_version": SCHEMA_VERSION,
        "level": "error" if notice.bad else "info",
        "event": notice.event,
        "vm": notice.vm,
        "detail": notice.words,
        "lines": notice.lines,
        "hint": notice.hint,
        "problems": [asdict(problem) for problem in notice.problems],
    }
    log_json(value, sys.stdout if to_stdout else None)
    sys.stdout.flush()
