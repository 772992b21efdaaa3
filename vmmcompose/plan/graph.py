"""Which step waits for which: the works of all VMs, woven into one graph.

Independent VMs share no edge but the network's, so that they run side by side. Stops go dependents first,
starts go dependencies first, as `depends_on` says; what is not required is only waited for. Replicas are restarted in
turns, see `rolling`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from vmmcompose.model.actions import Action, DeleteTap, StartVm, SweepFile, SyncNetwork, WriteRecord
from vmmcompose.model.desired import Dependency
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Step
from vmmcompose.model.record import Record
from vmmcompose.plan.rolling import Turns
from vmmcompose.plan.volumes import Holds, Volumes, VolumeWork
from vmmcompose.plan.work import VmWork, wait_for, wait_for_ssh


@dataclass(slots=True)
class Graph:
    """Steps under construction; ids count up, so every step comes after those it waits for."""

    steps: list[Step] = field(default_factory=list)
    intents: dict[str, int] = field(default_factory=dict)
    early: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, int] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    """The steps after which VMs answer on SSH."""
    provisioned: dict[str, int] = field(default_factory=dict)
    """The last script of each VM that is provisioned."""
    waited: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int | None] = field(default_factory=dict)
    """The last step of each VM."""
    network: int | None = None
    released: dict[str, list[int]] = field(default_factory=dict)
    """By address: the stops after which no guest has it any more."""
    volumes: dict[str, int] = field(default_factory=dict)
    """The step that makes a volume, or makes it bigger."""

    def add(
        self,
        address: str,
        action: Action,
        after: Iterable[int | None] = (),
        weak: Iterable[int | None] = (),
    ) -> int:
        """Appends a step and gives its id; None among those before it is left out."""
        needed = frozenset(i for i in after if i is not None)
        ended = frozenset(i for i in weak if i is not None) - needed
        self.steps.append(Step(len(self.steps), address, action, needed, ended))
        return len(self.steps) - 1

    def ready(self, vm: str) -> int | None:
        """The last step of a VM before it is stopped or started."""
        return self.early.get(vm, self.intents.get(vm))


def weave(
    works: Iterable[VmWork],
    sweeps: Iterable[SweepFile | DeleteTap],
    options: Options,
    in_turn: Turns,
    volumes: Volumes,
    *,
    network_first: bool,
    network_last: bool,
) -> tuple[Step, ...]:
    """All steps of a plan, in an order that respects their edges."""
    graph = Graph()
    for sweep in sweeps:
        graph.add("files" if isinstance(sweep, SweepFile) else "taps", sweep)
    by_vm = {work.vm: work for work in works}
    order = _order(by_vm, in_turn)
    if order is None:  # records of two versions of a manifest, mixed by an interruption; stopping must work
        in_turn, order = {}, sorted(by_vm)
    for vm in order:
        intent = by_vm[vm].intent
        if intent is not None:
            graph.intents[vm] = graph.add(by_vm[vm].address, WriteRecord(intent))
    if network_first:
        graph.network = graph.add("network", SyncNetwork(), graph.intents.values())
    for vm in order:
        for action in by_vm[vm].early:
            graph.early[vm] = graph.add(by_vm[vm].address, action, [graph.ready(vm)])
    # While what is to have them still runs as it did: where there is no room for them, nothing is stopped.
    _touch(graph, volumes.making, {})
    _stop_and_start(graph, by_vm, order, in_turn, volumes, options)
    _touch(graph, volumes.deleting, graph.ended)
    if network_last:
        gone = [graph.ended[vm] for vm in order if by_vm[vm].start is None]
        # It looks at the records as they are then, so it does not matter how the others ended.
        graph.add("network", SyncNetwork(), weak=[graph.network, *gone])
    return tuple(graph.steps)


def _touch(graph: Graph, works: Iterable[VolumeWork], after: Mapping[str, int | None]) -> None:
    """The steps on volumes, each after those of the VMs that have it."""
    for work in works:
        before = [after.get(vm) for vm in work.users]
        graph.volumes[work.name] = graph.add(work.change.address, work.action, before)


def _made(graph: Graph, start: StartVm | None) -> list[int | None]:
    """The steps that make a VM's volumes what it needs."""
    return [graph.volumes.get(one.volume) for one in start.spec.volumes] if start is not None else []


def _stop_and_start(
    graph: Graph,
    by_vm: Mapping[str, VmWork],
    order: list[str],
    in_turn: Turns,
    volumes: Volumes,
    options: Options,
) -> None:
    """The stops of all that have no turn, dependents first; then each VM in order, with its stop if it has one."""
    _wait_for_turns(by_vm, in_turn, options)
    dependents = _dependents(by_vm, order, in_turn)
    for vm in reversed(order):
        if vm not in in_turn:
            _stop(graph, by_vm[vm], dependents[vm])
    for vm in order:
        if vm in in_turn:
            # Not before what it will wait for is there: until then it can as well serve on.
            needed, ordered = _needs(graph, by_vm[vm], by_vm, options)
            up = [*(graph.ended[other] for other in in_turn[vm]), *needed]
            _stop(graph, by_vm[vm], dependents[vm], up, ordered)
        start = by_vm[vm].start
        if start is not None:
            _touch(graph, volumes.growing(start, graph.volumes), graph.stopped)
        _bring_up(graph, by_vm[vm], by_vm, volumes.holds, options)


def _order(by_vm: Mapping[str, VmWork], in_turn: Turns) -> list[str] | None:
    """The VMs, each after those it depends on and those whose turn comes before its own; None in a circle."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for vm in sorted(by_vm):
        wanted = (dependency.vm for dependency in by_vm[vm].depends_on if dependency.vm in by_vm)
        sorter.add(vm, *wanted, *in_turn.get(vm, ()))
    try:
        return list(sorter.static_order())
    except CycleError:
        return None


def _dependents(
    by_vm: Mapping[str, VmWork], order: list[str], in_turn: Turns
) -> dict[str, list[tuple[str, bool]]]:
    """Who stops before a VM does, and whether it must have.

    Whoever has a turn does not: others of its kind go on without what stops.
    """
    found: dict[str, list[tuple[str, bool]]] = {vm: [] for vm in order}
    for vm in order:
        for dependency in by_vm[vm].depends_on:
            if dependency.vm in found and vm not in in_turn:
                found[dependency.vm].append((vm, dependency.required))
    return found


def _stop(
    graph: Graph,
    work: VmWork,
    dependents: Iterable[tuple[str, bool]],
    up: Iterable[int | None] = (),
    ordered: Iterable[int | None] = (),
) -> None:
    """The stop, after those of its dependents, and after the steps `up` by which others are up again.

    Those in `ordered` must only have ended.
    """
    if work.stop is not None:
        first: dict[bool, list[int | None]] = {True: [], False: []}
        for other, required in dependents:
            first[required].append(graph.stopped.get(other))
        after = [graph.ready(work.vm), *first[True], *up, *_made(graph, work.start)]
        weak = [*first[False], *ordered]
        if work.turn is not None:
            after = [graph.add(work.address, WriteRecord(work.turn), [graph.network, *after], weak)]
        graph.stopped[work.vm] = graph.add(work.address, work.stop, after, weak)
        graph.released.setdefault(work.holds, []).append(graph.stopped[work.vm])


def _wait_for_turns(by_vm: Mapping[str, VmWork], in_turn: Turns, options: Options) -> None:
    """Where somebody's turn comes when a VM answers, that is waited for whatever the command says."""
    for vm in {other for others in in_turn.values() for other in others}:
        work = by_vm[vm]
        if work.start is not None and work.wait is None:
            work.wait = wait_for(work.start.spec, options)


def _bring_up(
    graph: Graph, work: VmWork, by_vm: Mapping[str, VmWork], holds: Holds, options: Options
) -> None:
    last = graph.stopped.get(work.vm, graph.ready(work.vm))
    for action in work.before:
        last = graph.add(work.address, action, [last])
    if work.tap is not None:
        last = graph.add(work.address, work.tap, [last, graph.network])
    if work.start is not None:
        needed, ordered = _needs(graph, work, by_vm, options)
        free = graph.released.get(work.start.spec.ip, ())
        after = [last, graph.network, *needed, *free, *_made(graph, work.start)]
        after += [graph.stopped.get(vm) for vm in holds.barring(work.start.spec)]
        last = graph.started[work.vm] = graph.add(work.address, work.start, after, ordered)
    if work.mounts or work.provision:
        last = _inside(graph, work, options, last)
    if work.wait is not None and work.vm not in graph.waited:
        last = graph.waited[work.vm] = graph.add(work.address, work.wait, [last, graph.network])
    if work.peers is not None and not work.mounts and not work.provision:
        last = graph.add(work.address, work.peers, [last, graph.network])
    for action in work.after:
        last = graph.add(work.address, action, [last])
    graph.ended[work.vm] = last


def _inside(graph: Graph, work: VmWork, options: Options, last: int | None) -> int | None:
    """Mounts, then one script after the other, once the guest answers on SSH; it knows its peers by then."""
    wait = wait_for_ssh([*work.mounts, *work.provision][0].spec, options)
    last = graph.answered[work.vm] = graph.add(work.address, wait, [last, graph.network])
    if work.peers is not None:
        last = graph.add(work.address, work.peers, [last])
    for mount in work.mounts:  # whoever waits for the guest waits for what it is to have
        last = graph.answered[work.vm] = graph.add(work.address, mount, [last])
    for action in work.provision:
        last = graph.provisioned[work.vm] = graph.add(work.address, action, [last])
    return last


def _needs(
    graph: Graph, work: VmWork, by_vm: Mapping[str, VmWork], options: Options
) -> tuple[list[int | None], list[int | None]]:
    """The steps after which a VM may start: those it needs, and those that must only have ended."""
    found: dict[bool, list[int | None]] = {True: [], False: []}
    if work.start is not None:
        for need in work.depends_on:
            found[need.required].append(_reached(graph, need, by_vm, options))
    return found[True], found[False]


def _reached(
    graph: Graph, dependency: Dependency, by_vm: Mapping[str, VmWork], options: Options
) -> int | None:
    """The step after which a dependency's condition holds; None where it holds already."""
    work = by_vm.get(dependency.vm)
    if work is None or work.settled is None or work.settled.state != "running":
        return None  # nobody can wait for a VM that shall not run
    match dependency.condition:
        case "started":
            return graph.started.get(work.vm)
        case "provisioned":
            return _provisioned(graph, work, work.settled, options)
        case "healthy":
            return _healthy(graph, work, work.settled, options)


def _provisioned(graph: Graph, work: VmWork, settled: Record, options: Options) -> int | None:
    """Its last script; without one, its answer on SSH."""
    vm = work.vm
    if vm in graph.provisioned:
        return graph.provisioned[vm]
    if work.start is None and settled.health == "healthy":
        return None
    if vm not in graph.answered and vm in graph.waited and settled.spec.healthcheck is None:
        graph.answered[vm] = graph.waited[vm]  # it waits for the same
    if vm not in graph.answered:
        wait = wait_for_ssh(settled.spec, options)
        last = graph.started.get(vm, graph.ended.get(vm))
        graph.answered[vm] = graph.add(work.address, wait, [last, graph.network])
    return graph.answered[vm]


def _healthy(graph: Graph, work: VmWork, settled: Record, options: Options) -> int | None:
    """Its healthcheck, after all that is done to it."""
    vm = work.vm
    if vm not in graph.waited:
        if work.start is None and not work.provision and settled.health == "healthy":
            return None
        wait = wait_for(settled.spec, options)
        graph.waited[vm] = graph.add(work.address, wait, [graph.ended.get(vm), graph.network])
    return graph.waited[vm]
