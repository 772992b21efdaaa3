"""A plan's steps as a picture: those of one VM in a frame, an arrow from a step to those that wait for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from vmmcompose.model import actions
from vmmcompose.model.plan import Plan, Step
from vmmcompose.render.events import phase
from vmmcompose.render.graph.values import Cluster, Edge, Graph, Node, Tone

TONES: Mapping[type, Tone] = {
    actions.WriteRecord: "quiet",
    actions.CreateDisk: "create",
    actions.GrowDisk: "change",
    actions.DeleteDisk: "lose",
    actions.WriteGuestFiles: "change",
    actions.BuildMount: "create",
    actions.DeleteMount: "lose",
    actions.SwapMount: "change",
    actions.SyncMount: "change",
    actions.CreateVolume: "create",
    actions.GrowVolume: "change",
    actions.DeleteVolume: "lose",
    actions.RunProvision: "run",
    actions.SyncNetwork: "change",
    actions.CreateTap: "create",
    actions.DeleteTap: "stop",
    actions.StageDisks: "create",
    actions.RestoreDisks: "lose",
    actions.StartVm: "run",
    actions.StopVm: "stop",
    actions.PauseVm: "stop",
    actions.ResumeVm: "run",
    actions.WaitVm: "wait",
    actions.SetClock: "change",
    actions.UpdatePeers: "change",
    actions.DeleteVm: "lose",
    actions.SweepFile: "stop",
}


def plan_graph(plan: Plan) -> Graph:
    """The steps of a plan, with no arrow that says what others say already; dashed where only the end is waited for."""
    title = f"plan for {plan.project}" if plan.project else "plan"
    if not plan.steps:
        return Graph(title, (Node("nothing", "note", "nothing to do"),))
    nodes = tuple(_node(step) for step in plan.steps)
    edges = tuple(edge for step in plan.steps for edge in _edges(step, plan.steps))
    members: dict[str, list[str]] = {}
    for step in plan.steps:
        members.setdefault(step.address, []).append(_id(step.id))
    kinds = {change.address: change.kind for change in plan.changes}
    clusters = tuple(
        Cluster(
            address, "group", f"{address} · {kinds[address]}" if address in kinds else address, tuple(ids)
        )
        for address, ids in members.items()
    )
    return Graph(title, nodes, edges, clusters)


def _edges(step: Step, steps: tuple[Step, ...]) -> Iterator[Edge]:
    for before in reduced(step, steps):
        yield Edge(_id(before), _id(step.id))
    if step.weak:
        for before in _reduced(step.before, steps, lambda one: one.before):
            if before in step.weak:
                yield Edge(_id(before), _id(step.id), dashed=True)


def reduced(step: Step, steps: tuple[Step, ...]) -> tuple[int, ...]:
    """The steps that a step needs, without those that these need themselves: the transitive reduction, step by step."""
    return _reduced(step.after, steps, lambda one: one.after)


def _reduced(
    wanted: frozenset[int], steps: tuple[Step, ...], ahead: Callable[[Step], frozenset[int]]
) -> tuple[int, ...]:
    """Ids count up and a step waits for lower ones only, so the search ends at the lowest id it may still find."""
    kept: list[int] = []
    behind: set[int] = set()
    least = min(wanted, default=0)
    for before in sorted(wanted, reverse=True):
        if before not in behind:
            kept.append(before)
            _walk(before, least, steps, ahead, behind)
    return tuple(reversed(kept))


def _walk(
    start: int,
    least: int,
    steps: tuple[Step, ...],
    ahead: Callable[[Step], frozenset[int]],
    behind: set[int],
) -> None:
    queue = [start]
    while queue:
        for earlier in ahead(steps[queue.pop()]):
            if earlier >= least and earlier not in behind:
                behind.add(earlier)
                queue.append(earlier)


def _node(step: Step) -> Node:
    words = phase(step).doing
    lost = _details(step.action)
    return Node(_id(step.id), "step", words, tuple(lost), tone=TONES.get(type(step.action), "plain"))


def _details(action: actions.Action) -> Iterable[str]:
    match action:
        case actions.CreateDisk(image=image):
            yield f"from {image.rpartition('/')[2]}"
        case actions.StartVm(spec=spec):
            yield spec.driver
        case actions.CreateVolume(volume=volume) | actions.GrowVolume(volume=volume):
            yield volume
        case actions.DeleteVolume(volume=volume):
            yield f"{volume}: data is lost"
        case actions.DeleteDisk() | actions.RestoreDisks():
            yield "data is lost"


def _id(step: int) -> str:
    return f"step:{step}"
