"""Random projects, and hosts with a history of them: the ground of the planner's properties."""

from dataclasses import replace
from typing import Literal

from hypothesis import strategies as st
from projects import DAMAGES, plan_for
from simulated_host import SimulatedHost

from vmmcompose.model.desired import (
    Attachment,
    Condition,
    Dependency,
    Desired,
    DesiredVm,
    Forward,
    Healthcheck,
    Mount,
    Provision,
    Sync,
    Volume,
)
from vmmcompose.model.observed import Link
from vmmcompose.model.options import Options
from vmmcompose.network.addresses import vm_id

NAMES = ("a", "b", "c", "d")
VOLUMES = ("data", "logs")
REPLICAS = ("r-1", "r-2", "r-3")
Mode = Literal["ro", "rw"]
UP = Options(remove_orphans=True, remove_surplus=True)
FOREIGN = {
    "eth0": Link("eth0", "", up=True, addresses=("192.0.2.7/24",)),
    "docker0": Link("docker0", "bridge", addresses=("192.168.9.1/24",)),
    "tap9": Link("tap9", "tun", "somebody"),
}


@st.composite
def attachments(draw: st.DrawFn, names: list[str]) -> dict[str, tuple[Attachment, ...]]:
    """Which VM has which volume: one alone to write to it, or several to read it."""
    found: dict[str, tuple[Attachment, ...]] = {}
    for volume in VOLUMES:
        users = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        users = users[: draw(st.sampled_from((1, 1, len(names))))]
        mode: Mode = draw(st.sampled_from(("rw", "ro"))) if len(users) == 1 else "ro"
        for name in users:
            found[name] = (*found.get(name, ()), Attachment(volume, f"/{volume}", mode))
    return found


@st.composite
def mounts(draw: st.DrawFn) -> tuple[Mount, ...]:
    """A read-only one that drivers can swap, and a writable one that may be kept in step."""
    folders = st.sampled_from(("/srv/a", "/srv/b"))
    ways: st.SearchStrategy[Sync] = st.sampled_from(("none", "push", "two-way"))
    ignored, owners = st.sampled_from(((), ("*.log",))), st.sampled_from(("", "1000:1000"))
    site = Mount("site", draw(folders), "ro", ignore=draw(ignored), owner=draw(owners))
    data = Mount("data", draw(folders), "rw", draw(ways), draw(ignored), draw(owners))
    return draw(st.sampled_from(((), (site,), (data,), (data, site))))


@st.composite
def projects(draw: st.DrawFn) -> Desired:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    volumes = draw(attachments(sorted(names)))
    vms = []
    for position, name in enumerate(sorted(names)):
        before = sorted(names)[:position]
        conditions: st.SearchStrategy[Condition] = st.sampled_from(("started", "provisioned", "healthy"))
        scripts = draw(st.lists(st.sampled_from("xyz"), max_size=3))
        wanted = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        vms.append(
            DesiredVm(
                name,
                image="tiny",
                cpus=draw(st.integers(1, 3)),
                memory_mib=draw(st.sampled_from((128, 256))),
                disk_mib=draw(st.sampled_from((1024, 1024, 2048))),
                ports=tuple(Forward(8000 + position * 10 + i, 80) for i in range(draw(st.integers(0, 2)))),
                mounts=draw(mounts()),
                depends_on=tuple(
                    Dependency(other, draw(conditions), draw(st.booleans())) for other in wanted
                ),
                provision=tuple(Provision(f"step {i}", text) for i, text in enumerate(scripts, 1)),
                healthcheck=draw(st.sampled_from((None, Healthcheck(tcp=80)))),
                env=(("KEY", draw(st.sampled_from(("x", "y")))),),
                volumes=volumes.get(name, ()),
                power=draw(st.sampled_from(("running", "running", "running", "stopped"))),
            )
        )
    sizes = (Volume(volume, draw(st.sampled_from((64, 64, 128)))) for volume in VOLUMES)
    count = draw(st.integers(0, len(REPLICAS)))
    wanted = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    vms += replicas(count, draw(st.integers(1, 3)), draw(st.integers(1, 2)), wanted)
    return Desired("lab", tuple(vms), volumes=tuple(sizes), replicas=(("r", count),))


def replicas(count: int, cpus: int, away: int, wanted: list[str]) -> list[DesiredVm]:
    """A VM with so many replicas, which are restarted in turns."""
    return [
        DesiredVm(
            name,
            image="tiny",
            cpus=cpus,
            depends_on=tuple(Dependency(other) for other in sorted(wanted)),
            replica_of="r",
            replica=number,
            max_unavailable=away,
        )
        for number, name in enumerate(REPLICAS[:count], 1)
    ]


def fitting(desired: Desired, host: SimulatedHost) -> Desired:
    """The project as the host can have it.

    No disk or volume is smaller than the host's: shrinking is refused by design. None of its VMs has a volume that is
    open in a process nobody knows any more: the process is told of and left alone, and the volume refused when used.
    """
    taken = {volume for _, volume, _ in unknown_holds(desired, host)}
    vms = []
    for vm in desired.vms:
        disk = host.disks.get(f"lab-{vm.name}")
        least = disk.size_bytes // 2**20 if disk else 0
        free = tuple(one for one in vm.volumes if one.volume not in taken)
        vms.append(replace(vm, disk_mib=max(vm.disk_mib, least), volumes=free))
    volumes = []
    for volume in desired.volumes:
        image = host.volumes.get(("lab", volume.name))
        size = max(volume.size_mib, image.size_bytes // 2**20 if image else 0)
        volumes.append(replace(volume, size_mib=size))
    return replace(desired, vms=tuple(vms), volumes=tuple(volumes))


def unknown_holds(desired: Desired, host: SimulatedHost) -> list[tuple[str, str, str]]:
    """What processes have open whose VMs have no record and are not in the project."""
    known = {record.spec.id for record in host.records.values()}
    known |= {vm_id(host.settings.data_dir, f"lab-{vm.name}") for vm in desired.vms}
    return [held for identity in host.processes.keys() - known for held in host.held.get(identity, ())]


@st.composite
def hosts(draw: st.DrawFn) -> SimulatedHost:
    """A host with a history: projects brought up, some cut short, then damaged."""
    host = SimulatedHost()
    host.links.update(FOREIGN)
    for _ in range(draw(st.integers(0, 3))):
        plan = plan_for(host, fitting(draw(projects()), host), UP)
        host.run(plan, stop_after=draw(st.one_of(st.none(), st.integers(0, len(plan.steps)))))
        for name in draw(st.lists(st.sampled_from(sorted(DAMAGES)), max_size=2)):
            possible = bool(host.processes and host.records and host.disks)
            if possible or name not in (
                "process killed",
                "record deleted",
                "disk deleted",
                "paused",
                "port added by hand",
            ):
                DAMAGES[name](host)
    return host
