"""What two VMs of a manifest cannot both have."""

from collections.abc import Collection, Iterable

from vmmcompose.manifest.replicas import VARIABLE
from vmmcompose.manifest.report import Report, quoted, subject
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import Forward


def check_ports(found: Iterable[tuple[str, Forward, At]], report: Report) -> None:
    """Reports host ports given twice. An address of its own does not help against one that takes all."""
    taken: dict[tuple[str, int], dict[str, tuple[str, At]]] = {}
    reported: set[At] = set()
    for vm, forward, at in found:
        binds = taken.setdefault((forward.protocol, forward.host), {})
        if forward.bind:
            other = binds.get(forward.bind) or binds.get("")
        else:
            other = binds.get("") or next(iter(binds.values()), None)
        if other and at not in reported:
            reported.add(at)
            message, hint = _port_twice(vm, forward, at, other, report)
            report.add("port-twice", at, message, hint)
        binds.setdefault(forward.bind, (vm, at))


def _port_twice(vm: str, forward: Forward, at: At, other: tuple[str, At], report: Report) -> tuple[str, str]:
    name, where = other
    port = f"{forward.bind}:{forward.host}" if forward.bind else f"{forward.host}"
    if where == at and name != vm:
        ports = f"{forward.host}-{forward.host + 2}"
        hint = f"give it a range, one port for each replica: for example `{ports}:{forward.guest}`"
        return (
            f"{subject(at)} takes port {port}/{forward.protocol} of the host for more than one replica",
            hint,
        )
    place = report.sources.place(where)
    owner = "this VM" if name == vm else f"VM {quoted(name)}"
    line = f" on line {place.line}" if place else ""
    message = f"{subject(at)} takes port {port}/{forward.protocol} of the host, which {owner} has{line}"
    return message, "give one of them another port"


def check_ips(found: Iterable[tuple[str, str, At]], report: Report) -> None:
    """Reports addresses given twice."""
    taken: dict[str, tuple[str, At]] = {}
    reported: set[At] = set()
    for vm, ip, at in found:
        other, where = taken.setdefault(ip, (vm, at))
        if other == vm or at in reported:
            continue
        reported.add(at)
        message = f"{subject(at)} is {quoted(ip)}, the address of VM {quoted(other)}"
        hint = "give one of them another address, or leave `ip` out"
        if where == at:
            message = f"{subject(at)} is {quoted(ip)} for more than one replica"
            hint = f"put `{VARIABLE}` into it, for example `{ip[:-1]}{VARIABLE}`, or leave `ip` out"
        report.add("ip-twice", at, message, hint)


def check_replica_names(
    kinds: Iterable[tuple[str, Iterable[str]]], known: Collection[str], report: Report
) -> None:
    """Reports VMs whose replicas have the names of other VMs; `kinds` are VMs with the names of their replicas."""
    for vm, names in kinds:
        clash = next((name for name in names if name in known), None)
        if clash is not None:
            message = f"VM {quoted(vm)} has a replica {quoted(clash)}, and there is a VM of that name"
            report.add("name", ("vms", clash), message, "rename one of them", on_key=True)
