"""What is wrong with several replicas of one VM in the same way is one problem."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from vmmcompose.model.desired import Desired
from vmmcompose.model.problem import Problem

_WORD = re.compile(r"[\w-]+")


def told_once(problems: Iterable[Problem], desired: Desired) -> tuple[Problem, ...]:
    """The problems in their order, each kind of them once: about the VM that has the replicas."""
    kinds = {vm.name: vm.replica_of for vm in desired.vms if vm.replica_of}
    found: dict[Problem, list[Problem]] = {}
    for problem in problems:
        name = str(problem.at[1]) if len(problem.at) > 1 and problem.at[0] == "vms" else ""
        same = _about(problem, name, kinds[name]) if name in kinds else problem
        found.setdefault(same, []).append(problem)
    counts = Counter(kinds.values())
    return tuple(
        _of_all(same, [str(one.at[1]) for one in alike], counts[str(same.at[1])])
        if len(alike) > 1 and same != alike[0]
        else alike[0]
        for same, alike in found.items()
    )


def _about(problem: Problem, vm: str, kind: str) -> Problem:
    at, message = ("vms", kind, *problem.at[2:]), problem.message.replace(f"`{vm}`", f"`{kind}`")
    hint = problem.hint
    if vm in hint:  # as a whole word: neither in `web-12` nor in `shop-web-1`
        hint = _WORD.sub(lambda found: kind if found[0] == vm else found[0], hint)
    return replace(problem, at=at, message=message, hint=hint)


def _of_all(same: Problem, vms: list[str], there: int) -> Problem:
    """The problem of these replicas; of some of them only it says of how many."""
    if len(set(vms)) == there:
        return same
    kind = f"`{same.at[1]}`"
    return replace(
        same, message=same.message.replace(kind, f"{kind} ({len(set(vms))} of {there} replicas)", 1)
    )
