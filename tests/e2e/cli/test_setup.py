"""`vmm setup` and the lists of what can be pulled, as commands, against a server of this test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Files, serving
from image_lab import image_of
from release_server import MACHINE, REPO, Bucket, GitHub, environment
from tiny_kernel import tiny_kernel

ROOT = Path(__file__).parents[3]


class Desk:
    """Somebody who types `vmm` on a host with its own data folder and its own place for Firecracker."""

    def __init__(self, files: Files, folder: Path) -> None:
        self.files = files
        self.folder = folder
        self.more: dict[str, str] = {}

    def vmm(self, *words: str) -> "subprocess.CompletedProcess[str]":
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        own = {
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "VMM_DATA_DIR": str(self.folder / "data"),
            "VMM_FIRECRACKER": str(self.folder / "bin/firecracker"),
            "VMM_RELEASE_REPOS": REPO,
        }
        return subprocess.run(
            [sys.executable, "-m", "vmmcompose", *words],
            env={**kept, **own, **environment(self.files), **self.more},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(Files()) as files:
        yield Desk(files, tmp_path)


def publish(desk: Desk) -> None:
    github = GitHub(desk.files)
    github.release("kernel-6.1.150", {"vmlinux.bin": tiny_kernel()})
    image = image_of(desk.folder, {"etc/hello": "there\n"}).read_bytes()
    github.release("rootfs-24.04-20260105", {"rootfs.ext4": image})
    Bucket(desk.files).put(f"firecracker-ci/20260105-abc-0/{MACHINE}/vmlinux-6.1.141", tiny_kernel())


@pytest.mark.root
def test_setup_gets_what_is_missing_and_the_second_run_nothing(desk: Desk) -> None:
    publish(desk)
    done = desk.vmm("setup", "--yes")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "a kernel: 6.1.150" in done.stderr
    assert "the image ubuntu-24.04: ubuntu-24.04" in done.stderr
    assert "ok    images            ubuntu-24.04" in done.stdout
    desk.files.requests.clear()
    again = desk.vmm("setup", "--yes")
    assert again.returncode == 0, again.stderr
    assert "kernel: 6.1.150 is there" in again.stderr
    assert "image: ubuntu-24.04 is there" in again.stderr
    assert [path for path, _ in desk.files.requests if "firecracker-microvm" not in path] == []


@pytest.mark.root
def test_what_fails_is_told_and_the_rest_is_done(desk: Desk) -> None:
    publish(desk)
    done = desk.vmm("-q", "setup", "--yes", "--firecracker", "--image", "nonsense")
    assert done.returncode == 1
    assert "vmm: 2 of 3 steps failed" in done.stderr
    assert "no image nonsense" in done.stderr
    assert "Firecracker, into" in done.stderr
    assert "6.1.150" in done.stdout


@pytest.mark.root
def test_setup_asks_nobody_without_a_terminal(desk: Desk) -> None:
    publish(desk)
    done = desk.vmm("setup")
    assert done.returncode == 1
    assert "the image ubuntu-24.04" in done.stderr
    assert "nothing was fetched" in done.stderr
    assert not (desk.folder / "data").exists()
    assert desk.files.requests == []


def test_what_can_be_pulled_is_listed_whoever_does_not_answer(desk: Desk) -> None:
    publish(desk)
    kernels = json.loads(desk.vmm("kernel", "list", "--remote", "--json").stdout)
    offers = [(one["name"], one["origin"], one["signed"]) for one in kernels["kernels"]]
    assert offers[:2] == [("6.1.150", "github", True), ("6.1.141", "s3", False)]
    table = desk.vmm("image", "list", "--remote")
    assert (table.returncode, table.stderr) == (0, "")
    assert "ubuntu-24.04  github" in table.stdout
    assert "tiny          build" in table.stdout
    desk.more = {"VMM_S3_URL": "http://127.0.0.1:9/bucket", "VMM_RELEASE_REPOS": "owner/gone"}
    silent = desk.vmm("image", "list", "--remote", "--json")
    assert silent.returncode == 0
    value = json.loads(silent.stdout)
    assert [one["origin"] for one in value["unreachable"]] == ["github", "s3"]
    assert {one["origin"] for one in value["images"]} == {"build"}
    assert "releases of owner/gone: " in silent.stderr
    assert "the connection was refused" in silent.stderr
