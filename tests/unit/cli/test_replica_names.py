"""What the name of a VM with replicas means on the command line, and other numbers than the manifest's."""

import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from click.testing import CliRunner

from vmmcompose.cli.invocation import Invocation
from vmmcompose.cli.main import run, vmm
from vmmcompose.cli.project import choose, find_record, find_records, load_desired, with_everybody
from vmmcompose.cli.scale import check_scale
from vmmcompose.cli.targets import recorded, wanted
from vmmcompose.errors import UsageError
from vmmcompose.host.process import identify
from vmmcompose.host.records import write_record
from vmmcompose.model.desired import Desired, DesiredVm
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec, host_name

MANIFEST = """
name: shop
defaults: {image: tiny}
vms:
  web: {replicas: 2}
  none: {replicas: 0}
  db: {}
  tracer: {profiles: [debug]}
  many: {profiles: [debug], replicas: 2}
"""


def record(project: str, vm: str, number: int = 0) -> Record:
    name = f"{vm}-{number}" if number else vm
    spec = VmSpec(
        host_name(project, name), "0123456789ab", project, name, "qemu", "tiny", "default", "", 1, 64, 64, name,
        "172.16.0.2", 16, "172.16.0.1", "06:00:ac:10:00:02", "vmm-0123456789a",
        replica_of=vm if number else "", replica=number,
    )  # fmt: skip
    return Record(spec, "running", identify(os.getpid()), started="2026-11-01T00:00:00Z")


@pytest.fixture
def invocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invocation:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "vmm.yaml").write_text(MANIFEST)
    monkeypatch.chdir(project)
    paths = Paths(PurePosixPath(tmp_path / "data"))
    for number in (1, 2, 3, 10):
        write_record(paths, record("shop", "web", number))
    for found in (record("shop", "tracer"), record("other", "web", 1), record("other", "api", 1)):
        write_record(paths, found)
    return Invocation(data_dir=str(paths.root))


def names(records: Any) -> list[str]:
    return [record.spec.name for record in records]


def test_a_vm_with_replicas_is_all_of_them_in_their_order(invocation: Invocation) -> None:
    assert names(find_records(invocation, "web")) == ["shop-web-1", "shop-web-2", "shop-web-3", "shop-web-10"]
    assert names(find_records(invocation, "shop-web")) == names(find_records(invocation, "web"))
    assert names(find_records(invocation, "other-api")) == ["other-api-1"]
    assert names(find_records(invocation, "web-3")) == ["shop-web-3"]


def test_who_wants_one_is_told_the_names_or_takes_the_first(invocation: Invocation) -> None:
    with pytest.raises(UsageError, match="means 4 VMs") as caught:
        find_record(invocation, "web")
    assert caught.value.hint == "name one of them: web-1, web-2, web-3, web-10"
    assert find_record(invocation, "web", any_replica=True).spec.vm == "web-1"
    assert find_record(invocation, "other-api").spec.name == "other-api-1"


def test_a_name_nearly_right_is_told(invocation: Invocation) -> None:
    with pytest.raises(UsageError) as caught:
        find_records(invocation, "wbe")
    assert caught.value.hint == "did you mean 'web'?"


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (["web"], ("web-1", "web-2", "web")),
        (["shop-web"], ("web-1", "web-2", "web")),
        (["web-2", "web"], ("web-2", "web-1", "web")),
        (["web-2"], ("web-2",)),
        (["none"], ("none",)),
        (["db", "shop-web-1"], ("db", "web-1")),
    ],
)
def test_choosing(invocation: Invocation, given: list[str], chosen: tuple[str, ...]) -> None:
    assert choose(load_desired(invocation, from_records=False), given) == chosen


@pytest.mark.parametrize("name", ["web-3", "tracer", "many"])
def test_what_the_project_does_not_have_now_is_refused(invocation: Invocation, name: str) -> None:
    with pytest.raises(UsageError, match="there is no VM"):
        choose(load_desired(invocation, from_records=False), [name])


@pytest.mark.parametrize(
    ("name", "chosen"), [("tracer", ("tracer",)), ("many", ("many-1", "many-2", "many"))]
)
def test_a_named_vm_is_there_whatever_its_profiles(
    invocation: Invocation, name: str, chosen: tuple[str, ...]
) -> None:
    assert choose(load_desired(invocation, from_records=False, names=[name]), [name]) == chosen


def test_who_ends_vms_means_those_of_every_profile(invocation: Invocation) -> None:
    (target,) = wanted(invocation, (), ending=True)
    assert {vm.name for vm in target.vms} == {"web-1", "web-2", "db", "tracer", "many-1", "many-2"}
    (target,) = wanted(invocation, ())
    assert {vm.name for vm in target.vms} == {"web-1", "web-2", "db"}
    (target,) = wanted(invocation, ("tracer",), ending=True)
    assert [vm.name for vm in target.vms] == ["tracer"]


def test_records_alone_know_replicas_too(invocation: Invocation) -> None:
    (target,) = recorded(invocation, ("web",))
    assert target.only == ("web-1", "web-2", "web-3", "web-10")


def test_everybody_is_what_down_takes() -> None:
    web, tracer = DesiredVm("web-1", "tiny", replica_of="web", replica=1), DesiredVm("tracer", "tiny")
    desired = with_everybody(Desired("shop", (web,), inactive=(tracer,), replicas=(("web", 1),)))
    assert (desired.vms, desired.inactive, desired.replicas) == ((web, tracer), (), ())


def test_scale_wins_over_the_manifest(invocation: Invocation) -> None:
    desired = load_desired(invocation, from_records=False, scale=(("none", 1), ("web", 3)))
    assert desired.replicas == (("none", 1), ("web", 3))
    assert {vm.name for vm in desired.vms} == {"none-1", "web-1", "web-2", "web-3", "db"}


@pytest.mark.parametrize(
    ("scale", "message", "hint"),
    [
        (
            ("db", 2),
            "VM 'db' has no `replicas`",
            "write `replicas: 2` into the manifest: the VM is then called db-1",
        ),
        (("wbe", 2), "there is no VM 'wbe' in project shop", "did you mean 'web'?"),
        (
            ("many", 2),
            "VM 'many' is there with profile 'debug' only",
            "vmm --profile debug …, or name the VM",
        ),
        (("tracer", 2), "VM 'tracer' has no `replicas`", "write `replicas: 2`"),
    ],
)
def test_a_number_for_a_vm_without_replicas_is_refused(
    invocation: Invocation, scale: tuple[str, int], message: str, hint: str
) -> None:
    desired = load_desired(invocation, from_records=False)
    with pytest.raises(UsageError) as caught:
        check_scale(desired, (scale,))
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    "value", ["web", "web=", "=3", "web=-1", "web=x", "web=10001", "web=99999999999", "web=²"]
)
def test_a_number_that_is_none_is_a_mistake_of_usage(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--scale", value, "--dry-run"]) == 64
    assert "--scale" in capsys.readouterr().err


def test_two_numbers_for_one_vm_are_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--scale", "web=1", "--scale", "web=2"]) == 64
    assert "two numbers for web" in capsys.readouterr().err


def test_ps_shows_all_replicas_of_a_name(invocation: Invocation) -> None:
    shown = CliRunner().invoke(
        vmm, ["--data-dir", str(invocation.data_dir), "ps", "web"], standalone_mode=False
    )
    assert [line.split()[1] for line in shown.output.splitlines()[1:]] == [
        "web-1",
        "web-2",
        "web-3",
        "web-10",
    ]
