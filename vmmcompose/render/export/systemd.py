"""To systemd units that start and stop each VM with `vmm`, on this host.

What `vmm autostart` does not give: a unit for each VM, which others can require and be ordered after. `Requires=` and
`After=` together start what a VM depends on first, and stop it last (systemd.unit(5)).
"""

from vmmcompose.model.desired import Desired, DesiredVm
from vmmcompose.model.units import FIREWALLS, command_line, unit_word
from vmmcompose.render.export.values import (
    DECLARED,
    Export,
    File,
    Installation,
    Loss,
    Target,
    inactive_notes,
    losses,
)

SPARE_S = 30
"""What `vmm stop` takes beyond the guest's own time, waiting for the project's lock included."""

LOST = {
    "restart": Loss(
        "systemd sees `vmm start` end, not the guest, so the units say nothing of it",
        "vmm itself keeps to it: `vmm watch`",
    ),
    "watch": Loss("the units start VMs and watch nothing", "`vmm watch` as a service: docs/watch.md"),
}


def _write(desired: Desired, installation: Installation) -> Export:
    files = [_target(desired)]
    notes = []
    names = {vm.name for vm in desired.vms}
    for vm in desired.vms:
        files.append(_unit(desired.project, vm, names, installation))
        notes += losses(vm, LOST)
    return Export(tuple(files), tuple(dict.fromkeys((*notes, *inactive_notes(desired)))))


def _target(desired: Desired) -> File:
    units = " ".join(_name(desired.project, vm.name) for vm in desired.vms)
    lines = [
        f"# All VMs of project {desired.project}: systemctl enable --now vmm-{desired.project}.target",
        "[Unit]",
        f"Description=VMs of project {desired.project}",
        f"Wants={units}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return File(f"vmm-{desired.project}.target", "\n".join(lines))


def _name(project: str, vm: str) -> str:
    return f"vmm-{project}-{vm}.service"


def _unit(project: str, vm: DesiredVm, names: set[str], installation: Installation) -> File:
    needed = [_name(project, d.vm) for d in vm.depends_on if d.vm in names and d.required]
    useful = [_name(project, d.vm) for d in vm.depends_on if d.vm in names and not d.required]
    after = " ".join(["network-online.target", FIREWALLS, *needed, *useful])
    program = (*installation.program, "-p", project)
    lines = [
        f"# VM {vm.name} of project {project}, as its record knows it: `vmm up` makes and changes it.",
        "[Unit]",
        f"Description=VM {vm.name} of project {project}",
        f"After={after}",
        f"Wants={' '.join(['network-online.target', *useful])}",
        *([f"Requires={' '.join(needed)}"] if needed else []),
        f"PartOf=vmm-{project}.target",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "KillMode=process",
        "WorkingDirectory=/",
        "TimeoutStartSec=infinity",
        f"TimeoutStopSec={vm.stop_grace_s + SPARE_S:.0f}",
        *(f"Environment={unit_word(f'{name}={value}')}" for name, value in installation.environment),
        f"ExecStart={command_line((*program, 'start', vm.name))}",
        f"ExecStop={command_line((*program, 'stop', vm.name))}",
        "",
    ]
    return File(_name(project, vm.name), "\n".join(lines))


TARGET = Target(
    _write, DECLARED - {"restart", "profiles", "watch"}, frozenset({"profiles"}), LOST, refers=True
)
