"""`vmm snapshot` with a guest of a few instructions, that a stand-in for firecracker plays.

The real firecracker runs it wherever /dev/kvm opens.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from case_firecracker import FAKE, real_binary, real_missing
from lab import STORE, Lab, missing_for_guests
from tiny_kernel import write_tiny_kernel

from vmmcompose.host.ext4 import read_files
from vmmcompose.host.process import alive, identify

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = """
defaults: {hypervisor: firecracker, image: tiny, kernel: obedient, memory: 64MiB, disk: 32MiB}
vms:
  one: {mounts: ["./data:data:rw"], env: {TOKEN: s3cret}}
"""
MARK = 20 << 20
"""A place in the root disk that nothing uses."""


@contextmanager
def running(binary: str) -> Iterator[Lab]:
    with Lab() as lab:
        lab.env["VMM_FIRECRACKER"] = binary
        images = lab.data / "images"
        images.unlink()
        (images / "kernels" / "obedient").mkdir(parents=True)
        (images / "rootfs").symlink_to(Path(STORE) / "images" / "rootfs")
        write_tiny_kernel(images / "kernels" / "obedient" / "vmlinux", obeys=True)
        (lab.project / "data").mkdir()
        lab.write(MANIFEST)
        lab.vmm("up", "--no-wait")
        yield lab


@pytest.fixture(params=["stand-in", "real"])
def up(request: pytest.FixtureRequest) -> Iterator[Lab]:
    missing = missing_for_guests() or ("" if request.param == "stand-in" else real_missing())
    if missing:
        pytest.skip(missing)
    with running(str(FAKE) if request.param == "stand-in" else real_binary()) as lab:
        yield lab


@pytest.fixture
def fake_up() -> Iterator[Lab]:
    if missing_for_guests():
        pytest.skip(missing_for_guests())
    with running(str(FAKE)) as lab:
        yield lab


def disk(lab: Lab) -> Path:
    return lab.data / "vms" / "lab-one" / "root.ext4"


def write(lab: Lab, words: bytes) -> None:
    """What the guest would write to its root disk, had it any life in it."""
    with disk(lab).open("r+b") as file:
        file.seek(MARK)
        file.write(words)


def written(lab: Lab) -> bytes:
    with disk(lab).open("rb") as file:
        file.seek(MARK)
        return file.read(3)


def listed(lab: Lab, *vm: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(lab.vmm("snapshot", "list", *vm, "--json").stdout)["snapshots"]
    return rows


def restore(lab: Lab, *args: str, code: int | None = 0) -> str:
    done = lab.vmm("snapshot", "restore", "one", *args, "--no-wait", "--allow-data-loss", code=code)
    return done.stderr


def whole(lab: Lab) -> None:
    """The project is up as the manifest says, and no half-made thing lies about."""
    lab.vmm("plan", "--detailed-exitcode", code=0)
    assert not [path for path in lab.data.rglob("*") if ".tmp." in path.name]
    assert read_files(disk(lab), ["/etc/hostname"])["/etc/hostname"] == b"one\n"


def test_back_and_back_again(up: Lab) -> None:
    write(up, b"old")
    assert up.vmm("snapshot", "create", "one", "kept").stdout == "kept\n"
    assert up.record("one")["state"] == "running"
    first = up.pid("one")
    write(up, b"new")
    up.vmm("snapshot", "create", "one", "later")
    assert [row["name"] for row in listed(up, "one")] == ["kept", "later"]
    assert [row["vm"] for row in listed(up)] == ["lab-one"] * 2
    assert json.loads(up.vmm("inspect", "one").stdout)["snapshots"] == ["kept", "later"]

    refused = up.vmm("snapshot", "restore", "one", "kept", "--no-wait", code=1)
    assert "data would be lost" in refused.stderr
    assert (up.pid("one"), written(up)) == (first, b"new")

    for _ in range(2):
        restore(up, "kept")
        assert written(up) == b"old"
        assert (up.data / "logs" / "lab-one" / "console.log").read_text() == "", "it booted"
        whole(up)
        write(up, b"xxx")
    assert up.pid("one") != first
    up.vmm("stop", "one", "--grace", "0")
    restore(up)
    assert written(up) == b"new", "the newest is meant where none is named"
    whole(up)
    assert up.record("one")["spec"]["ip"] == "172.16.0.2"
    secret = json.loads((up.data / "vms" / "lab-one" / "secrets.json").read_text())
    assert secret["env"] == [["TOKEN", "s3cret"]]

    up.vmm("snapshot", "delete", "one", "later")
    assert alive(identify(up.pid("one")) or pytest.fail("it ended with its snapshot's files"))
    up.vmm("snapshot", "delete", "one", "later", code=64)
    up.vmm("down", "--grace", "0")
    assert not [path for path in up.data.rglob("*") if "lab-one" in path.name]


def test_what_makes_no_sense_is_refused_before_anything_happens(up: Lab) -> None:
    before = up.pid("one")
    for args, code, words in (
        (("create", "one", "no/name"), 64, "cannot be a snapshot's name"),
        (("create", "one", ".."), 64, "cannot be a snapshot's name"),
        (("create", "three"), 64, "no VM 'three'"),
        (("restore", "one"), 64, "has no snapshots"),
        (("delete", "one", "none"), 64, "has no snapshots"),
    ):
        assert words in up.vmm("snapshot", *args, code=code).stderr
    up.vmm("snapshot", "create", "one", "kept")
    folder = up.data / "snapshots" / "lab-one" / "kept"
    text = (folder / "snapshot.json").read_text()
    value = json.loads(text)
    for change, words in (
        ({"cpu": "another"}, "made on another CPU"),
        ({"root": "/elsewhere"}, "its disks lay below /elsewhere"),
        ({"schema_version": 99}, "schema version 99"),
    ):
        (folder / "snapshot.json").write_text(json.dumps({**value, **change}))
        assert words in restore(up, code=1)
    (folder / "snapshot.json").write_text(text)
    state = (folder / "state").read_bytes()
    (folder / "state").write_bytes(b"")
    assert "cannot read its state file" in restore(up, code=1)
    (folder / "state").write_bytes(state)
    up.write(MANIFEST.replace('"./data:data:rw"', '"./data:data:rw", "./data:more:ro"'))
    assert up.pid("one") == before
    up.vmm("stop", "one", "--grace", "0")
    up.vmm("up", "--no-wait")
    assert "its mounts were data:rw and are data:rw, more:ro now" in restore(up, code=1)
    whole(up)


def killed_at(lab: Lab, words: str, *args: str) -> None:
    """Runs a command and kills it the moment it says these words."""
    process = lab.start("snapshot", *args)
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            break
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait(60)


def test_killed_while_a_snapshot_is_made(fake_up: Lab) -> None:
    for words in ("writing", "copying"):
        killed_at(fake_up, words, "create", "one", "kept")
        assert listed(fake_up) == []
        fake_up.vmm("up", "--no-wait")
        assert fake_up.record("one")["state"] == "running"
        whole(fake_up)


def test_killed_while_going_back(fake_up: Lab) -> None:
    write(fake_up, b"old")
    fake_up.vmm("snapshot", "create", "one", "kept")
    for words in ("copying the", "disks copied", "shut down", "going on"):
        write(fake_up, b"new")
        killed_at(fake_up, words, "restore", "one", "--no-wait", "--allow-data-loss")
        assert written(fake_up) in (b"old", b"new")
        fake_up.vmm("up", "--no-wait")
        whole(fake_up)
    restore(fake_up)
    assert written(fake_up) == b"old"
    whole(fake_up)


def test_a_full_disk_leaves_the_vm_as_it_is(fake_up: Lab) -> None:
    write(fake_up, b"old")
    fake_up.vmm("snapshot", "create", "one", "kept")
    write(fake_up, b"new")
    before = fake_up.pid("one")
    command = fake_up.command("-f", str(fake_up.project), "snapshot")
    limited = (
        "env",
        *(f"{key}={value}" for key, value in fake_up.env.items()),
        "prlimit",
        f"--fsize={1 << 20}",
    )
    done = fake_up.run(*limited, *command, "create", "one", "more", code=1)
    assert "free some space" in done.stderr
    done = fake_up.run(*limited, *command, "restore", "one", "--no-wait", "--allow-data-loss", code=1)
    assert "free some space" in done.stderr
    assert (fake_up.pid("one"), written(fake_up)) == (before, b"new")
    assert [row["name"] for row in listed(fake_up)] == ["kept"]
    restore(fake_up)
    assert written(fake_up) == b"old"
    whole(fake_up)
