"""Who waits for whom: known names and no circles."""

from collections.abc import Iterable, Mapping
from typing import Any

from vmmcompose.manifest.report import BAD, Report, quoted, subject
from vmmcompose.manifest.source import At
from vmmcompose.manifest.suggest import Suggester
from vmmcompose.model.desired import Condition, Dependency

_LONGEST = 12
"""Names of a circle that a message shows."""
Graph = Mapping[str, Mapping[str, At]]
"""VM, the VMs it waits for, and where that is said."""


def dependencies(value: Any, at: At, report: Report) -> list[tuple[Dependency, At]]:  # noqa: ANN401 - both forms
    """What one VM waits for, each with where it stands; names are not looked up yet."""
    found: dict[str, tuple[Dependency, At]] = {}
    for name, condition, here in _entries(value, at):
        if name in found:
            report.add("depends-on", here, f"{subject(here)} names {quoted(name)} for a second time")
        else:
            found[name] = (Dependency(name, condition), here)
            report.sources.name_entry(here, name)
    return list(found.values())


def check_names(graph: Graph, known: Iterable[str], report: Report) -> None:
    """Reports VMs that do not exist or wait for themselves."""
    names, suggester = frozenset(known), Suggester()
    for vm, targets in graph.items():
        for target, at in targets.items():
            on_key = isinstance(at[-1], str)
            if target not in names:
                near = suggester.nearest(target, names)
                hint = f"did you mean `{near}`?" if near else "`depends_on` names VMs of this manifest"
                message = f"VM {quoted(vm)} depends on {quoted(target)}, which is not there"
                report.add("unknown-vm", at, message, hint, on_key=on_key)
            elif target == vm:
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


def _entries(value: Any, at: At) -> Iterable[tuple[str, Condition, At]]:  # noqa: ANN401
    if isinstance(value, dict):
        for name, entry in value.items():
            chosen = entry.get("condition") if isinstance(entry, dict) else None
            yield name, "healthy" if chosen == "healthy" else "started", (*at, name)
    else:
        for index, name in enumerate(value):
            if name is not BAD:
                yield name, "started", (*at, index)
