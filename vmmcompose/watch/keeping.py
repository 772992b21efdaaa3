"""Which VMs are kept up, and which are left alone: stopped by hand, ended for good, or waiting for their turn."""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace

from vmmcompose.errors import VmmError
from vmmcompose.host import console
from vmmcompose.host import process as processes
from vmmcompose.model.desired import Desired, DesiredVm
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Plan
from vmmcompose.model.record import Process, Record
from vmmcompose.plan.planner import close_over
from vmmcompose.watch.notice import Notice, Tell
from vmmcompose.watch.restarts import Restarts, Verdict, ended_cleanly, with_dependants

_BY_HAND = ("stopping", "stopped", "paused", "deleting")
"""States that no run of the loop leaves behind: another command did, or was ended in the middle of it."""
_TAIL_LINES = 10


def by_hand(desired: Desired, records: Mapping[str, Record]) -> frozenset[str]:
    """VMs that somebody stopped or paused, or is about to delete: they stay so until somebody starts them."""
    return frozenset(
        vm.name for vm in desired.vms if vm.name in records and records[vm.name].state in _BY_HAND
    )


def narrowed(desired: Desired, options: Options, held: frozenset[str]) -> Options | None:
    """The same options for all VMs but those held back; None where that leaves none."""
    if not held:
        return options
    everybody = (*(vm.name for vm in desired.vms), *(kind for kind, _ in desired.replicas))
    chosen = sorted(close_over(desired, frozenset(options.only))) if options.only else everybody
    only = tuple(name for name in chosen if name not in held)
    return replace(options, only=only, alone=True) if any(vm.name in only for vm in desired.vms) else None


class MovedError(VmmError):
    """Somebody stopped or started VMs meanwhile: judge again."""


def expecting(
    desired: Desired, records: Mapping[str, Record], *, whole: bool
) -> Callable[[Plan, Observed], None]:
    """What a plan has to be made from: VMs that are as somebody's hands have left them."""
    hands = by_hand(desired, records)

    def expect(_plan: Plan, observed: Observed) -> None:
        now = {r.spec.vm: r for r in observed.records if r.spec.project == desired.project}
        if not whole and by_hand(desired, now) != hands:
            raise MovedError("VMs were stopped or started meanwhile")

    return expect


def narrowed_to(desired: Desired, options: Options, wanted: Collection[str]) -> Options | None:
    """The same options for these VMs, as far as they are chosen; None where that leaves none."""
    everybody = {vm.name for vm in desired.vms} | {kind for kind, _ in desired.replicas}
    return narrowed(desired, options, frozenset(everybody.difference(wanted))) if wanted else None


@dataclass(slots=True)
class Keeping:
    """What became of each VM, over all looks."""

    paths: Paths
    tell: Tell
    next: float | None = None
    """When the next VM has waited long enough."""
    _restarts: Restarts = field(default_factory=Restarts)
    _known: set[str] = field(default_factory=set)
    """VMs that had a record at the end of a look: without one now, somebody deleted them."""
    _away: set[str] = field(default_factory=set)
    """VMs of which it has been said that they are left alone."""

    def held(self, desired: Desired, records: Mapping[str, Record], now: float) -> frozenset[str]:
        """VMs that are left as they are at this look."""
        self.next = None
        hands = by_hand(desired, records)
        deleted = {vm.name for vm in desired.vms if vm.name in self._known and vm.name not in records}
        self._say_away(hands | deleted, records)
        held, alive = set(hands | deleted), set()
        for vm in desired.vms:
            record = records.get(vm.name)
            if record is None or vm.name in held:
                continue
            if record.process is None or processes.alive(record.process):
                alive.add(vm.name)
            elif self._judge(vm, record, now).what != "start":
                held.add(vm.name)
        return with_dependants(desired.vms, frozenset(held), frozenset(alive))

    def remember(self, desired: Desired, records: Mapping[str, Record], now: float) -> dict[str, Process]:
        """What there is at the end of a look; gives the processes that run VMs."""
        self._known |= {vm.name for vm in desired.vms if vm.name in records}
        running = {
            vm: record.process
            for vm, record in records.items()
            if record.process is not None and record.state not in ("stopped", "deleting")
        }
        alive = {vm: process for vm, process in running.items() if processes.alive(process)}
        for vm, process in alive.items():
            self._restarts.runs(vm, process, now)
        return alive

    def changed(self, old: Desired, new: Desired) -> None:
        """The manifest says something else: what was deleted by hand, or ended, is judged by the new one."""
        before = {vm.name: vm for vm in old.vms}
        self._known.clear()
        for vm in new.vms:
            if before.get(vm.name) != vm:
                self._restarts.forget(vm.name)

    def hurry(self) -> None:
        """Nobody waits for its turn any longer."""
        self._restarts.hurry()

    def all_crashing(self, desired: Desired, records: Mapping[str, Record], held: frozenset[str]) -> bool:
        """Whether there is nothing to bring up but VMs that keep crashing, which the user knows."""
        dead = [
            vm.name
            for vm in desired.vms
            if vm.name not in held and ((record := records.get(vm.name)) is None or not _runs(record))
        ]
        return bool(dead) and all(self._restarts.crashing(vm) for vm in dead)

    def _judge(self, vm: DesiredVm, record: Record, now: float) -> Verdict:
        assert record.process is not None
        if record.process.boot_id != processes.boot_id():
            return Verdict("start")  # the host went down, not the VM
        name = record.spec.name
        lines = console.tail(self.paths.console(name), _TAIL_LINES)
        clean = False
        if vm.restart == "on-failure":
            logs = (self.paths.driver_log(name), self.paths.vmm_log(name))
            clean = ended_cleanly(lines, [line for log in logs for line in console.tail(log, _TAIL_LINES)])
        process: Hashable = record.process
        verdict = self._restarts.ended(vm.name, process, vm.restart, now, clean=clean)
        if verdict.what == "wait":
            self.next = min(verdict.until, verdict.until if self.next is None else self.next)
        if verdict.tell:
            self._say(vm, verdict, lines, now, clean=clean)
        return verdict

    def _say(self, vm: DesiredVm, verdict: Verdict, lines: list[str], now: float, *, clean: bool) -> None:
        if verdict.what == "leave":
            how = "shut itself down" if clean else "has ended"
            words = f"{vm.name} {how}; restart: {vm.restart} leaves it so"
            self.tell(Notice("left", words, vm.name, hint=f"`vmm start {vm.name}` starts it again"))
            return
        again = f"; next try in {verdict.until - now:.0f} s" if verdict.what == "wait" else ""
        words = f"{vm.name} keeps crashing: it ended {verdict.ends} times in a row{again}"
        hint = f"the whole log: `vmm logs {vm.name}`; a changed manifest is tried at once"
        self.tell(Notice("crashing", words, vm.name, tuple(lines), hint, bad=True))

    def _say_away(self, away: set[str] | frozenset[str], records: Mapping[str, Record]) -> None:
        for vm in sorted(away - self._away):
            record = records.get(vm)
            if record is None:
                hint = "a changed manifest or `vmm up` brings it back"
                self.tell(Notice("away", f"{vm} was deleted by hand and stays so", vm, hint=hint))
            else:
                hint = f"`vmm start {vm}` brings it back"
                self.tell(Notice("away", f"{vm} is {record.state} and stays so", vm, hint=hint))
        self._away = set(away)


def _runs(record: Record) -> bool:
    return record.process is not None and processes.alive(record.process)
