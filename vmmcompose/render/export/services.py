"""Replicas that differ in nothing but their number, as one service with a count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmmcompose.model.desired import DesiredVm, Forward
from vmmcompose.render.export.values import base_name


@dataclass(frozen=True, slots=True)
class Service:
    """One VM, or replicas that are alike."""

    name: str
    vm: DesiredVm
    """The first of them."""
    members: tuple[str, ...]
    """Their names."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.members)


def services(vms: Sequence[DesiredVm]) -> tuple[Service, ...]:
    """Services by name. Replicas that differ (by `${VMM_INDEX}`, a volume or odd ports) are one service each."""
    groups: dict[str, list[DesiredVm]] = {}
    for vm in vms:
        groups.setdefault(base_name(vm), []).append(vm)
    found: list[Service] = []
    for name, members in groups.items():
        members.sort(key=lambda vm: vm.replica)
        if all(_alike(members[0], vm, index) for index, vm in enumerate(members)):
            found.append(Service(name, members[0], tuple(vm.name for vm in members)))
        else:
            found += [Service(vm.name, vm, (vm.name,)) for vm in members]
    return tuple(sorted(found, key=lambda service: service.name))


def service_names(found: Sequence[Service]) -> dict[str, str]:
    """The service of each VM, by the VM's name."""
    return {member: service.name for service in found for member in service.members}


def _alike(first: DesiredVm, vm: DesiredVm, index: int) -> bool:
    ports = tuple(replace(port, host=port.host + index) for port in first.ports)
    same = replace(first, name=vm.name, replica=vm.replica, ports=ports)
    shared = not index or all(attachment.mode == "ro" for attachment in vm.volumes)
    return shared and replace(vm, ports=_sorted(vm.ports)) == replace(same, ports=_sorted(ports))


def _sorted(ports: tuple[Forward, ...]) -> tuple[Forward, ...]:
    return tuple(sorted(ports))
