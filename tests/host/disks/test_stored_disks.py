"""Root disks as the planner sees them."""

import os
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from image_lab import assert_sound, image_of

from vmmcompose.host import disks, stored
from vmmcompose.model.observed import Disk
from vmmcompose.model.paths import Paths

MIB = 1 << 20
GROW = "import sys; from vmmcompose.host.disks import grow_disk; grow_disk(sys.argv[1], 256)"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(PurePosixPath(tmp_path / "data"))
    folder = Path(found.vm_dir("db"))
    folder.mkdir(parents=True)
    disks.copy_image(image_of(tmp_path / "store", {"etc/fstab": "table"}), folder / "root.ext4", 64)
    return found


def test_a_disk_has_the_size_of_its_file_system(paths: Paths) -> None:
    assert stored.read_disk(paths, "db") == Disk(64 * MIB)
    assert stored.read_disk(paths, "web") is None


def test_a_disk_whose_growing_was_killed_halfway_is_still_to_be_grown(paths: Paths, tmp_path: Path) -> None:
    disk = Path(paths.disk("db"))
    (tmp_path / "resize2fs").write_text("#!/bin/sh\nkill -9 $PPID\n")
    (tmp_path / "resize2fs").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    killed = subprocess.run([sys.executable, "-c", GROW, str(disk)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert disk.stat().st_size == 256 * MIB
    assert stored.read_disk(paths, "db") == Disk(64 * MIB)
    disks.grow_disk(disk, 256)
    assert stored.read_disk(paths, "db") == Disk(256 * MIB)
    assert_sound(disk)


def test_what_is_no_file_system_has_the_size_of_its_file(paths: Paths) -> None:
    Path(paths.disk("db")).write_bytes(b"x" * 4096)
    assert stored.read_disk(paths, "db") == Disk(4096, fault=f"{paths.disk('db')} is not an ext4 image")


def test_a_disk_that_is_cut_short_is_seen(paths: Paths) -> None:
    os.truncate(paths.disk("db"), 8 * MIB)
    found = stored.read_disk(paths, "db")
    assert found is not None
    assert found.size_bytes == 8 * MIB
    assert "is cut short" in found.fault
