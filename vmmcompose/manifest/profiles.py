"""Which VMs of a manifest are there: those without profiles, those of a chosen one, those that a command names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vmmcompose.manifest.report import BAD, Report
from vmmcompose.manifest.source import At
from vmmcompose.manifest.values import profile_name
from vmmcompose.model.choice import ALL_PROFILES, Choice


@dataclass(frozen=True, slots=True)
class Member:
    """What bears on whether a VM is there."""

    profiles: tuple[str, ...]
    depends_on: frozenset[str]
    """Names of the VMs it waits for, as the manifest has them."""


def profiles(values: list[Any], at: At, report: Report) -> tuple[str, ...]:
    """A VM's profiles, sorted, each once."""
    found = [
        report.attempt((*at, i), profile_name, value) for i, value in enumerate(values) if value is not BAD
    ]
    return tuple(sorted({name for name in found if name}))


def active(members: Mapping[str, Member], choice: Choice, named: Iterable[str]) -> frozenset[str]:
    """The VMs that are there; `named` are those on the command line, as the manifest has them.

    A named VM brings what it depends on and shares a profile with, and no other VM of its profiles: as in compose.
    """
    chosen = frozenset(choice.profiles)
    found = {
        vm
        for vm, member in members.items()
        if not member.profiles or ALL_PROFILES in chosen or chosen.intersection(member.profiles)
    }
    queue = [(vm, members[vm].profiles) for vm in named if vm in members]
    while queue:
        vm, shared = queue.pop()
        if vm not in found:
            found.add(vm)
            near = (other for other in members[vm].depends_on if other in members)
            queue += [(other, shared) for other in near if set(shared) & set(members[other].profiles)]
    return frozenset(found)
