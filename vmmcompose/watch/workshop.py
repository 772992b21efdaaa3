"""Doing what rules of `watch` ask for: carrying, running commands, and asking for restarts and new disks.

What is carried goes at once, by a courier for each rule of a running VM. What else is done waits for the end of the
burst, and then for the couriers, in a thread, as it waits for a guest.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from threading import Event, Thread
from types import TracebackType
from typing import Protocol, Self

from vmmcompose.errors import Interrupted
from vmmcompose.guest.ignoring import load_patterns
from vmmcompose.model.desired import Desired, WatchRule
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.watch.agenda import Agenda
from vmmcompose.watch.bench import Bench
from vmmcompose.watch.commands import Commands, RunCommand
from vmmcompose.watch.courier import Courier, Way
from vmmcompose.watch.mailbox import Mailbox
from vmmcompose.watch.notice import Notice, Tell
from vmmcompose.watch.rules import Deed, Deeds, cargo, patterns

Open = Callable[[Paths, VmSpec, WatchRule, tuple[str, ...]], AbstractContextManager[Way]]
"""Opens the way for what a rule carries, without what the patterns leave out."""


MOST_UNTOLD, _PAUSE_S = 10_000, 0.1
"""Lines that a command may have printed and the user not have been told."""


class Arrived(Protocol):
    """Is told where a comparison carried something, without any change that was told."""

    def __call__(self, *, first: bool) -> None:
        """`first`: it was a connection's first."""


class _RuleCourier(Courier):
    """What one or several rules carry to one VM."""

    def __init__(
        self,
        way: Callable[[], AbstractContextManager[Way]],
        vm: str,
        target: str,
        tell: Tell,
        arrived: Arrived,
    ) -> None:
        super().__init__(way, vm, target, tell)
        self._arrived = arrived

    def _compared(self, report: Report, *, first: bool) -> None:
        if report.sent or report.deleted:
            self._arrived(first=first)


class Workshop:
    """The rules of a project at work. What has come of it is handed over in the thread that waits."""

    def __init__(
        self,
        paths: Paths,
        tell: Tell,
        agenda: Agenda,
        way: Open,
        run: RunCommand,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths, self._tell, self._agenda, self._way = paths, tell, agenda, way
        self._clock = clock
        self._benches: dict[str, Bench] = {}
        self._deeds = Deeds()
        self._came: Mailbox[Callable[[], None]] = Mailbox()
        self._asked: dict[str, bool] = {}
        """VMs to restart, or to make anew where it is True."""
        self._restarting: dict[str, Bench] = {}
        """VMs that are to be restarted once what comes before is done."""
        self._closing = Event()
        self._threads: set[Thread] = set()
        self._commands = Commands(paths, run, self._say, self._check)

    def fileno(self) -> int:
        """Readable when there is something to hand over."""
        return self._came.fileno()

    def hand_over(self) -> None:
        """Tells what couriers and commands had to say, and takes note of what is done."""
        for what in self._came.take():
            what()
        self._plan_ahead()

    def arrange(
        self, desired: Desired, records: Mapping[str, Record], running: Mapping[str, Process]
    ) -> None:
        """The rules as they are now, for the VMs that run now."""
        wanted = {vm.name: vm.watch for vm in desired.vms if vm.watch and vm.name in running}
        if wanted and not self._benches:
            load_patterns()  # here, as a look forks, and threads do not
        for vm in self._benches.keys() - wanted.keys():
            self._benches.pop(vm).clear()
            self._deeds.forget(vm)
        for vm, rules in wanted.items():
            bench = self._benches.get(vm)
            if bench is None or bench.process != running[vm]:
                if bench is not None:
                    bench.clear()
                bench = self._benches[vm] = Bench(records[vm], running[vm])
            self._furnish(vm, bench, rules)

    def changed(
        self, trees: Mapping[str, Iterable[str]], *, overflow: bool = False, unwatched: bool = False
    ) -> None:
        """Paths that may have changed, by what rules name; with `overflow` others as well.

        With `unwatched` that is so again and again, and no sign of any change.
        """
        for vm, bench in self._benches.items():
            for rule in bench.rules:
                if overflow:
                    self._missed(vm, bench, rule, unwatched=unwatched)
                elif rule.path in trees:
                    self._touched(vm, bench, rule, set(trees[rule.path]))
        self._plan_ahead()

    def work(self, make: Callable[[Mapping[str, bool]], None]) -> None:
        """Begins what is due. `make` restarts VMs, and gives those a new disk that are True.

        Raises:
            Whatever `make` does.
        """
        for deed in self._deeds.take(self._clock()):
            bench = self._benches.get(deed.vm)
            if bench is None:
                self._deeds.over(deed.vm)
            elif deed.action == "rebuild":
                self._asked[deed.vm] = True
            else:
                if deed.action == "restart":
                    self._restarting[deed.vm] = bench
                self._start(Thread(target=self._do, args=(deed, bench), daemon=True, name=f"watch {deed.vm}"))
        for vm in self._asked.keys() - self._benches.keys():  # it has ended meanwhile
            del self._asked[vm]
            self._deeds.over(vm)
        # Replicas together, so that they are restarted in turns.
        waited_for = {bench.record.spec.replica_of for bench in self._restarting.values()} - {""}
        asked = {vm: anew for vm, anew in self._asked.items() if anew or self._kind(vm) not in waited_for}
        if asked:
            self._asked = {vm: anew for vm, anew in self._asked.items() if vm not in asked}
            for vm, anew in asked.items():
                what = "makes its disk anew" if anew else "restarts"
                self._tell(
                    Notice("rebuild" if anew else "restart", f"{vm}: {what}, as a rule of `watch` says", vm)
                )
            make(asked)
            for vm in asked:
                self._deeds.over(vm)
        self._plan_ahead()

    def __enter__(self) -> Self:
        """Nothing is watched yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends commands and couriers; waits a moment for what is on its way."""
        self._closing.set()
        threads = [*self._threads, *(c for bench in self._benches.values() for c in bench.couriers.values())]
        for bench in self._benches.values():
            bench.clear()
        until = time.monotonic() + 2.0
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        if not any(thread.is_alive() for thread in threads):
            self._came.close()
        self._benches.clear()

    def _plan_ahead(self) -> None:
        self._agenda.later("rule", self._deeds.next())

    def _furnish(self, vm: str, bench: Bench, rules: tuple[WatchRule, ...]) -> None:
        if rules == bench.rules:
            return
        bench.rules = rules
        wanted = {cargo(rule) for rule in rules if rule.target}
        for carried in bench.couriers.keys() - wanted:
            bench.couriers.pop(carried).stop()
        for carried in wanted - bench.couriers.keys():
            bench.couriers[carried] = self._courier(vm, bench, carried)

    def _courier(self, vm: str, bench: Bench, carried: WatchRule) -> Courier:
        spec, ignore = bench.record.spec, patterns(carried)

        def arrived(*, first: bool) -> None:
            """At first the VM, or the watch, has just begun: commands follow files, but nothing is restarted."""
            self._came.put(lambda: self._note(vm, bench, _for(bench, carried), restart=not first))

        courier = _RuleCourier(
            lambda: self._way(self._paths, spec, carried, ignore), vm, carried.target, self._say, arrived
        )
        courier.start()
        return courier

    def _note(self, vm: str, bench: Bench, rules: Collection[WatchRule], *, restart: bool = False) -> None:
        """Something is to be done for these rules, but carrying; without `restart`, only commands run."""
        for number, rule in enumerate(bench.rules):
            if rule in rules and (rule.action == "run" or (restart and rule.action != "sync")):
                self._deeds.note(vm, number, rule, self._clock())

    def _touched(self, vm: str, bench: Bench, rule: WatchRule, paths: set[str]) -> None:
        here = bench.counting(rule, paths)
        if not here:
            return
        if rule.target:
            carried = cargo(rule)
            if "" in here and os.path.isdir(rule.path):  # another directory of that name
                bench.couriers.pop(carried).stop()
                bench.couriers[carried] = self._courier(vm, bench, carried)
            bench.couriers[carried].carry(paths)
        self._note(vm, bench, {rule}, restart=True)

    def _missed(self, vm: str, bench: Bench, rule: WatchRule, *, unwatched: bool) -> None:
        """Anything may have changed. What is carried shows whether it has; a disk is not given up on a suspicion."""
        if rule.target:
            bench.couriers[cargo(rule)].carry((), whole=True)
        elif unwatched:
            return
        elif rule.action == "rebuild":
            words = f"{vm}: changes of {rule.path} may have been missed; the disk is not made anew for that"
            hint = f"save a file there again, or say: vmm up --recreate {vm}"
            self._tell(Notice("rule-failed", words, vm, hint=hint, bad=True))
        else:
            self._note(vm, bench, {rule}, restart=True)

    def _do(self, deed: Deed, bench: Bench) -> None:
        """A thread's body: waits for what is carried, runs commands, and passes the rest on."""
        carrying = [bench.couriers[c] for rule in deed.rules if (c := cargo(rule)) in bench.couriers]
        if not all(courier.in_step() for courier in carrying):
            failed = any(courier.failed for courier in carrying)
            self._came.put(lambda: self._again(deed, bench, failed=failed))
            return
        for rule in deed.commands:
            if self._closing.is_set():
                return
            self._commands(bench.record.spec, bench.process, rule.command)
        if deed.action == "restart":
            self._came.put(lambda: self._ask_restart(deed.vm))
        else:
            self._came.put(lambda: self._deeds.over(deed.vm))

    def _ask_restart(self, vm: str) -> None:
        self._restarting.pop(vm, None)
        self._asked[vm] = False

    def _kind(self, vm: str) -> str:
        bench = self._benches.get(vm)
        return bench.record.spec.replica_of if bench is not None else ""

    def _again(self, deed: Deed, bench: Bench, *, failed: bool) -> None:
        """Somebody else carries now: the VM was started anew, which is as good, or the rules are others.

        What cannot be carried, of which the user knows, holds up nothing else.
        """
        self._deeds.over(deed.vm)
        self._restarting.pop(deed.vm, None)
        if failed:
            words = f"{deed.vm}: no {deed.action} as what is to be carried before is out of step"
            hint = "it comes with the next change once that is mended"
            self._tell(Notice("rule-failed", words, deed.vm, hint=hint, bad=True))
        elif self._benches.get(deed.vm) is bench:
            self._note(deed.vm, bench, deed.rules, restart=True)

    def _check(self) -> None:
        if self._closing.is_set():
            raise Interrupted("the watch ends")

    def _start(self, thread: Thread) -> None:
        self._threads = {one for one in self._threads if one.is_alive()} | {thread}
        thread.start()

    def _say(self, notice: Notice) -> None:
        """In a thread. One that prints without end waits for the loop, which may be busy with a long run."""
        while len(self._came) > MOST_UNTOLD and not self._closing.wait(_PAUSE_S):
            pass
        self._came.put(lambda: self._tell(notice))


def _for(bench: Bench, carried: WatchRule) -> set[WatchRule]:
    return {rule for rule in bench.rules if rule.target and cargo(rule) == carried}
