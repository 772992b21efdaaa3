"""A project as a picture: its VMs on their bridge, what leads to them and what they have of the host."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vmmcompose.model.desired import Desired, DesiredVm, Forward
from vmmcompose.render.graph.values import Cluster, Edge, Graph, Node

HOST, NETWORK = "host", "network"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the host tells of a VM, beside the manifest."""

    state: str
    """In a word: `running`, `stopped`, `dead`, …"""
    ip: str = ""
    ports: tuple[Forward, ...] = ()
    """Forwards added by hand."""


@dataclass(slots=True)
class _Drawing:
    """A picture under construction; what is drawn twice is there once."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    inside: dict[str, list[str]] = field(default_factory=dict)
    """Nodes by their cluster."""

    def place(self, node: Node, cluster: str) -> str:
        if node.id not in self.nodes:
            self.nodes[node.id] = node
            self.inside.setdefault(cluster, []).append(node.id)
        return node.id


def project_graph(desired: Desired, network: str, seen: Mapping[str, Seen]) -> Graph:
    """The project on its host. `network` says which bridge and subnet, `seen` is by the VMs' short names."""
    drawing = _Drawing()
    active = {vm.name for vm in desired.vms}
    vms = (*desired.vms, *desired.inactive)
    sizes = {volume.name: volume.size_mib for volume in desired.volumes}
    for vm in vms:
        dim = vm.name not in active
        drawing.place(vm_node(vm, seen.get(vm.name), dim=dim), _frame(vm))
    for vm in vms:
        _surroundings(drawing, vm, seen.get(vm.name), sizes, dim=vm.name not in active)
    used = {attachment.volume for vm in vms for attachment in vm.volumes}
    for volume in desired.volumes:
        if volume.name not in used:
            drawing.place(_volume_node(volume.name, volume.size_mib, dim=True), HOST)
    groups = _groups(vms)
    edges = _bundled([*drawing.edges, *_dependencies(vms, active)], groups)
    clusters = [
        Cluster(HOST, "host", "host", tuple(drawing.inside.get(HOST, ()))),
        Cluster(NETWORK, "network", network, tuple(drawing.inside.get(NETWORK, ())), HOST),
    ]
    for name, members in groups.items():
        count = f"{len(members)} replica{'' if len(members) == 1 else 's'}"
        frame = _group_id(name)
        clusters.append(Cluster(frame, "replicas", f"{name} · {count}", tuple(members), NETWORK))
    return Graph(desired.project, tuple(drawing.nodes.values()), tuple(edges), tuple(clusters))


def vm_node(vm: DesiredVm, seen: Seen | None, *, dim: bool) -> Node:
    """A VM with its image, size and, where they are known, address and state."""
    lines = [vm.image.rpartition("/")[2], f"{vm.cpus} cpu · {size(vm.memory_mib)} · disk {size(vm.disk_mib)}"]
    address = (seen.ip if seen else "") or vm.ip
    if address:
        lines.append(address)
    if dim and vm.profiles:
        lines.append(f"profile {', '.join(vm.profiles)}")
    return Node(_vm_id(vm.name), "vm", vm.name, tuple(lines), state=seen.state if seen else "", dim=dim)


def size(mib: int) -> str:
    """A size in the largest unit that leaves it whole: `512 MiB`, `2 GiB`."""
    return f"{mib // 1024} GiB" if mib and mib % 1024 == 0 else f"{mib} MiB"


def _frame(vm: DesiredVm) -> str:
    return _group_id(vm.replica_of) if vm.replica_of else NETWORK


def _vm_id(name: str) -> str:
    return f"vm:{name}"


def _group_id(name: str) -> str:
    return f"replicas:{name}"


def _groups(vms: Iterable[DesiredVm]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for vm in sorted(vms, key=lambda vm: (vm.replica_of, vm.replica)):
        if vm.replica_of:
            groups.setdefault(vm.replica_of, []).append(_vm_id(vm.name))
    return groups


def _surroundings(
    drawing: _Drawing, vm: DesiredVm, seen: Seen | None, sizes: Mapping[str, int], *, dim: bool
) -> None:
    me = _vm_id(vm.name)
    for forward in (*vm.ports, *(seen.ports if seen else ())):
        added = "" if forward in vm.ports else "by hand"
        suffix = "" if forward.protocol == "tcp" else f"/{forward.protocol}"
        title = f"{forward.bind}:{forward.host}{suffix}"
        node = Node(f"port:{title}", "port", title, (added,) if added else (), dim=dim)
        drawing.edges.append(Edge(drawing.place(node, HOST), me, f":{forward.guest}", dim=dim))
    for mount in vm.mounts:
        folder = Node(f"folder:{mount.source}", "folder", _short(mount.source), dim=dim)
        kept = f", sync {mount.sync}" if mount.sync != "none" else ""
        label = f"{mount.place} {mount.mode}{kept}"
        drawing.edges.append(Edge(me, drawing.place(folder, HOST), label, dim=dim))
    for attachment in vm.volumes:
        volume = _volume_node(attachment.volume, sizes.get(attachment.volume, 0), dim=dim)
        label = f"{attachment.target} {attachment.mode}"
        drawing.edges.append(Edge(me, drawing.place(volume, HOST), label, dim=dim))


def _volume_node(name: str, mib: int, *, dim: bool) -> Node:
    return Node(f"volume:{name}", "volume", name, (size(mib),) if mib else (), dim=dim)


_LONGEST = 32


def _short(path: str) -> str:
    """A path's end, as much as fits a box."""
    if len(path) <= _LONGEST:
        return path
    parts = path.split("/")
    kept = parts[-1]
    for part in reversed(parts[:-1]):
        if len(part) + len(kept) + 3 > _LONGEST:
            break
        kept = f"{part}/{kept}"
    return f"…/{kept}"


def _dependencies(vms: Sequence[DesiredVm], active: set[str]) -> Iterable[Edge]:
    known = {vm.name for vm in vms}
    for vm in vms:
        for wanted in vm.depends_on:
            if wanted.vm in known:
                label = f"when {wanted.condition}" + ("" if wanted.required else " (optional)")
                dim = not {vm.name, wanted.vm} <= active
                yield Edge(_vm_id(vm.name), _vm_id(wanted.vm), label, dashed=True, dim=dim)


def _bundled(edges: Sequence[Edge], groups: Mapping[str, Sequence[str]]) -> list[Edge]:
    """Arrows that go to all replicas alike, or come from all of them, as one arrow to or from their frame."""
    for name, members in groups.items():
        if len(members) > 1:
            edges = _to_frame(edges, _group_id(name), frozenset(members))
    for name, members in groups.items():
        if len(members) > 1:
            edges = _from_frame(edges, _group_id(name), frozenset(members))
    return list(edges)


def _to_frame(edges: Sequence[Edge], frame: str, members: frozenset[str]) -> list[Edge]:
    reached: dict[tuple[str, str], set[str]] = {}
    for edge in edges:
        if edge.target in members:
            reached.setdefault((edge.source, edge.label), set()).add(edge.target)
    whole = {key for key, targets in reached.items() if targets == members}
    lifted = (
        Edge(edge.source, frame, edge.label, dashed=edge.dashed, dim=edge.dim)
        if edge.target in members and (edge.source, edge.label) in whole
        else edge
        for edge in edges
    )
    return list(dict.fromkeys(lifted))


def _from_frame(edges: Sequence[Edge], frame: str, members: frozenset[str]) -> list[Edge]:
    left: dict[tuple[str, str], set[str]] = {}
    for edge in edges:
        if edge.source in members:
            left.setdefault((edge.target, edge.label), set()).add(edge.source)
    whole = {key for key, sources in left.items() if sources == members}
    lifted = (
        Edge(frame, edge.target, edge.label, dashed=edge.dashed, dim=edge.dim)
        if edge.source in members and (edge.target, edge.label) in whole
        else edge
        for edge in edges
    )
    return list(dict.fromkeys(lifted))
