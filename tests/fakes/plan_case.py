"""A planner's case in a folder: a manifest, what the host was like before it, and what the plan must read like.

`before.yaml` is brought up on an empty simulated host; `damage` names what happened to that host since, one of
`projects.DAMAGES` or `projects.ACCIDENTS` a line; `vmm.yaml` is planned for, and without one `before.yaml` again.
`options.json` holds fields of `Options`, and beside them

- `power`: what some VMs are meant to be, by name; `*` stands for all;
- `host`: fields of `HostFacts`;
- `stop_after`: how many steps of bringing `before.yaml` up were done, until somebody killed it;
- `fails`: steps of it that failed, as `steps.txt` calls them;
- `files`: files below the manifest's folder and their content, and `files_before` where they were others then;
- `stopped_before`: VMs that were stopped after `before.yaml` was up.
"""

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from projects import ACCIDENTS, DAMAGES, plan_for
from simulated_host import SimulatedHost

from vmmcompose.manifest import parse_manifest
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Source
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan, Step
from vmmcompose.model.problem import Problem
from vmmcompose.render.events import name_of, phase
from vmmcompose.render.plan import render_plan

BASE_DIR = "/home/ada/shop"
_OPTIONS = {field.name for field in fields(Options)}
_BESIDE = {"power", "host", "stop_after", "stopped_before", "fails", "files", "files_before"}


@dataclass(frozen=True, slots=True)
class PlanCase:
    """One folder."""

    folder: Path
    said: dict[str, Any]
    """What `options.json` says."""

    @property
    def desired(self) -> Desired:
        """What is planned for."""
        file = self.folder / "vmm.yaml"
        desired = parse_file(file if file.exists() else self.folder / "before.yaml")
        return with_power(desired, self.said.get("power", {}))

    @property
    def options(self) -> Options:
        """What the user asked for."""
        chosen: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in self.said.items()
            if key not in _BESIDE
        }
        return Options(**chosen)

    def host(self) -> SimulatedHost:
        """The host, anew each time, as it is before the plan."""
        host = SimulatedHost()
        host.facts = replace(host.facts, **self.said.get("host", {}))
        before = self.folder / "before.yaml"
        if before.exists():
            desired = parse_file(before)
            host.sources = _sources(self.said.get("files_before", self.said.get("files", {})))
            plan = plan_for(host, desired)
            fails = [step.id for step in plan.steps if _words(step) in self.said.get("fails", ())]
            assert len(fails) == len(self.said.get("fails", ())), f"{self.folder}: no such step"
            host.run(plan, stop_after=self.said.get("stop_after"), fails=fails)
            stopped = dict.fromkeys(self.said.get("stopped_before", ()), "stopped")
            if stopped:
                host.run(plan_for(host, with_power(desired, stopped)))
        host.sources = _sources(self.said.get("files", {}))
        for name in _lines(self.folder / "damage"):
            {**DAMAGES, **ACCIDENTS}[name](host)
        return host

    def plan(self) -> Plan:
        """What the planner makes of it."""
        return self.plan_on(self.host())

    def plan_on(self, host: SimulatedHost) -> Plan:
        """What the planner makes of it on this host."""
        return plan_for(host, self.desired, self.options)

    def replan(self, host: SimulatedHost) -> Plan:
        """What is left to do on a host that the plan was applied to; what was asked for once is not again."""
        calm = replace(self.options, recreate=False, rebuild=False, restart=False, rebuild_mounts=())
        return plan_for(host, self.desired, calm)


def read_case(folder: Path) -> PlanCase:
    """The case in a folder; a key that nobody reads is a mistake."""
    file = folder / "options.json"
    said = json.loads(file.read_text()) if file.exists() else {}
    assert said.keys() <= _OPTIONS | _BESIDE, f"{file}: what is {said.keys() - _OPTIONS - _BESIDE}?"
    return PlanCase(folder, said)


def plan_text(plan: Plan) -> str:
    """A plan and its problems as text."""
    return render_plan(plan) + "".join(_problem(problem) for problem in plan.problems)


def steps_text(plan: Plan) -> str:
    """A plan's steps as text, one a line, with those that each waits for."""
    return "".join(
        f"{step.id:>3} {_words(step)}{_list(' after', step.after)}{_list(' when ended', step.weak)}\n"
        for step in plan.steps
    )


def _words(step: Step) -> str:
    return f"{name_of(step.address)}: {phase(step).doing}"


def _sources(files: dict[str, str]) -> dict[str, Source]:
    return {f"{BASE_DIR}/{name}": Source("file", f"digest of {text}", text) for name, text in files.items()}


def _list(word: str, numbers: frozenset[int]) -> str:
    return f"{word} {', '.join(map(str, sorted(numbers)))}" if numbers else ""


def _problem(problem: Problem) -> str:
    at = ".".join(map(str, problem.at))
    return f"{problem.severity}[{problem.code}] {at}: {problem.message} ({problem.hint})\n"


def parse_file(file: Path) -> Desired:
    """The project that a case's manifest means."""
    return parse_manifest(file.read_bytes(), file.name, BASE_DIR).desired


def with_power(desired: Desired, power: dict[str, Any]) -> Desired:
    """The project with another power for the VMs named; `*` stands for all."""
    unknown = power.keys() - {vm.name for vm in desired.vms} - {"*"}
    assert not unknown, f"there is no VM {unknown}"
    vms = [replace(vm, power=power.get(vm.name, power.get("*", vm.power))) for vm in desired.vms]
    return replace(desired, vms=tuple(vms))


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
