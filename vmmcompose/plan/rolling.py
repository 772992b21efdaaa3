"""Restarts of replicas, a few at a time: a changed VM with several replicas is never wholly away.

Who is away already is brought up first. Then the running ones are restarted in turns, each when the one before it
in its turn is up again, and at last those go that are not wanted any more.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from vmmcompose.model.record import Record
from vmmcompose.plan.costs import COSTS
from vmmcompose.plan.work import VmWork

Turns = Mapping[str, tuple[str, ...]]
"""VMs whose stop has a turn, and the VMs that must be up before it."""


@dataclass(slots=True)
class _Group:
    """The replicas of one VM, by what happens to them."""

    away: list[str] = field(default_factory=list)
    """They do not run and are started."""
    restarted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    """They run and are not wanted any more."""
    most_away: int = 1

    @property
    def wanted(self) -> int:
        return len(self.away) + len(self.restarted) + len(self.kept)


def turns(works: Mapping[str, VmWork], awaited: Collection[str] = ()) -> Turns:
    """Whose stop waits for whom. VMs without other replicas have no turn, and stop at once.

    Nor have those that get another address: rules lead to the new one from the beginning. Nor those whose stop others
    wait for before they can start, the `awaited`.
    """
    found: dict[str, tuple[str, ...]] = {}
    claimed = {work.start.spec.ip for work in works.values() if work.start is not None}
    for group in _groups(works).values():
        others = group.wanted + len(group.leaving) > 1
        at_once = any(_moves(works[vm]) or vm in awaited for vm in group.restarted)
        if group.restarted and others and not at_once:
            group.leaving = [
                vm for vm in group.leaving if works[vm].holds not in claimed and vm not in awaited
            ]
            found |= _in_turns(group)
    return found


def defer(works: Iterable[VmWork], records: Mapping[str, Record], in_turn: Turns) -> None:
    """Whoever has a turn keeps its record until then, but for what is changed without a restart.

    `records` are those of the host, by the VMs' names there. An interrupted run so leaves the replicas that it did not
    come to as they were, and the next one takes up their turns.
    """
    for work in works:
        if work.vm in in_turn and work.intent is not None:
            old = records.get(work.intent.spec.name)
            if old is not None and old.process is not None and work.intent.process == old.process:
                work.turn, work.intent = work.intent, _early(old, work.intent)


def _early(old: Record, wanted: Record) -> Record | None:
    if wanted.state == "deleting":
        return None
    live = {
        name: getattr(wanted.spec, name)
        for name, cost in COSTS.items()
        if cost == "live" and name != "peers" and not (old.sealed and name == "provision")
    }
    changed = replace(old, spec=replace(old.spec, **live))
    return changed if changed != old else None


def _moves(work: VmWork) -> bool:
    return work.start is not None and work.holds != work.start.spec.ip


def _in_turns(group: _Group) -> dict[str, tuple[str, ...]]:
    """Each names only those whose turn comes just before its own: they have waited for all others themselves."""
    step = max(1, min(group.most_away, group.wanted - 1))
    found = {}
    for position, vm in enumerate(group.restarted):
        before = group.away if position < step else [group.restarted[position - step]]
        found[vm] = tuple(before)
    for vm in group.leaving:
        found[vm] = tuple(group.restarted[-step:])
    return found


def _groups(works: Mapping[str, VmWork]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for vm, work in sorted(works.items(), key=lambda item: (item[1].replica, item[0])):
        if not work.replica_of:
            continue
        group = groups.setdefault(work.replica_of, _Group())
        if work.start is not None:
            group.most_away = work.most_away
            (group.away if work.stop is None else group.restarted).append(vm)
        elif work.settled is not None and work.settled.state == "running":
            group.kept.append(vm)
        elif work.stop is not None and work.settled is None:
            group.leaving.append(vm)
    return groups
