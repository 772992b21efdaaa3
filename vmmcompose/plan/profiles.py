"""VMs that cannot be without others whose profiles nobody chose."""

from collections.abc import Iterable

from vmmcompose.model.desired import Desired
from vmmcompose.model.problem import Problem


def check_profiles(desired: Desired, meant: Iterable[str]) -> list[Problem]:
    """A problem for each VM that is to run and needs one that is not there; `meant` are the VMs that are to run."""
    absent, running = {vm.name: vm for vm in desired.inactive}, frozenset(meant)
    problems: dict[tuple[str, str], Problem] = {}
    for vm in desired.vms if absent else ():
        if vm.name not in running:
            continue
        for wanted in vm.depends_on:
            other = absent.get(wanted.vm)
            if other is None or not wanted.required:
                continue
            own, needed = vm.replica_of or vm.name, other.replica_of or other.name
            names = " or ".join(f"`{profile}`" for profile in other.profiles)
            problems.setdefault(
                (own, needed),
                Problem(
                    "inactive-dependency",
                    f"VM `{own}` needs VM `{needed}`, which is there with profile {names} only",
                    ("vms", own, "depends_on", needed),
                    f"choose it: `vmm --profile {other.profiles[0]} …`; or say `required: false`",
                ),
            )
    return list(problems.values())
