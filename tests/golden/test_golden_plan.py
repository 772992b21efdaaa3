"""Plans as text, one file per scenario; VMM_REGEN_GOLDEN=1 writes them anew for review."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from projects import DAMAGES, converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.desired import Desired, DesiredVm, Forward, Mount
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.problem import Problem
from vmmcompose.render.plan import render_plan

FOLDER = Path(__file__).parent / "plan"
Case = Callable[[], Plan]


def changed(vm: str, **changes: object) -> Case:
    return lambda: plan_for(converged(shop()), edit(shop(), vm, **changes))


def damaged(name: str) -> Case:
    def case() -> Plan:
        host = converged(shop())
        DAMAGES[name](host)
        return plan_for(host, shop())

    return case


def with_options(options: Options) -> Case:
    return lambda: plan_for(converged(shop()), shop(), options)


def down() -> Plan:
    gone = replace(shop(), vms=tuple(replace(vm, power="absent") for vm in shop().vms))
    return plan_for(converged(shop()), gone, Options(remove_orphans=True))


def rw_mount_removed() -> Plan:
    before = edit(shop(), "db", mounts=(Mount("data", "/srv/data", "rw"),))
    return plan_for(converged(before), shop())


def forgotten() -> Plan:
    """The record and the manifest's entry of `web` are gone; its process lives."""
    host = converged(shop())
    del host.records["shop-web"]
    return plan_for(host, Desired("shop", shop().vms[:1]))


def forgotten_and_dead() -> Plan:
    host = converged(shop())
    host.processes.pop(host.records.pop("shop-web").spec.id)
    return plan_for(host, Desired("shop", shop().vms[:1]))


def interrupted() -> Plan:
    host = SimulatedHost()
    plan = plan_for(host, shop())
    host.run(plan, stop_after=len(plan.steps) // 2)
    return plan_for(host, shop())


def other_project_has_the_port() -> Plan:
    host = converged(shop())
    return plan_for(host, Desired("blog", (DesiredVm("www", "tiny", ports=(Forward(8080, 80),)),)))


CASES: dict[str, Case] = {
    "first-up": lambda: plan_for(SimulatedHost(), shop()),
    "second-up": lambda: plan_for(converged(shop()), shop()),
    "cpus": changed("web", cpus=2),
    "memory-and-cpus": changed("db", cpus=4, memory_mib=1024),
    "ports-added": changed("web", ports=(Forward(8080, 80), Forward(2222, 22, bind="127.0.0.1"))),
    "ports-moved": changed("web", ports=(Forward(9090, 80),)),
    "labels": changed("web", labels=(("tier", "front"),)),
    "image": changed("db", image="debian-12"),
    "no-such-image": changed("db", image="debian-13"),
    "disk-bigger": changed("db", disk_mib=4096),
    "disk-smaller": changed("db", disk_mib=512),
    "mount-other-folder": changed("web", mounts=(Mount("site", "/srv/other", "ro"),)),
    "mount-made-writable": changed("web", mounts=(Mount("site", "/srv/site", "rw"),)),
    "env-is-hidden": changed("db", env=(("PASSWORD", "swordfish"),)),
    "hostname": changed("db", hostname="database"),
    "firecracker-is-missing": changed("db", hypervisor="firecracker"),
    "stop-one": changed("web", power="stopped"),
    "recreate": with_options(Options(recreate=True, only=("db",))),
    "restart": with_options(Options(restart=True)),
    "orphan-noted": lambda: plan_for(converged(shop()), Desired("shop", shop().vms[:1])),
    "orphan-removed": lambda: plan_for(
        converged(shop()), Desired("shop", shop().vms[:1]), Options(remove_orphans=True)
    ),
    "rw-mount-removed": rw_mount_removed,
    "interrupted": interrupted,
    "forgotten": forgotten,
    "forgotten-and-dead": forgotten_and_dead,
    "port-of-another-project": other_project_has_the_port,
    "down": down,
    **{f"healed-{name.replace(' ', '-')}": damaged(name) for name in DAMAGES},
}


def as_text(plan: Plan) -> str:
    return render_plan(plan) + "".join(_line(problem) for problem in plan.problems)


def _line(problem: Problem) -> str:
    return f"{problem.severity}[{problem.code}] {'.'.join(map(str, problem.at))}: {problem.message} ({problem.hint})\n"


@pytest.mark.parametrize("name", sorted(CASES))
def test_plan_reads_as_it_should(name: str) -> None:
    text = as_text(CASES[name]())
    file = FOLDER / f"{name}.txt"
    if os.environ.get("VMM_REGEN_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def test_no_expected_text_is_left_without_its_case() -> None:
    assert {file.stem for file in FOLDER.glob("*.txt")} == set(CASES)
