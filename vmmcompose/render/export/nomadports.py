"""A Nomad group's ports and the services that tell where they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from vmmcompose.model.desired import DesiredVm, Healthcheck
from vmmcompose.model.problem import Problem
from vmmcompose.render.export.hcltext import Attribute, Block
from vmmcompose.render.export.services import Service
from vmmcompose.render.export.values import Loss, note, seconds

CHECK_TIMEOUT_S = 5
LEAST_INTERVAL_S = 1
"""Nomad refuses shorter ones."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the client's that leads into the guest. Without `host` Nomad chooses one."""

    label: str
    guest: int
    protocol: str = "tcp"
    host: int = 0
    bind: str = ""


def ports_of(service: Service, notes: list[Problem]) -> tuple[Port, ...]:
    """The forwards, and a port for the healthcheck where none leads there. Replicas' host ports are Nomad's choice."""
    vm, found = service.vm, list[Port]()
    for forward in vm.ports:
        taken = any((port.protocol, port.guest) == (forward.protocol, forward.guest) for port in found)
        label = f"{forward.protocol}_{forward.guest}" + (f"_{forward.host}" if taken else "")
        host = forward.host if service.count == 1 else 0
        found.append(Port(label, forward.guest, forward.protocol, host, forward.bind))
        if service.count > 1:
            last = forward.host + service.count - 1
            why = Loss(
                f"the replicas' ports {forward.host} to {last} become ports that Nomad chooses",
                "the group's service tells which: nomad service info",
            )
            notes.append(note(vm, "ports", why, forward.entry))
    checked = _checked_port(vm.healthcheck)
    if checked and not any((port.protocol, port.guest) == ("tcp", checked) for port in found):
        found.append(Port(f"tcp_{checked}", checked))
    return tuple(found)


def service_blocks(
    project: str, service: Service, ports: tuple[Port, ...], notes: list[Problem]
) -> Iterable[Block]:
    """A service for each TCP port, with the healthcheck where it belongs."""
    vm = service.vm
    if vm.healthcheck is not None and vm.healthcheck.command:
        why = Loss("Nomad runs no command in a guest", "a check of a port or a page takes its place")
        notes.append(note(vm, "healthcheck", why, "command"))
    for port in ports:
        body = (
            Attribute("name", _service_name(project, service, port)),
            Attribute("provider", "nomad"),
            Attribute("port", port.label),
        )
        yield Block("service", (), (*body, *_checks(vm, port)))


def _service_name(project: str, service: Service, port: Port) -> str:
    return f"{project}-{service.name}-{port.label.replace('_', '-')}"


def _checked_port(check: Healthcheck | None) -> int:
    if check is None or check.command:
        return 0
    return check.tcp if check.tcp is not None else int((check.http or "").partition("/")[0])


def _checks(vm: DesiredVm, port: Port) -> Iterable[Block]:
    check = vm.healthcheck
    if check is None or port.protocol != "tcp" or _checked_port(check) != port.guest:
        return
    kind = [Attribute("type", "tcp")]
    if check.http is not None:
        kind = [Attribute("type", "http"), Attribute("path", f"/{check.http.partition('/')[2]}")]
    times = [
        Attribute("interval", seconds(max(check.interval_s, LEAST_INTERVAL_S))),
        Attribute("timeout", seconds(CHECK_TIMEOUT_S)),
    ]
    yield Block("check", (), (*kind, *times))
