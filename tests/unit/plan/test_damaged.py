"""Disks and volumes that are cut short or no file systems: who runs is left alone, and nobody starts with them."""

from dataclasses import replace

from projects import converged, plan_for
from simulated_host import MIB

from vmmcompose.cli.project import as_recorded
from vmmcompose.model.desired import Attachment, Desired, DesiredVm, Volume
from vmmcompose.model.observed import Disk, VolumeImage
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan

WITH_DATA = Desired(
    "lab",
    (DesiredVm("a", "tiny", volumes=(Attachment("data", "/data"),)),),
    volumes=(Volume("data", 64),),
)


def errors(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.problems if problem.severity == "error"]


def test_a_damaged_root_disk_stops_nobody_and_lets_nobody_start() -> None:
    desired = Desired("lab", (DesiredVm("a", "tiny"), DesiredVm("b", "tiny")))
    host = converged(desired)
    host.disks["lab-a"] = Disk(8 * MIB, host.disks["lab-a"].info, "root.ext4 is cut short")
    plan = plan_for(host, desired)
    assert not plan.steps, "who runs on it is not stopped to grow what cannot be grown"
    assert [(one.code, one.severity) for one in plan.problems] == [("disk-damaged", "warning")]
    assert errors(plan_for(host, desired, Options(restart=True))) == ["disk-damaged"]
    anew = plan_for(host, desired, Options(recreate=True, only=("a",)))
    assert errors(anew) == []
    host.run(anew)
    assert not plan_for(host, desired).problems


def test_a_damaged_volume_stops_nobody_and_lets_nobody_start() -> None:
    host = converged(WITH_DATA)
    host.volumes["lab", "data"] = VolumeImage(8 * MIB, "data.ext4 is cut short")
    plan = plan_for(host, WITH_DATA)
    assert not plan.steps, "who runs on it is not stopped to grow what cannot be grown"
    assert [(one.code, one.severity) for one in plan.problems] == [("volume-damaged", "warning")]
    again = plan_for(host, WITH_DATA, Options(restart=True))
    assert errors(again) == ["volume-damaged"]
    host.run(plan_for(host, replace(WITH_DATA, vms=(replace(WITH_DATA.vms[0], power="stopped"),))))
    alone = Desired("lab", inactive=as_recorded("lab", host.records.values()).vms)
    assert errors(plan_for(host, alone, Options(volumes=("data",)))) == []
