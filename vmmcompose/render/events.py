"""What happens during `up` and `down`, in words for people and as values for tools."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vmmcompose.model import actions
from vmmcompose.model.desired import Desired, Forward
from vmmcompose.model.plan import ChangeKind, Event, Plan, Step
from vmmcompose.render.blocks import Block, blocks
from vmmcompose.render.plan import other_things

SHORT = 3
"""Reasons of one change that a short listing shows."""


@dataclass(frozen=True, slots=True)
class Phase:
    """An action in words: while it lasts, and when it is done. Without `done` it is too small to tell."""

    doing: str
    done: str = ""


_PHASES: dict[type, Phase] = {
    actions.WriteRecord: Phase("writing the record"),
    actions.CreateDisk: Phase("copying the disk", "disk copied"),
    actions.GrowDisk: Phase("growing the disk", "disk grown"),
    actions.DeleteDisk: Phase("deleting the disk", "disk deleted"),
    actions.WriteGuestFiles: Phase("writing the guest's files"),
    actions.BuildMount: Phase("building a mount", "mount built"),
    actions.DeleteMount: Phase("deleting a mount"),
    actions.SwapMount: Phase("renewing a mount", "mount renewed"),
    actions.SyncMount: Phase("comparing a mount", "mount in step"),
    actions.CreateVolume: Phase("making the volume", "made"),
    actions.GrowVolume: Phase("growing the volume", "grown"),
    actions.DeleteVolume: Phase("deleting the volume", "deleted"),
    actions.RunProvision: Phase("provisioning", "provisioned"),
    actions.SyncNetwork: Phase("bridge and rules"),
    actions.CreateTap: Phase("making its TAP"),
    actions.DeleteTap: Phase("deleting its TAP"),
    actions.StageDisks: Phase("copying the snapshot's disks", "disks copied"),
    actions.RestoreDisks: Phase("putting the snapshot's disks in place"),
    actions.StartVm: Phase("starting", "started"),
    actions.StopVm: Phase("shutting down", "shut down"),
    actions.PauseVm: Phase("pausing", "paused"),
    actions.ResumeVm: Phase("resuming", "resumed"),
    actions.WaitVm: Phase("waiting for an answer", "ready"),
    actions.SetClock: Phase("setting its clock"),
    actions.UpdatePeers: Phase("updating its hosts file"),
    actions.DeleteVm: Phase("deleting", "deleted"),
    actions.SweepFile: Phase("sweeping a leftover"),
}


_BY_NAME = {kind.__name__: known for kind, known in _PHASES.items()}


def action_phase(name: str) -> Phase:
    """What an action does, in words, by its name; one of another version of vmm by its name alone."""
    return _BY_NAME.get(name, Phase(name))


def phase(step: Step) -> Phase:
    """What a step does, in words."""
    words = _PHASES[type(step.action)]
    match step.action:
        case actions.BuildMount(mount=mount):
            words = Phase(f"building mount {mount.tag}", f"mount {mount.tag} built")
        case actions.SwapMount(mount=mount):
            words = Phase(f"renewing mount {mount.tag}", f"mount {mount.tag} renewed")
        case actions.SyncMount(mount=mount):
            words = Phase(f"comparing mount {mount.tag}", f"mount {mount.tag} in step")
        case actions.RunProvision(provision=script):
            words = Phase(f"provisioning with {script.name}", f"provisioned with {script.name}")
        case actions.StartVm(snapshot=snapshot) if snapshot:
            words = Phase(f"going on from snapshot {snapshot}", f"goes on from snapshot {snapshot}")
        case actions.WaitVm(until="ssh"):
            words = Phase("waiting for SSH", "answers on SSH")
        case actions.WaitVm(spec=spec) if spec.healthcheck is not None:
            words = Phase("waiting for its healthcheck", "healthy")
        case actions.SweepFile(path=path):
            words = Phase(f"sweeping {path}")
    return words


def name_of(address: str) -> str:
    """`web` for `vm/web`; other addresses as they are."""
    return address.removeprefix("vm/")


def event_line(event: Event) -> str:
    """One event as a line; empty where it is too small to tell."""
    name, words = name_of(event.step.address), phase(event.step)
    match event.state:
        case "started":
            return f"{name}: {words.doing}" if words.done else ""
        case "done":
            return f"{name}: {words.done} ({event.seconds:.1f}s)" if words.done else ""
        case "progress":
            return f"{name}: {event.detail}" if event.detail != words.doing else ""
        case "skipped":
            return f"{name}: {words.doing} skipped: {_cause(event)}"
        case "failed":
            return "\n".join(failure_lines(event))


def _cause(event: Event) -> str:
    """Why a step was skipped: `db failed while waiting for its healthcheck`."""
    if event.cause is None:
        return event.detail
    return f"{name_of(event.cause.address)} failed while {phase(event.cause).doing}"


def failure_lines(event: Event) -> list[str]:
    """Which VM, in which phase, what, and the hint (the console's last lines) indented below."""
    name, words = name_of(event.step.address), phase(event.step)
    detail = event.detail.removeprefix(f"VM {name}: ")
    lines = [f"{name}: failed while {words.doing} ({event.seconds:.1f}s): {detail}"]
    return lines + [f"    {line}" for line in event.hint.splitlines()]


def event_json(event: Event) -> dict[str, Any]:
    """One event as a value: a line of `--log-format json`."""
    return {
        "level": "error" if event.state == "failed" else "info",
        "event": event.state,
        "step": event.step.id,
        "address": event.step.address,
        "action": type(event.step.action).__name__,
        "phase": phase(event.step).doing,
        "detail": _cause(event) if event.state == "skipped" else event.detail,
        "hint": event.hint,
        "seconds": round(event.seconds, 3),
    }


def change_lines(plan: Plan) -> list[str]:
    """What is going to happen, a line for each block of changes: `web: restart (cpus: 1 -> 2)`."""
    return [_block_line(block) for block in blocks(plan.changes)]


def _block_line(block: Block) -> str:
    shown = list(block.lines[:SHORT])
    if len(block.lines) > SHORT:
        shown.append(f"{len(block.lines) - SHORT} more")
    why = f" ({', '.join(shown)})" if shown else ""
    lost = f"; data is lost: {block.data_loss}" if block.data_loss else ""
    return f"{name_of(block.address)}: {block.kind}{why}{lost}"


DONE: Mapping[ChangeKind, str] = {
    "create": "created",
    "update": "updated",
    "start": "started",
    "stop": "stopped",
    "pause": "paused",
    "resume": "resumed",
    "restart": "restarted",
    "restore": "restored",
    "replace": "replaced",
    "repair": "repaired",
    "delete": "deleted",
}
"""What has happened to a thing, by the kind of its change."""


def done_line(plan: Plan, seconds: float) -> str:
    """The summary: `done in 8.3s: 2 VMs created, 1 restarted, network created`."""
    parts: list[str] = []
    for kind, word in DONE.items():
        count = sum(change.kind == kind and change.address.startswith("vm/") for change in plan.changes)
        if count:
            noun = "" if parts else " VM" if count == 1 else " VMs"
            parts.append(f"{count}{noun} {word}")
    others = [f"{what} {DONE[kind]}" for what, kind in other_things(plan)]
    return f"done in {seconds:.1f}s: {', '.join(parts + others)}"


def failed_line(failed: Iterable[str], counts: Mapping[str, int], seconds: float) -> str:
    """The summary of a run in which steps failed: which VMs, and how far it came."""
    steps = counts.get("done", 0)
    parts = [f"{steps} step{'' if steps == 1 else 's'} done", f"{counts.get('failed', 0)} failed"]
    if counts.get("skipped"):
        parts.append(f"{counts['skipped']} that depend on it skipped")
    return f"{', '.join(failed)} failed after {seconds:.1f}s, see above; {', '.join(parts)}"


def idle_line(desired: Desired, only: tuple[str, ...]) -> str:
    """What to say when there is nothing to do."""
    names = frozenset(only)
    meant = [vm for vm in desired.vms if not names or vm.name in names]
    count = f"{len(meant)} VM{'' if len(meant) == 1 else 's'}"
    powers = {vm.power for vm in meant}
    if powers == {"absent"} or not (meant or only):
        owner = f"project {desired.project} has" if desired.project else "they have"
        return f"nothing to do: {owner} nothing on this host"
    if len(powers) == 1 and powers <= {"stopped", "paused"}:
        return f"nothing to do: {count} {powers.pop()}"
    return f"nothing to do: {count} as {'the manifest says' if desired.project else 'wanted'}"


def forward_lines(vms: Iterable[tuple[str, tuple[Forward, ...]]]) -> list[str]:
    """The ports that lead to VMs: `127.0.0.1:8080 -> web:80`."""
    return [f"  {forward_text(forward, name)}" for name, ports in vms for forward in ports]


def forward_text(forward: Forward, vm: str) -> str:
    """One forward; one that listens on every address is shown with the one that always works here."""
    protocol = "" if forward.protocol == "tcp" else f"/{forward.protocol}"
    everywhere = "" if forward.bind else "  (on every address of this host)"
    return f"{forward.bind or '127.0.0.1'}:{forward.host}{protocol} -> {vm}:{forward.guest}{everywhere}"
