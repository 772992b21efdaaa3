"""Which project and which VMs a command means, and what `ps` makes of their records."""

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from vmmcompose.cli.invocation import Invocation
from vmmcompose.cli.project import choose, find_record, load_desired, project_name, with_power
from vmmcompose.cli.ps import live_state
from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.lockview import busy
from vmmcompose.host.process import identify
from vmmcompose.host.records import write_record
from vmmcompose.model.desired import Desired, DesiredVm, Forward
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec, host_name

ROOT = Path(__file__).parents[3]
_ME = identify(os.getpid())
assert _ME is not None
ALIVE: Process = _ME


def record(project: str, vm: str, **fields: Any) -> Record:
    spec = VmSpec(
        host_name(project, vm), "0123456789ab", project, vm, "qemu", "tiny", "default", "", 2, 64, 64, vm,
        "172.16.0.2", 16, "172.16.0.1", "06:00:ac:10:00:02", "vmm-0123456789a", ports=(Forward(8080, 80),),
        env=(("SECRET", "xyzzy"),),
    )  # fmt: skip
    return Record(spec, **{"state": "running", "process": ALIVE, "started": "2026-11-01T00:00:00Z", **fields})


@pytest.fixture
def invocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invocation:
    project = tmp_path / "shop"
    project.mkdir()
    monkeypatch.chdir(project)
    paths = Paths(PurePosixPath(tmp_path / "data"))
    for found in (
        record("shop", "web"),
        record("shop", "db"),
        record("other", "web"),
        record("other", "shop-db"),
    ):
        write_record(paths, found)
    return Invocation(data_dir=str(paths.root))


def test_short_names_before_host_names(invocation: Invocation) -> None:
    (Path.cwd() / "vmm.yaml").write_text("name: shop\nvms: {}\n")
    assert find_record(invocation, "web").spec.name == "shop-web"
    assert find_record(invocation, "other-web").spec.name == "other-web"
    invocation.project = "other"
    assert find_record(invocation, "web").spec.name == "other-web"
    assert find_record(invocation, "shop-db").spec.name == "other-shop-db"


def test_outside_of_a_project_only_host_names(invocation: Invocation) -> None:
    assert find_record(invocation, "shop-web").spec.name == "shop-web"
    with pytest.raises(UsageError) as caught:
        find_record(invocation, "shopweb")
    assert caught.value.hint == "did you mean 'shop-web'?"


def test_an_unreadable_record_is_named_and_not_missing(invocation: Invocation) -> None:
    path = Path(str(invocation.paths().record("shop-web")))
    path.write_text("{")
    invocation.project = "shop"
    with pytest.raises(HostError, match="record of VM shop-web cannot be read"):
        find_record(invocation, "web")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: shop  # ours\nvms: {}\n", "shop"),
        ("# name: no\nvms:\n  web: {image: tiny, labels: {name: no}}\nname: shop\n", "shop"),
        ("name: 'quoted'\nvms:\n  web: {image: tiny}\n", "quoted"),
        ("{name: flow, vms: {web: {image: tiny}}}\n", "flow"),
        ("vms:\n  web: {image: tiny}\n", "shop"),
    ],
)
def test_project_name(invocation: Invocation, text: str, name: str) -> None:
    (Path.cwd() / "vmm.yaml").write_text(text)
    assert project_name(invocation) == name


@pytest.mark.parametrize(
    ("base", "over", "name"),
    [
        ("name: shop\nvms: {web: {image: tiny}}\n", "vms: {web: {cpus: 2}}\n", "shop"),
        ("name: shop\nvms: {web: {image: tiny}}\n", "name: other\n", "other"),
        ("name: shop\nvms: {web: {image: tiny}}\n", '"name": other\n', "other"),
        ("name: shop\nvms: {web: {image: tiny}}\n", '{"name": "other"}\n', "other"),
        ("name: mine\nvms: {web: {image: tiny}}\n", "name: !reset\n", "shop"),
        ("vms: {web: {image: tiny}}\n", "vms: {web: {cpus: 2}}\n", "shop"),
    ],
)
def test_project_name_of_two_files(invocation: Invocation, base: str, over: str, name: str) -> None:
    (Path.cwd() / "vmm.yaml").write_text(base)
    (Path.cwd() / "vmm.override.yaml").write_text(over)
    assert project_name(invocation) == name
    desired = load_desired(invocation, from_records=False)
    assert desired.project == name, "the short way says the same as the parser"


def test_no_project_here(invocation: Invocation) -> None:
    assert project_name(invocation) == ""
    invocation.files = ("missing.yaml",)
    with pytest.raises(UsageError, match=r"missing\.yaml"):
        project_name(invocation)


def test_a_project_from_its_records(invocation: Invocation) -> None:
    invocation.project = "shop"
    desired = load_desired(invocation, from_records=True)
    # The address is the record's lease; pinned, it would be an error after a change of the subnet.
    assert [(vm.name, vm.cpus, vm.power, vm.ip) for vm in desired.vms] == [
        ("db", 2, "running", ""),
        ("web", 2, "running", ""),
    ]
    with pytest.raises(UsageError, match=r"there is no vmm\.yaml"):
        load_desired(invocation, from_records=False)
    invocation.project = "shpo"
    with pytest.raises(UsageError) as caught:
        load_desired(invocation, from_records=True)
    assert caught.value.hint == "did you mean 'shop'?"


def test_choosing_vms() -> None:
    desired = Desired("shop", (DesiredVm("db", "tiny"), DesiredVm("web", "tiny")))
    assert choose(desired, ("web", "shop-db", "web")) == ("web", "db")
    assert choose(desired, ()) == ()
    with pytest.raises(UsageError) as caught:
        choose(desired, ("wep",))
    assert caught.value.hint == "did you mean 'web'?"
    assert [vm.power for vm in with_power(desired, ("db",), "stopped").vms] == ["stopped", "running"]
    assert {vm.power for vm in with_power(desired, (), "absent").vms} == {"absent"}


def test_states() -> None:
    running = record("shop", "web")
    dead = replace(running, process=replace(ALIVE, start_time=1))
    nothing: frozenset[str] = frozenset()
    assert live_state(running, nothing) == "running"
    assert live_state(dead, nothing) == "dead"
    assert live_state(replace(dead, state="stopped"), nothing) == "stopped"
    assert live_state(replace(running, state="starting"), nothing) == "interrupted"
    assert live_state(replace(running, state="starting"), frozenset({"shop-web"})) == "starting"
    assert live_state(replace(running, state="paused"), nothing) == "paused"
    assert live_state(replace(dead, state="paused"), nothing) == "dead"


def test_a_held_lock_is_seen(tmp_path: Path) -> None:
    paths = Paths(PurePosixPath(tmp_path))
    everything = [record("shop", "web"), record("other", "web"), record("", "alone")]
    assert busy(paths, everything) == frozenset()
    Path(str(paths.state())).mkdir()
    for project, vm, name in (("shop", "web", "shop-web"), ("", "alone", "alone")):
        with Path(str(paths.work_lock(project, vm))).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert busy(paths, everything) == frozenset({name})
    assert busy(paths, everything) == frozenset()


def ps(invocation: Invocation, *args: str) -> str:
    assert invocation.data_dir is not None
    done = subprocess.run(
        [sys.executable, "-m", "vmmcompose", "--data-dir", invocation.data_dir, *args],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return done.stdout


def test_listings_and_inspect(invocation: Invocation) -> None:
    value = json.loads(ps(invocation, "-p", "shop", "ps", "--json"))
    assert value["schema_version"] == 1
    assert [(vm["vm"], vm["state"]) for vm in value["vms"]] == [("db", "running"), ("web", "running")]
    assert value["vms"][0]["ports"] == [{"bind": "", "host": 8080, "guest": 80, "protocol": "tcp"}]
    assert len(json.loads(ps(invocation, "list", "--json"))["vms"]) == 4
    assert len(json.loads(ps(invocation, "-p", "shop", "ps", "--all", "--json"))["vms"]) == 4
    assert len(ps(invocation, "-p", "shop", "ps", "web").splitlines()) == 2
    shown = ps(invocation, "-p", "shop", "inspect", "web")
    assert json.loads(shown)["spec"]["env"] == ["SECRET"]
    assert "xyzzy" not in shown


def test_ps_imports_nothing_heavy(invocation: Invocation) -> None:
    (Path.cwd() / "vmm.yaml").write_text("name: shop\nvms: {}\n")
    code = (
        "import sys; from vmmcompose.cli.main import run; run(sys.argv[1:])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--data-dir", str(invocation.data_dir), "ps"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.count("shop-") == 2
    heavy = {"rich", "yaml", "jsonschema", "pyroute2", "requests", "structlog"}
    assert not heavy & set(eval(done.stderr.splitlines()[-1]))
