"""The loop of `vmm watch`: wait, see what is due, look again. What it knows of the host is read anew at each look."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from vmmcompose.errors import HostUnfit, Interrupted, VmmError
from vmmcompose.host import records as record_files
from vmmcompose.loading import Project, load_project, paths_of
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.reading import Reading
from vmmcompose.model.record import Process, Record
from vmmcompose.model.settings import Settings
from vmmcompose.watch.agenda import Agenda, Trigger
from vmmcompose.watch.eyes import Eyes, Seen
from vmmcompose.watch.images import Renewed
from vmmcompose.watch.keeping import Keeping, MovedError, by_hand, expecting, narrowed, narrowed_to
from vmmcompose.watch.notice import Notice, Told
from vmmcompose.watch.reading import read_apart
from vmmcompose.watch.restarts import Retry
from vmmcompose.watch.sights import fixed, sights_of

READ_AGAIN: frozenset[Trigger] = frozenset({"asked", "manifest", "overflow"})
"""What makes the manifest be read again. Anything else may come while it is half written."""
LOOKS_INTO_MOUNTS: frozenset[Trigger] = READ_AGAIN | {"mount", "retry", "death", "back-off"}
"""What makes mounted directories be walked: what tells of a change in them, and what may start a VM, which may have
waited for its turn when the change was told."""
TIMER_S = 60.0
"""How often what nobody tells of is looked at: kernel switches, and files that no event came for."""
BLIND_TIMER_S = 15.0
"""The same where changes of rules are not told of."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is watched, and how it is kept."""

    settings: Settings
    reading: Reading
    options: Options
    first: Options
    """For the first look."""
    whole: bool = False
    """At the first look bring up as well what was stopped by hand, as `vmm up` does."""


class Run(Protocol):
    """The spine, with somebody who shows how it goes."""

    def __call__(
        self,
        project: Project,
        options: Options,
        expect: Callable[[Plan, Observed], None],
        meanwhile: Callable[[int], None],
        *,
        quiet: bool,
    ) -> None:
        """Makes the host match; `quiet` where the user has heard it before.

        What takes long calls `meanwhile` with a descriptor that is readable when it is done.
        """


class Watcher:
    """One project that is kept as its manifest says."""

    def __init__(
        self,
        course: Course,
        eyes: Eyes,
        run: Run,
        tell: Callable[[Notice], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.agenda = Agenda()
        self.looks = 0
        self.converged = False
        """Whether the last look found or made everything as it should be."""
        self.project: Project | None = None
        """The manifest as it was last read without problems."""
        self.records: Mapping[str, Record] = {}
        """The project's records by short name, as of the last look."""
        self.running: Mapping[str, Process] = {}
        """The processes of those that run."""
        self.on_seen: Callable[[Seen], None] = lambda _seen: None
        """Is given everything that is seen, at once."""
        self._course = replace(course, reading=fixed(course.reading))
        self._eyes, self._run, self._tell, self._clock = eyes, run, tell, clock
        self._paths = paths_of(course.settings)
        self._good: Project | None = None
        """The last one that the host was brought to."""
        self._files: set[str] = set()
        self._keeping = Keeping(self._paths, tell)
        self._renewed = Renewed(self._paths, tell)
        self._contents_due = False
        """Whether mounted directories were to be walked, and what was found has not been brought over yet."""
        self._retry = Retry()
        self._told = Told()

    def begin(self, *, strict: bool = False) -> None:
        """The first look. Only here a manifest with problems is an error; with `strict` whatever goes wrong is.

        Raises:
            UsageError: there is none.
            ManifestInvalid: it has problems.
            HostUnfit: this host cannot do it.
            Interrupted: Ctrl-C.
        """
        self.project = self._read()
        if strict:
            self._bring(self.project, first=True, contents=True)
        else:
            self._look()

    def turn(self) -> None:
        """Waits for one thing to happen, and looks if something is due.

        Raises:
            Interrupted: Ctrl-C while something was done.
        """
        due = self.agenda.next()
        self._note(self._eyes.wait(None if due is None else due - self._clock()))
        triggers = tuple(trigger for trigger in self.agenda.take(self._clock()) if trigger != "rule")
        if "timer" in triggers and self._eyes.unwatched:
            triggers = (*triggers, "overflow")  # nobody tells of those: anything may have changed
            self.on_seen(Seen({"timer", "overflow"}))
        if triggers:
            self._tell(Notice("look", f"looking again: {', '.join(triggers)}"))
            if READ_AGAIN.intersection(triggers):
                self._read_again()
            if "asked" in triggers:
                self._keeping.hurry()
            self._look(triggers)

    def _note(self, seen: Seen) -> None:
        for trigger in seen.triggers:
            self.agenda.note(trigger, self._clock())
        self.on_seen(seen)

    def _read(self) -> Project:
        asked, error = read_apart(self._course.settings, self._course.reading)
        if error is not None:
            self._files |= asked  # it may have got no further than to its first file
            raise error
        self._files = asked
        return load_project(self._course.settings, self._course.reading)

    def _read_again(self) -> None:
        assert self.project is not None
        try:
            project = self._read()
        except Interrupted:
            raise
        except VmmError as error:
            if self._told.news("manifest", repr((error.message, error.problems))):
                self._say("manifest-invalid", error, "the last good state is kept")
            return
        if project.desired.project != self.project.desired.project:
            was, now = self.project.desired.project, project.desired.project
            words = f"the manifest is project {now} now; {was} is kept as it was"
            if self._told.news("manifest", words):
                hint = f"`vmm -p {was} down` removes it; then watch anew"
                self._tell(Notice("manifest-invalid", words, hint=hint, bad=True))
            return
        if self._told.over("manifest"):
            self._tell(Notice("manifest-good", "the manifest is good again"))
        if project.desired != self.project.desired:
            self._retry.good()
            self._keeping.changed(self.project.desired, project.desired)
        self.project = project

    def _look(self, triggers: tuple[Trigger, ...] = ()) -> None:
        """Without triggers the first look. Where nothing new was asked, what failed before is not told again."""
        first = not triggers
        quiet = not first and not self.converged and not READ_AGAIN.intersection(triggers)
        contents = first or self._contents_due or bool(LOOKS_INTO_MOUNTS.intersection(triggers))
        self._contents_due = contents
        assert self.project is not None
        self.looks += 1
        self.agenda.later("retry", None)
        try:
            self._bring(self.project, first=first, quiet=quiet, contents=contents)
        except Interrupted:
            raise
        except MovedError:
            for trigger in triggers or ("mount",):
                self.agenda.note(trigger, self._clock())
        except VmmError as error:
            self._failed(error, first=first, contents=contents)
        else:
            self.converged, self._good = True, self.project
            self._contents_due = False
            self._retry.good()
            self._told.over("good")
            if self._told.over("failed"):
                self._tell(Notice("recovered", "everything is as the manifest says again"))
        self._see()

    def _failed(self, error: VmmError, *, first: bool, contents: bool) -> None:
        """Tells it once, tries again later, and keeps up meanwhile what was good before."""
        if first and isinstance(error, HostUnfit):
            raise error
        self.converged = False
        at = self._retry.failed(self._clock())
        self.agenda.later("retry", at)
        if self._told.news("failed", repr((error.message, error.problems))):
            self._say(
                "failed", error, f"tried again in {at - self._clock():.0f} s, or when something changes"
            )
        good = self._good
        if first or good is None or self.project is None or good.desired == self.project.desired:
            return
        try:
            self._bring(good, first=False, contents=contents)
        except Interrupted:
            raise
        except VmmError as another:
            if self._told.news("good", another.message):
                self._say("failed", another, "this is about the last good state")

    def _bring(self, project: Project, *, first: bool, quiet: bool = False, contents: bool = False) -> None:
        desired, course = project.desired, self._course
        records = self._read_records(desired)
        whole = first and course.whole
        held = frozenset[str]() if whole else self._keeping.held(desired, records, self._clock())
        self.agenda.later("back-off", self._keeping.next)
        options = narrowed(desired, course.first if first else course.options, held)
        if options is None:
            return
        options = replace(options, contents=contents)
        quiet = quiet or self._keeping.all_crashing(desired, records, held)
        self._run(project, options, expecting(desired, records, whole=whole), self._wait_for, quiet=quiet)

    def _wait_for(self, descriptor: int) -> None:
        """While something is done: an edited file goes to the guests all the same."""
        self._note(self._eyes.wait_for(descriptor))

    def _see(self) -> None:
        """Opens the eyes for what is there now."""
        assert self.project is not None
        self.records = self._read_records(self.project.desired)
        now = self._clock()
        self.running = self._keeping.remember(self.project.desired, self.records, now)
        self._renewed.look(self.project.desired, self.records)
        sights = sights_of(
            self.project.desired, self._course.settings, self._paths, self._files, self.running
        )
        for trigger in self._eyes.see(sights):
            self.agenda.note(trigger, now)
        self._say_unwatched()
        self.agenda.later("timer", now + (TIMER_S if self._eyes.sees_rules else BLIND_TIMER_S))

    def _say_unwatched(self) -> None:
        for name, why in self._eyes.unwatched.items():
            if self._told.news(f"unwatched {name}", why.message):
                words = f"{why.message}; what changes in {name} is looked for every {TIMER_S:.0f} s instead"
                self._tell(Notice("unwatched", words, hint=why.hint, bad=True))

    def _read_records(self, desired: Desired) -> dict[str, Record]:
        found, _ = record_files.read_records(self._paths)
        return {record.spec.vm: record for record in found if record.spec.project == desired.project}

    def make(self, asked: Mapping[str, bool]) -> None:
        """Restarts VMs as their rules ask for it; those that are True get a new disk. Once, whatever comes of it.

        Raises:
            Interrupted: Ctrl-C meanwhile.
        """
        assert self.project is not None
        desired = self.project.desired
        records = self._read_records(desired)
        there = records.keys() - by_hand(desired, records)
        for rebuild in (False, True):
            wanted = {vm for vm, anew in asked.items() if anew == rebuild and vm in there}
            options = narrowed_to(desired, self._course.options, wanted)
            if options is None:
                continue
            options = replace(options, restart=not rebuild, rebuild=rebuild)
            expect = expecting(desired, records, whole=False)
            try:
                self._run(self.project, options, expect, self._wait_for, quiet=False)
            except Interrupted:
                raise
            except VmmError as error:
                what = "new disk" if rebuild else "restart"
                self._say(
                    "rule-failed", error, f"no {what} of {', '.join(sorted(wanted))} until the next change"
                )
        self.looks += 1
        self._see()

    def _say(self, event: str, error: VmmError, more: str) -> None:
        words = f"{error.message}; {more}"
        self._tell(Notice(event, words, hint=error.hint, problems=error.problems, bad=True))
