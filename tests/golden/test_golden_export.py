"""Exports, a folder for each target and case: the files, and `notes.txt` with what they leave out.

VMM_REGEN_GOLDEN=1 writes them anew; read the diff before you commit it.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pictures import drawn_shop

from vmmcompose.model.desired import (
    Attachment,
    Dependency,
    Desired,
    DesiredVm,
    Forward,
    GuestFile,
    Healthcheck,
    Mount,
    Provision,
    Volume,
)
from vmmcompose.render.export import TARGETS, Export, Installation, export

FOLDER = Path(__file__).parent / "export"
NOTES = "notes.txt"


def everything() -> Desired:
    """One VM with every key there is, and texts that mean something to somebody."""
    vm = DesiredVm(
        "all",
        "/srv/images/Own Image.ext4",
        kernel="6.1",
        boot_args="quiet mitigations=off",
        cpus=4,
        memory_mib=64,
        disk_mib=8192,
        hypervisor="qemu",
        ssh_keys=("ssh-ed25519 AAAAC3Nz ada@host",),
        dns=("1.1.1.1", "9.9.9.9"),
        hostname="all.example.org",
        ip="172.16.0.99",
        mounts=(Mount("data", "/srv/$data"),),
        ports=(
            Forward(8080, 80),
            Forward(8081, 80, bind="192.0.2.1"),
            Forward(2222, 22, bind="127.0.0.1"),
            Forward(5353, 53, "udp"),
        ),
        depends_on=(Dependency("base", "healthy"), Dependency("other", "provisioned", required=False)),
        healthcheck=Healthcheck(command=("sh", "-c", "test $HOME = ${HOME}"), interval_s=0.5, timeout_s=90),
        labels=(("team", "web"), ("what is it?", "50% of ${it}")),
        env=(("GREETING", 'say "$HELLO" to \\ them'), ("PORT", "8080"), ("YES", "no")),
        files=(
            GuestFile("/etc/motd", "hello\n  $USER\n", mode=0o600, uid=1000, gid=1000),
            GuestFile("/etc/binary", "\x00\udcff\n"),
        ),
        volumes=(Attachment("logs", "/var/log/all", "ro"), Attachment("state", "/var/lib/all")),
        provision=(
            Provision("set up", "apt-get install -y nginx\n"),
            Provision("", "#!/usr/bin/python3\nprint('${x}')\n", "/srv/x.py"),
        ),
        restart="on-failure",
        stop_grace_s=5,
        prevent_delete=True,
    )
    base, other = DesiredVm("base", "tiny"), DesiredVm("other", "tiny", restart="no")
    return Desired("every", (vm, base, other), "/srv", (Volume("logs", 512), Volume("state", 2048)))


def replicas_that_differ() -> Desired:
    """Each has a volume of its own, so no engine may take them for copies; the proxy waits for all."""
    vms = tuple(
        DesiredVm(
            f"node-{number}",
            "debian-12",
            env=(("INDEX", str(number)),),
            healthcheck=Healthcheck(http="8080/ready", interval_s=5),
            ports=(Forward(9000 + number, 8080),),
            volumes=(Attachment(f"data-{number}", "/data"),),
            replica_of="node",
            replica=number,
        )
        for number in (1, 2)
    )
    wait = tuple(Dependency(vm.name, "healthy") for vm in vms)
    proxy = DesiredVm("proxy", "debian-12", ports=(Forward(80, 80),), depends_on=wait)
    return Desired("ring", (*vms, proxy), "/srv", (Volume("data-1"), Volume("data-2")))


def firecracker() -> Desired:
    """VMs that ask for Firecracker by name."""
    shop = drawn_shop()
    vms = tuple(replace(vm, hypervisor="firecracker", dns=("1.1.1.1",)) for vm in shop.vms)
    return replace(shop, vms=vms, inactive=())


PROJECTS = {
    "one-vm": Desired("solo", (DesiredVm("dev", "tiny"),)),
    "shop": drawn_shop(),
    "everything": everything(),
    "replicas-that-differ": replicas_that_differ(),
    "firecracker": firecracker(),
}
CASES = [
    (target, name) for target in TARGETS for name in PROJECTS if name != "firecracker" or target == "nomad"
]


def made(target: str, name: str) -> Export:
    return export(
        PROJECTS[name], target, Installation(("/usr/local/bin/vmm",), (("VMM_SUBNET", "10.0.0.0/8"),))
    )


def notes_text(result: Export) -> str:
    lines = (f"{note.message}\n" + (f"    {note.hint}\n" if note.hint else "") for note in result.notes)
    return "".join(lines)


@pytest.mark.parametrize(("target", "name"), CASES)
def test_an_export_is_as_it_was(target: str, name: str) -> None:
    result = made(target, name)
    folder = FOLDER / f"{target}-{name}"
    written = {**{file.name: file.text for file in result.files}, NOTES: notes_text(result)}
    if os.environ.get("VMM_REGEN_GOLDEN"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for file, text in written.items():
            (folder / file).write_text(text)
    assert written == {file.name: file.read_text() for file in folder.iterdir()}


def test_no_folder_is_left_without_its_case() -> None:
    assert {folder.name for folder in FOLDER.iterdir()} == {f"{target}-{name}" for target, name in CASES}


@pytest.mark.parametrize("name", PROJECTS)
def test_yaml_reads_back(name: str) -> None:
    for target in ("compose-services", "kubevirt"):
        for file in made(target, name).files:
            for value in yaml.safe_load_all(file.text):
                assert isinstance(value, dict)


def test_notes_are_notes_and_point_into_the_manifest() -> None:
    for target, name in CASES:
        for note in made(target, name).notes:
            assert (note.severity, note.at[0]) in (("note", "vms"), ("note", "volumes")), note
            assert note.message.startswith(("vm/", "volume/"))
