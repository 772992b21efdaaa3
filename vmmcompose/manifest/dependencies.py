"""Who waits for whom: known names and no circles."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from vmmcompose.manifest.report import BAD, Report, quoted, subject
from vmmcompose.manifest.source import At
from vmmcompose.manifest.suggest import Suggester
from vmmcompose.model.desired import Dependency

_LONGEST = 12
"""Names of a circle that a message shows."""
Found = list[tuple[Dependency, At]]
"""What a VM waits for, each with where it stands."""
Graph = Mapping[str, Mapping[str, At]]
"""VM, the VMs it waits for, and where that is said."""


def dependencies(value: Any, at: At, report: Report) -> Found:  # noqa: ANN401 - both forms
    """What one VM waits for, each with where it stands; names are not looked up yet."""
    found: dict[str, tuple[Dependency, At]] = {}
    for wanted, here in _entries(value, at):
        if wanted.vm in found:
            report.add("depends-on", here, f"{subject(here)} names {quoted(wanted.vm)} for a second time")
        else:
            found[wanted.vm] = wanted, here
            report.sources.name_entry(here, wanted.vm)
    return list(found.values())


def expanded(found: Found, replicas: Mapping[str, tuple[str, ...]]) -> tuple[Dependency, ...]:
    """The dependencies, with all its replicas in the place of a VM that stands for several."""
    wanted = {vm: replace(one, vm=vm) for one, _ in found for vm in replicas.get(one.vm, (one.vm,))}
    wanted.update({one.vm: one for one, _ in found if one.vm not in replicas})
    return tuple(sorted(wanted.values()))


def check_names(graph: Graph, known: Collection[str], replicas: Mapping[str, str], report: Report) -> None:
    """Reports VMs that do not exist or wait for themselves; `replicas` are known too, each with its VM."""
    suggester = Suggester()
    for vm, targets in graph.items():
        for target, at in targets.items():
            on_key = isinstance(at[-1], str)
            if target not in known and target not in replicas:
                near = suggester.nearest(target, known)
                hint = f"did you mean `{near}`?" if near else "`depends_on` names VMs of this manifest"
                message = f"VM {quoted(vm)} depends on {quoted(target)}, which is not there"
                report.add("unknown-vm", at, message, hint, on_key=on_key)
            elif replicas.get(target, target) == vm:
                report.add(
                    "dependency-cycle", at, f"VM {quoted(vm)} depends on itself", "delete it", on_key=on_key
                )


def check_circles(graph: Graph, report: Report) -> None:
    """Reports every circle of VMs that wait for each other; each VM is in one report at most."""
    done: set[str] = set()
    for start in graph:
        trail: list[str] = []
        position: dict[str, int] = {}
        rest = [iter((start,))]
        while rest:
            vm = next(rest[-1], None)
            if vm is None:
                rest.pop()
                if trail:
                    name = trail.pop()
                    del position[name]
                    done.add(name)
            elif vm in position:
                circle = trail[position[vm] :]
                if len(circle) > 1 and done.isdisjoint(circle):
                    _report_circle(circle, graph, report)
                    done.update(circle)
            elif vm not in done and vm in graph:
                position[vm] = len(trail)
                trail.append(vm)
                rest.append(iter(graph[vm]))


def _report_circle(circle: list[str], graph: Graph, report: Report) -> None:
    order = {name: index for index, name in enumerate(graph)}
    first = circle.index(min(circle, key=order.__getitem__))
    names = circle[first:] + circle[: first + 1]
    shown = [quoted(name) for name in names]
    if len(shown) > _LONGEST:
        shown[_LONGEST - 2 : -1] = [f"{len(shown) - _LONGEST + 1} more"]
    message = f"these VMs wait for each other: {' → '.join(shown)}"
    at = graph[names[-2]][names[-1]]
    report.add(
        "dependency-cycle", at, message, "one of them must start first", on_key=isinstance(at[-1], str)
    )


def _entries(value: Any, at: At) -> Iterable[tuple[Dependency, At]]:  # noqa: ANN401
    if isinstance(value, dict):
        for name, entry in value.items():
            given = entry if isinstance(entry, dict) else {}
            condition, required = given.get("condition", "started"), given.get("required", True)
            if condition is not BAD and required is not BAD:
                yield Dependency(name, condition, required), (*at, name)
            else:
                yield Dependency(name), (*at, name)
    else:
        for index, name in enumerate(value):
            if name is not BAD:
                yield Dependency(name), (*at, index)
