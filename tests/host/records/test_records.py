"""Records on a real disk: whole or not at all, readable by all, secrets only by root, never skipped."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from projects import edit as changed
from projects import plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.errors import HostError
from vmmcompose.host.files import temp_path
from vmmcompose.host.records import delete_record, read_record, read_records, write_record
from vmmcompose.model.desired import GuestFile, Healthcheck
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record, UnreadableRecord


def full_record() -> Record:
    """A record that uses every field."""
    desired = changed(
        shop(),
        "web",
        env=(("TOKEN", "s3cret"),),
        files=(GuestFile("/etc/motd", "hello \udcff", mode=0o600, uid=1),),
        labels=(("a", "b"),),
        dns=("192.0.2.53",),
        ssh_keys=("ssh-ed25519 AAAA me",),
        healthcheck=Healthcheck(command=("true", "x y")),
    )
    host = SimulatedHost()
    host.run(plan_for(host, desired))
    return replace(host.records["shop-web"], created="2026-01-02T03:04:05Z", process=Process(7, 8, "b"))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(PurePosixPath(tmp_path))


def test_a_record_comes_back_as_it_was_written(paths: Paths) -> None:
    record = full_record()
    write_record(paths, record)
    assert read_records(paths) == ((record,), ())


def test_secrets_are_not_in_the_part_that_everybody_reads(paths: Paths) -> None:
    write_record(paths, full_record())
    public = Path(paths.record("shop-web"))
    assert "s3cret" not in public.read_text()
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert stat.S_IMODE(os.stat(paths.secrets("shop-web")).st_mode) == 0o600


def test_an_intent_that_is_cut_off_before_its_secrets_is_still_an_intent(paths: Paths) -> None:
    record = full_record()
    write_record(paths, record)
    temp_path(paths.secrets("shop-web")).mkdir()  # nothing can be written there
    wanted = replace(record, state="starting", spec=replace(record.spec, env=(("TOKEN", "other"),)))
    with pytest.raises(HostError):
        write_record(paths, wanted)
    found = read_record(paths, "shop-web")
    assert isinstance(found, Record)
    assert (found.state, found.spec.env) == ("starting", record.spec.env)


def test_a_record_without_secrets_leaves_no_secret_file_of_an_older_one(paths: Paths) -> None:
    record = full_record()
    write_record(paths, record)
    write_record(paths, replace(record, spec=replace(record.spec, env=(), files=())))
    assert not os.path.exists(paths.secrets("shop-web"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "'process' is missing"),
    ],
)
def test_what_cannot_be_read_is_reported_and_never_skipped(paths: Paths, text: str, words: str) -> None:
    write_record(paths, full_record())
    Path(paths.record("broken")).write_text(text)
    records, unreadable = read_records(paths)
    assert [record.spec.name for record in records] == ["shop-web"]
    assert [(bad.name, words in bad.why) for bad in unreadable] == [("broken", True)]


Edit = Callable[[dict[str, Any]], object]
EDITS: list[tuple[str, Edit]] = [
    ("spec.cpus", lambda record: record["spec"].update(cpus="two")),
    ("spec.cpus", lambda record: record["spec"].update(cpus=True)),
    ("spec.memory_mib", lambda record: record["spec"].update(memory_mib=1.5)),
    ("spec.ip", lambda record: record["spec"].update(ip=None)),
    ("spec.ip", lambda record: record["spec"].update(ip="172.16.0.300")),
    ("spec.mac", lambda record: record["spec"].update(mac="zz")),
    ("spec.tap", lambda record: record["spec"].update(tap="lo")),
    ("spec.id", lambda record: record["spec"].update(id="../../../etc")),
    ("spec.id", lambda record: record["spec"].update(id=[1])),
    ("spec.name", lambda record: record["spec"].update(project="other")),
    ("spec.driver", lambda record: record["spec"].update(driver=None)),
    ("spec.ports", lambda record: record["spec"]["ports"][0].update(host="80 -j ACCEPT")),
    ("spec.ports.host", lambda record: record["spec"]["ports"][0].update(host=0)),
    ("spec.ports.bind", lambda record: record["spec"]["ports"][0].update(bind="1.2.3.4\n-A INPUT -j DROP")),
    ("spec.mounts.tag", lambda record: record["spec"]["mounts"][0].update(tag="../../x")),
    ("process.pid", lambda record: record["process"].update(pid=-1)),
    ("process.pid", lambda record: record["process"].update(pid="1")),
    ("process.pid", lambda record: record["process"].update(pid=10**30)),
    ("state", lambda record: record.update(state="flying")),
    ("state", lambda record: record.update(state=[])),
    ("started", lambda record: record.update(started=5)),
]


@pytest.mark.parametrize(("words", "edit"), EDITS)
def test_a_value_that_cannot_be_is_named(paths: Paths, words: str, edit: Edit) -> None:
    write_record(paths, full_record())
    file = Path(paths.record("shop-web"))
    value = json.loads(file.read_text())
    edit(value)
    file.write_text(json.dumps(value))
    bad = read_record(paths, "shop-web")
    assert isinstance(bad, UnreadableRecord)
    assert f"{words} cannot be " in bad.why


def test_the_address_of_a_damaged_record_stays_known(paths: Paths) -> None:
    write_record(paths, full_record())
    file = Path(paths.record("shop-web"))
    value = json.loads(file.read_text())
    del value["state"]
    file.write_text(json.dumps(value))
    bad = read_record(paths, "shop-web")
    assert isinstance(bad, UnreadableRecord)
    assert bad.ip == value["spec"]["ip"]


def test_a_record_of_the_go_tool_is_recognised_and_its_address_blocked(paths: Paths) -> None:
    os.makedirs(paths.vms())
    Path(paths.record("old")).write_text(
        json.dumps({"name": "old", "ip_address": "172.16.0.9", "state": "running"})
    )
    assert read_records(paths)[1] == (
        UnreadableRecord(
            "old", str(paths.record("old")), "'schema_version' is missing", foreign=True, ip="172.16.0.9"
        ),
    )


def test_a_record_under_another_name_is_refused(paths: Paths) -> None:
    write_record(paths, full_record())
    os.rename(paths.record("shop-web"), paths.record("copy"))
    assert "another VM" in read_records(paths)[1][0].why


def test_deleting_twice_is_fine(paths: Paths) -> None:
    write_record(paths, full_record())
    delete_record(paths, "shop-web")
    delete_record(paths, "shop-web")
    assert read_records(paths) == ((), ())


def test_no_folder_means_no_records(paths: Paths) -> None:
    assert read_records(paths) == ((), ())
