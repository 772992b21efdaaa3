"""Which VMs a boot brings up."""

import pytest
from driver_case import make_spec

from vmmcompose.model.autostart import Enabled
from vmmcompose.model.desired import Restart
from vmmcompose.model.record import Process, Record, State
from vmmcompose.plan.autostart import due, groups

NOW, BEFORE = "boot-2", "boot-1"
SHOP = Enabled(projects=("shop",))


def record(
    state: State = "running",
    boot: str = BEFORE,
    vm: str = "web",
    project: str = "shop",
    *,
    process: bool = True,
    restart: Restart = "always",
) -> Record:
    name = f"{project}-{vm}" if project else vm
    return Record(
        make_spec("qemu", vm=vm, name=name, project=project, restart=restart),
        state,
        Process(pid=7, start_time=70, boot_id=boot) if process else None,
    )


@pytest.mark.parametrize("state", ["running", "starting", "paused"])
def test_what_ran_when_the_host_went_down_is_brought_up(state: State) -> None:
    assert due(record(state), SHOP, NOW)


@pytest.mark.parametrize("state", ["stopped", "stopping", "creating", "deleting"])
def test_what_was_stopped_or_never_started_stays_down(state: State) -> None:
    assert not due(record(state), SHOP, NOW)


def test_a_vm_of_this_boot_is_left_as_it_is() -> None:
    assert not due(record(boot=NOW), SHOP, NOW)


def test_a_start_that_the_hosts_end_cut_short_is_taken_up() -> None:
    assert due(record("starting", process=False), SHOP, NOW)


def test_only_what_is_enabled_is_brought_up() -> None:
    assert not due(record(project="blog"), SHOP, NOW)
    assert not due(record(project="", vm="shop"), SHOP, NOW)  # a single VM that is called as a project
    assert due(record(project="blog"), Enabled(vms=("blog-web",)), NOW)
    assert due(record(project="", vm="dev"), Enabled(vms=("dev",)), NOW)


@pytest.mark.parametrize(("policy", "wanted"), [("no", False), ("on-failure", True), ("always", True)])
def test_a_restart_policy_of_no_keeps_a_vm_down(policy: Restart, *, wanted: bool) -> None:
    assert due(record(restart=policy), SHOP, NOW) is wanted


def test_a_projects_vms_come_up_together_and_single_vms_alone() -> None:
    records = [record(vm="web"), record(vm="db"), record(vm="old", state="stopped")]
    records += [record(vm="a", project=""), record(vm="b", project="", restart="no")]
    enabled = Enabled(projects=("shop",), vms=("a", "b"))
    assert groups(records, enabled, NOW) == {("", "a"): ("a",), ("shop", ""): ("db", "web")}
