"""`vmm image pull` and `kernel pull` as commands: killed, without room, offline; and what they bring, booted."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from bare_guest import BareGuest
from file_server import Files, serving
from image_lab import image_of
from release_server import MACHINE, REPO, Bucket, GitHub, environment

from vmmcompose.host import store
from vmmcompose.model.observed import Image, Kernel
from vmmcompose.model.paths import Paths

pytestmark = [pytest.mark.root]
ROOT = Path(__file__).parents[3]
TAG = "rootfs-24.04-20260105"


@pytest.fixture
def files() -> Iterator[Files]:
    with serving(Files()) as served:
        yield served


def command(*words: str, data: Path) -> list[str]:
    return [sys.executable, "-m", "vmmcompose", "--data-dir", str(data), *words]


def surroundings(files: Files, tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    more = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "VMM_RELEASE_REPOS": REPO}
    return {**kept, **more, **environment(files)}


def left_behind(data: Path) -> list[str]:
    images = data / "images"
    return sorted(str(path.relative_to(images)) for path in images.rglob("*") if not path.is_dir())


def test_a_killed_pull_goes_on_and_leaves_nothing(files: Files, tmp_path: Path) -> None:
    image = gzip.compress(image_of(tmp_path, {"etc/noise": os.urandom(4 << 20)}).read_bytes())
    github = GitHub(files)
    github.release(TAG, {"rootfs.ext4.gz": image})
    path, data = github.asset(TAG, "rootfs.ext4.gz"), tmp_path / "data"
    files.cut[path], files.hold[path] = [0.6], threading.Event()
    argv, env = command("image", "pull", data=data), surroundings(files, tmp_path)
    process = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    parts = data / "images/downloads"
    deadline = time.monotonic() + 30
    while not any(part.stat().st_size > len(image) // 2 for part in parts.glob("*.part")):
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    files.hold.pop(path).set()
    have = next(parts.glob("*.part")).stat().st_size
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ubuntu-24.04\n"), done.stderr
    assert files.asked(path, "Range") == ["", f"bytes={have}-"]
    assert left_behind(data) == ["rootfs/ubuntu-24.04.ext4", "rootfs/ubuntu-24.04.json"]


def test_a_full_disk_is_said_and_no_other_source_is_tried(files: Files, tmp_path: Path) -> None:
    GitHub(files).release(TAG, {"rootfs.ext4": image_of(tmp_path, {}, size_mib=64).read_bytes()})
    script = 'mkdir disk && mount -t tmpfs -o size=8m none disk && "$@"; code=$?; find disk -type f >&2; exit $code'
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*argv, *command("image", "pull", data=tmp_path / "disk/data")],
        cwd=tmp_path, env=surroundings(files, tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "needs 64 MiB and" in done.stderr
    assert "hint: free some space there" in done.stderr
    assert "trying" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith(".lock"), done.stderr
    assert not any("bucket" in path for path, _ in files.requests)


def test_the_last_link_builds_from_packages(files: Files, tmp_path: Path, tiny: Image) -> None:
    data = tmp_path / "data"
    done = subprocess.run(
        command("image", "pull", "tiny", data=data),
        env=surroundings(files, tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "tiny\n"), done.stderr
    assert f"releases of {REPO}: " in done.stderr
    assert "404" in done.stderr
    assert done.stderr.count("; trying building it here") == 1
    paths = Paths(PurePosixPath(data))
    assert store.read_info(paths.image_info("tiny"))["source"] == "build tiny"
    assert store.list_images(paths)["tiny"].size_bytes == tiny.size_bytes


@pytest.mark.guest
@pytest.mark.skipif(not shutil.which("mksquashfs"), reason="squashfs-tools are missing")
def test_what_comes_from_the_bucket_boots(files: Files, tmp_path: Path, tiny: Image, kernel: Kernel) -> None:
    """The image tiny plays the Ubuntu of the bucket, as a squashfs."""
    tree, packed = tmp_path / "tree", tmp_path / "ubuntu.squashfs"
    tree.mkdir()
    subprocess.run(["debugfs", "-R", f"rdump / {tree}", tiny.path], capture_output=True, check=True)
    subprocess.run(
        ["mksquashfs", str(tree), str(packed), "-quiet", "-no-progress"], capture_output=True, check=True
    )
    bucket, build = Bucket(files), "firecracker-ci/20260105-abc123-0"
    bucket.put(f"{build}/{MACHINE}/ubuntu-24.04.squashfs", packed.read_bytes())
    bucket.put(f"{build}/{MACHINE}/vmlinux-6.1.141", Path(kernel.vmlinux).read_bytes())
    data = tmp_path / "data"
    for what in ("image", "kernel"):
        done = subprocess.run(
            command(what, "pull", data=data),
            env=surroundings(files, tmp_path), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    paths = Paths(PurePosixPath(data))
    pulled = store.list_images(paths)["ubuntu-24.04"]
    with BareGuest(pulled, kernel) as guest:
        guest.start(kernel_file=store.list_kernels(paths)["6.1.141"].vmlinux).wait_for_ssh()
        assert guest.says("cat /etc/ssh/sshd_config.d/vmm.conf | grep -c HostKey") == "1"
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()
