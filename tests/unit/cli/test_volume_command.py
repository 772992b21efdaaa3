"""`vmm volume` on a host with the volumes of two projects: what it shows, offers, and refuses to begin."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from projects import converged
from shop_host import environ, make_shop

from vmmcompose.host.records import write_record
from vmmcompose.host.volumes import create_volume
from vmmcompose.model.desired import Attachment, Desired, DesiredVm, Volume
from vmmcompose.model.paths import Paths


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`shop` has two, of which its stopped `db` names one, and `bank` has one."""
    found = make_shop(tmp_path)
    paths = Paths(PurePosixPath(tmp_path / "data"))
    for project, name in (("shop", "data"), ("shop", "old"), ("bank", "gold")):
        create_volume(paths, project, name, 16)
    db = DesiredVm("db", "tiny", volumes=(Attachment("data", "/data", "ro"),))
    host = converged(Desired("shop", (db,), volumes=(Volume("data", 16),)))
    write_record(paths, replace(host.records["shop-db"], state="stopped", process=None))
    return found


def vmm(place: Path, *args: str, cwd: str = ".") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["vmm", *args],
        env=environ(place),
        cwd=place / cwd,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_projects_volumes_and_who_has_them(place: Path) -> None:
    done = vmm(place, "volume", "list")
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["PROJECT", "VOLUME", "SIZE", "ON", "DISK", "VMS"]
    assert [(line[1], line[2], line[6:]) for line in lines[1:]] == [
        ("data", "16.0", ["db", "(ro)"]),
        ("old", "16.0", ["-"]),
    ]


def test_as_json_with_paths_and_what_they_take(place: Path) -> None:
    value = json.loads(vmm(place, "volume", "list", "--all", "--json").stdout)
    assert value["schema_version"] == 1
    assert [(row["project"], row["name"]) for row in value["volumes"]] == [
        ("bank", "gold"),
        ("shop", "data"),
        ("shop", "old"),
    ]
    data = value["volumes"][1]
    assert data["vms"] == [{"vm": "db", "state": "stopped", "target": "/data", "mode": "ro"}]
    assert data["size_bytes"] == 16 << 20
    assert 0 < data["allocated_bytes"] < 16 << 20
    assert Path(data["path"]).is_file()


def test_outside_of_a_project_all_are_listed(place: Path) -> None:
    assert "gold" in vmm(place, "volume", "list", cwd="..").stdout
    assert "gold" not in vmm(place, "-p", "shop", "volume", "list", cwd="..").stdout


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["volume", "delete", "dtaa"], 64, "did you mean 'data'?"),
        (["volume", "delete", "gold"], 64, "project shop has no volume 'gold' on this host"),
        (["volume", "delete"], 64, "Missing argument"),
        (["down", "--volumes", "--keep-disks"], 64, "exclude each other"),
    ],
)
def test_what_is_refused_at_once(place: Path, args: list[str], code: int, words: str) -> None:
    done = vmm(place, *args)
    assert done.returncode == code
    assert words in done.stderr


def test_without_a_project_it_says_how_to_name_one(place: Path) -> None:
    done = vmm(place, "volume", "delete", "data", cwd="..")
    assert done.returncode == 64
    assert "name it with -p" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="root is missing")
def test_a_dry_run_says_what_goes_and_who_had_it(place: Path) -> None:
    done = vmm(place, "volume", "delete", "data", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "data is lost: all that is in volume `data` (16 MiB)" in done.stdout
    assert "VM `db` has it" in done.stdout
    assert "orphan" not in done.stderr
    assert Path(place.parent / "data" / "volumes" / "shop" / "data.ext4").exists()


def test_names_are_offered(place: Path) -> None:
    env = environ(place, COMP_WORDS="vmm volume delete ", COMP_CWORD="3", _VMM_COMPLETE="bash_complete")
    done = subprocess.run(["vmm"], env=env, cwd=place, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,data", "plain,old"]
