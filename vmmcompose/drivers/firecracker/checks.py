"""What about a VM Firecracker cannot do, as problems. Pure."""

from vmmcompose.drivers.firecracker.config import (
    MAX_COMMAND_LINE,
    MAX_CPUS,
    MAX_MOUNTS,
    command_line_length,
)
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.problem import Problem
from vmmcompose.model.spec import VmSpec


def check_spec(spec: VmSpec, host: HostFacts) -> list[Problem]:
    """Everything at once. KVM that looks unusable is a warning only."""
    problems = _check_limits(spec)
    length = command_line_length(spec)
    if length > MAX_COMMAND_LINE:
        message = (
            f"VM `{spec.vm}`: the kernel command line would take {length} bytes,"
            f" firecracker has room for {MAX_COMMAND_LINE}"
        )
        problems.append(
            Problem("command-line-too-long", message, _at(spec, "boot_args"), "shorten `boot_args`")
        )
    if not host.kvm_usable:
        problems.append(_kvm_warning(spec, host))
    return problems


def _check_limits(spec: VmSpec) -> list[Problem]:
    found = []
    if not 1 <= spec.cpus <= MAX_CPUS:
        found.append(("cpus", f"firecracker gives at most {MAX_CPUS} cpus"))
    if len(spec.mounts) + len(spec.volumes) > MAX_MOUNTS:
        found.append(("mounts", f"firecracker takes at most {MAX_MOUNTS} mounts and volumes"))
    return [Problem("limit", f"VM `{spec.vm}`: {text}", _at(spec, key)) for key, text in found]


def _kvm_warning(spec: VmSpec, host: HostFacts) -> Problem:
    """Only a warning: whoever names a hypervisor knows the host, and our look at its CPU may be wrong."""
    return Problem(
        "kvm-unusable",
        f"VM `{spec.vm}`: firecracker needs KVM, which looks unusable here: {host.kvm_reason or 'unknown'}",
        _at(spec, "hypervisor"),
        "`hypervisor: qemu` or `auto` runs it without",
        severity="warning",
    )


def _at(spec: VmSpec, key: str) -> tuple[str | int, ...]:
    return ("vms", spec.vm, key)
