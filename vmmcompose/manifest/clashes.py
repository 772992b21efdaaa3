"""What two VMs of a manifest cannot both have."""

from collections.abc import Iterable

from vmmcompose.manifest.report import Report, quoted, subject
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import Forward


def check_ports(found: Iterable[tuple[str, Forward, At]], report: Report) -> None:
    """Reports host ports given twice. An address of its own does not help against one that takes all."""
    taken: dict[tuple[str, int], dict[str, tuple[str, At]]] = {}
    for vm, forward, at in found:
        binds = taken.setdefault((forward.protocol, forward.host), {})
        if forward.bind:
            other = binds.get(forward.bind) or binds.get("")
        else:
            other = binds.get("") or next(iter(binds.values()), None)
        if other:
            name, place = other[0], report.sources.place(other[1])
            owner = "this VM" if name == vm else f"VM {quoted(name)}"
            where = f" on line {place.line}" if place else ""
            port = f"{forward.bind}:{forward.host}" if forward.bind else f"{forward.host}"
            message = (
                f"{subject(at)} takes port {port}/{forward.protocol} of the host, which {owner} has{where}"
            )
            report.add("port-twice", at, message, "give one of them another port")
        binds.setdefault(forward.bind, (vm, at))


def check_ips(found: Iterable[tuple[str, str, At]], report: Report) -> None:
    """Reports addresses given twice."""
    taken: dict[str, str] = {}
    for vm, ip, at in found:
        if ip in taken:
            message = f"{subject(at)} is {quoted(ip)}, the address of VM {quoted(taken[ip])}"
            report.add("ip-twice", at, message, "give one of them another address, or leave `ip` out")
        taken.setdefault(ip, vm)
