"""One VM's part of a plan, as the parts of the planner hand it to each other."""

from dataclasses import dataclass, field

from vmmcompose.model.actions import (
    Action,
    CreateTap,
    RunProvision,
    StartVm,
    StopVm,
    SwapMount,
    SyncMount,
    UpdatePeers,
    WaitVm,
)
from vmmcompose.model.desired import Dependency
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, Reason
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.costs import show_forward, show_mount
from vmmcompose.plan.view import VmView

ANSWER_S = 120.0
"""Seconds for a VM without a healthcheck to answer on SSH; an emulated Debian takes about ten."""

STOP_S = 30.0
"""Seconds to shut down for a guest that nobody knows more about."""


@dataclass(slots=True)
class VmWork:
    """One VM's part of a plan, in order: `early`, stop, `before`, TAP, start, `mounts`, `provision`, wait."""

    vm: str
    address: str
    change: Change | None = None
    intent: Record | None = None
    """Written first, under the host lock."""
    turn: Record | None = None
    """Written when its turn comes to be restarted."""
    stop: StopVm | None = None
    holds: str = ""
    """The address its guest has until it is stopped; nobody else may start with it before."""
    early: list[Action] = field(default_factory=list)
    """Done while the old process still runs, so that a failure leaves it running."""
    before: list[Action] = field(default_factory=list)
    tap: CreateTap | None = None
    start: StartVm | None = None
    mounts: list[SwapMount | SyncMount] = field(default_factory=list)
    """Renewed once the guest answers on SSH, before the scripts run."""
    provision: list[RunProvision] = field(default_factory=list)
    """Run one after the other once the guest answers on SSH."""
    wait: WaitVm | None = None
    peers: UpdatePeers | None = None
    after: list[Action] = field(default_factory=list)
    depends_on: tuple[Dependency, ...] = ()
    """What must be up before it starts, and must not stop before it does."""
    replica_of: str = ""
    """The VM of the manifest that it is a replica of; empty for one without replicas."""
    replica: int = 0
    most_away: int = 1
    """How many of the replicas may be away at once while they are restarted."""
    creates: bool = False
    """Whether it gets its first record and is not started."""
    settled: Record | None = None
    """The record as it will be; None when it goes."""


def dead_reason(view: VmView) -> Reason:
    """Why a VM does not run."""
    if view.record is None:
        return Reason(why="its record is missing; its disk is kept")
    if view.new:
        return Reason(why="it was never started")
    if view.record.process is None:
        return Reason(why="it is stopped" if view.record.state == "stopped" else "its start was interrupted")
    return Reason(why=f"its process (pid {view.record.process.pid}) is gone")


def grace(spec: VmSpec | None, options: Options) -> float:
    """Seconds for a guest to shut down: what the command says, else its own time as it was applied."""
    if options.grace_s is not None:
        return options.grace_s
    return spec.stop_grace_s if spec is not None else STOP_S


def wait_for(spec: VmSpec, options: Options) -> WaitVm:
    """The wait for a VM: as long as the command says, else as its healthcheck says, else `ANSWER_S`."""
    own = spec.healthcheck.timeout_s if spec.healthcheck is not None else ANSWER_S
    return WaitVm(spec, own if options.timeout_s is None else options.timeout_s)


def wait_for_ssh(spec: VmSpec, options: Options) -> WaitVm:
    """The wait for an answer on SSH, whatever the healthcheck is: that counts from when all else is done."""
    return WaitVm(spec, ANSWER_S if options.timeout_s is None else options.timeout_s, "ssh")


def summary(spec: VmSpec) -> tuple[Reason, ...]:
    """What a new VM will be, in short."""
    reasons = [
        Reason("image", "", spec.image),
        Reason("size", "", f"{spec.cpus} cpu, {spec.memory_mib} MiB memory, {spec.disk_mib} MiB disk"),
        Reason("ip", "", spec.ip),
        Reason("hypervisor", "", spec.driver),
    ]
    reasons += [Reason(f"mounts.{m.tag}", "", show_mount(m)) for m in spec.mounts]
    reasons += [Reason(f"volumes.{v.volume}", "", f"{v.target} ({v.mode})") for v in spec.volumes]
    reasons += [Reason("ports", "", show_forward(forward)) for forward in spec.forwards]
    reasons += [Reason("provision", "", script.name) for script in spec.provision]
    return tuple(reasons)
