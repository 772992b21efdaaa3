"""One VM's part of a plan, as the parts of the planner hand it to each other."""

from dataclasses import dataclass, field

from vmmcompose.model.desired import Dependency
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Action, Change, CreateTap, Reason, StartVm, StopVm, UpdatePeers, WaitVm
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.view import VmView

ANSWER_S = 120.0
"""Seconds for a VM without a healthcheck to answer on SSH; an emulated Debian takes about ten."""


@dataclass(slots=True)
class VmWork:
    """One VM's part of a plan. `early`, the stop, `before`, the TAP, the start, the wait: in this order."""

    vm: str
    address: str
    change: Change | None = None
    intent: Record | None = None
    """Written first, under the host lock."""
    stop: StopVm | None = None
    holds: str = ""
    """The address its guest has until it is stopped; nobody else may start with it before."""
    early: list[Action] = field(default_factory=list)
    """Done while the old process still runs, so that a failure leaves it running."""
    before: list[Action] = field(default_factory=list)
    tap: CreateTap | None = None
    start: StartVm | None = None
    wait: WaitVm | None = None
    peers: UpdatePeers | None = None
    after: list[Action] = field(default_factory=list)
    depends_on: tuple[Dependency, ...] = ()
    """What must be up before it starts, and must not stop before it does."""
    settled: Record | None = None
    """The record as it will be; None when it goes."""


def dead_reason(view: VmView) -> Reason:
    """Why a VM does not run."""
    if view.record is None:
        return Reason(why="its record is missing; its disk is kept")
    if view.record.process is None:
        return Reason(why="it is stopped" if view.record.state == "stopped" else "its start was interrupted")
    return Reason(why=f"its process (pid {view.record.process.pid}) is gone")


def wait_for(spec: VmSpec, options: Options) -> WaitVm:
    """The wait for a VM: as long as the command says, else as its healthcheck says, else `ANSWER_S`."""
    own = spec.healthcheck.timeout_s if spec.healthcheck is not None else ANSWER_S
    return WaitVm(spec, own if options.timeout_s is None else options.timeout_s)
