"""Root disks: copied, grown, checked, and what is left when it goes wrong."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from image_lab import assert_sound, debugfs, image_of

from vmmcompose.errors import HostError
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.host import e2fs
from vmmcompose.host.disks import can_reflink, check_disk, copy_image, grow_disk
from vmmcompose.host.ext4 import read_file, write_files

BLOB = os.urandom(3 << 20)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return image_of(tmp_path / "store", {"etc/fstab": "table", "blob": BLOB})


def test_a_copy_is_grown_and_sparse(image: Path, tmp_path: Path) -> None:
    before = (image.read_bytes(), image.stat().st_mtime_ns)
    disk = tmp_path / "vm" / "root.ext4"
    disk.parent.mkdir()
    seen: list[tuple[int, int]] = []
    copy_image(image, disk, 1024, lambda done, total: seen.append((done, total)))
    assert disk.stat().st_size == 1 << 30
    assert disk.stat().st_blocks * 512 < 32 << 20
    assert stat.S_IMODE(disk.stat().st_mode) == 0o600
    assert e2fs.read_superblock(disk).size_bytes == 1 << 30
    assert (
        subprocess.run(["debugfs", "-R", "cat /blob", disk], capture_output=True, check=True).stdout == BLOB
    )
    assert_sound(disk)
    assert os.listdir(disk.parent) == ["root.ext4"]
    assert (image.read_bytes(), image.stat().st_mtime_ns) == before
    if not can_reflink(tmp_path):
        assert seen[-1][0] == seen[-1][1] > len(BLOB)


def test_a_copy_of_the_same_size_is_the_same(image: Path, tmp_path: Path) -> None:
    copy_image(image, tmp_path / "disk", 16)
    assert (tmp_path / "disk").read_bytes() == image.read_bytes()


def test_an_existing_disk_is_replaced_whole(image: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(b"old")
    copy_image(image, disk, 32)
    assert_sound(disk)


def test_an_image_without_holes_becomes_sparse_elsewhere(image: Path, tmp_path: Path) -> None:
    """Read and written, as between file systems that cannot copy in the kernel."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm on a file system of its own is missing")
    dense = tmp_path / "dense.ext4"
    dense.write_bytes(image.read_bytes())
    folder = elsewhere / f"vmm-test-{os.getpid()}"
    folder.mkdir()
    try:
        copy_image(dense, folder / "disk", 64)
        assert_sound(folder / "disk")
        assert (folder / "disk").stat().st_blocks * 512 < 12 << 20
        assert read_file(folder / "disk", "/etc/fstab") == b"table"
    finally:
        shutil.rmtree(folder)


def test_a_disk_too_small_for_the_image_is_refused(image: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="too small") as caught:
        copy_image(image, tmp_path / "disk", 15)
    assert "16MiB" in caught.value.hint
    assert not (tmp_path / "disk").exists()


def spoil_cut(image: Path) -> None:
    os.truncate(image, 5 << 20)


def spoil_magic(image: Path) -> None:
    image.write_bytes(b"\0" * (1 << 20))


def spoil_tables(image: Path) -> None:
    with image.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(1 << 20))


def spoil_short(image: Path) -> None:
    os.truncate(image, 100)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_cut, "cut short"),
        (spoil_magic, "not an ext4 image"),
        (spoil_short, "not an ext4"),
        (Path.unlink, "No such"),
    ],
)
def test_what_is_no_image_is_refused(
    image: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(image)
    with pytest.raises(HostError, match=message):
        copy_image(image, tmp_path / "disk", 64)
    assert os.listdir(tmp_path) == ["store"]


def test_a_damaged_image_is_an_error_or_mended_but_never_a_bad_disk(image: Path, tmp_path: Path) -> None:
    spoil_tables(image)
    with suppress(HostError):
        copy_image(image, tmp_path / "disk", 64)
    if (tmp_path / "disk").exists():
        assert_sound(tmp_path / "disk")
    else:
        assert os.listdir(tmp_path) == ["store"]


COPY = """
import os, resource, signal, sys
from vmmcompose.errors import HostError
from vmmcompose.host.disks import copy_image
source, target, how = sys.argv[1:]
if how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
def progress(done, total):
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
try:
    copy_image(source, target, 64, progress)
except HostError as error:
    print(error.message, "|", error.hint)
    sys.exit(7)
"""


def test_kill_9_in_the_middle_leaves_only_the_temporary_file(image: Path, tmp_path: Path) -> None:
    if can_reflink(tmp_path):
        pytest.skip("a file system without reflinks is missing: a copy has no middle here")
    folder = tmp_path / "vm"
    folder.mkdir()
    process = subprocess.run(
        [sys.executable, "-c", COPY, str(image), str(folder / "root.ext4"), "kill"], check=False
    )
    assert process.returncode == -signal.SIGKILL
    (left,) = os.listdir(folder)
    assert re.fullmatch(r"root\.ext4\.tmp\.\d+", left)
    copy_image(image, folder / "root.ext4", 64)
    assert_sound(folder / "root.ext4")


def test_a_limit_on_file_sizes_is_a_clear_error(image: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vm"
    folder.mkdir()
    argv = [sys.executable, "-c", COPY, str(image), str(folder / "root.ext4"), "limit"]
    process = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert process.returncode == 7, process.stderr
    assert "File too large" in process.stdout
    assert os.listdir(folder) == []


FULL = """
mount -t tmpfs -o size="$1"k none "$2" || exit 3
"$3" -c "$4" "$5" "$2/root.ext4" full
code=$?
[ $code = 7 ] && [ -n "$(ls -A "$2")" ] && exit 4
[ $code = 0 ] && { e2fsck -fn "$2/root.ext4" >/dev/null 2>&1 || exit 5; }
exit $code
"""


@pytest.mark.root
def test_a_full_host_disk_is_a_clear_error(image: Path, tmp_path: Path) -> None:
    """Whether it is full during the copy or only when the file system grows."""
    folder = tmp_path / "vm"
    folder.mkdir()
    ends = []
    for size_kib in (512, 2048, *range(3072, 3520, 32)):
        argv = ["unshare", "-m", "sh", "-c", FULL, "sh", str(size_kib), str(folder)]
        argv += [sys.executable, COPY, str(image)]
        process = subprocess.run(argv, capture_output=True, text=True, check=False)
        if process.returncode == 3 or "unshare failed" in process.stderr:
            pytest.skip("private mount namespaces are missing")
        assert process.returncode in {0, 7}, (size_kib, process)
        assert process.returncode == 0 or "free some space" in process.stdout, (size_kib, process)
        ends.append(process.returncode)
    assert ends[:2] == [7, 7]
    assert ends[-1] == 0
    assert ends == sorted(ends, reverse=True)


def test_growing_keeps_everything_and_can_be_repeated(image: Path) -> None:
    for size in (32, 32, 300, 300):
        grow_disk(image, size)
        assert image.stat().st_size == size << 20
        assert e2fs.read_superblock(image).size_bytes == size << 20
    assert read_file(image, "/etc/fstab") == b"table"
    assert_sound(image)


def test_a_disk_never_shrinks(image: Path) -> None:
    before = image.read_bytes()
    with pytest.raises(HostError, match="too small"):
        grow_disk(image, 8)
    assert image.read_bytes() == before


def test_growing_goes_on_where_it_was_interrupted(image: Path) -> None:
    os.truncate(image, 64 << 20)
    grow_disk(image, 64)
    assert e2fs.read_superblock(image).size_bytes == 64 << 20
    debugfs(image, "ssv state 2", write=True)
    assert not e2fs.read_superblock(image).clean
    grow_disk(image, 64)
    assert e2fs.read_superblock(image).clean
    assert_sound(image)


def test_growing_killed_at_many_moments_can_be_repeated(image: Path, tmp_path: Path) -> None:
    code = "import sys; from vmmcompose.host.disks import grow_disk; grow_disk(sys.argv[1], 2048)"
    for step in range(8):
        disk = tmp_path / f"disk{step}"
        shutil.copyfile(image, disk)
        process = subprocess.Popen([sys.executable, "-c", code, str(disk)], start_new_session=True)
        try:
            process.wait(0.03 + 0.015 * step)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        grow_disk(disk, 2048)
        assert e2fs.read_superblock(disk).size_bytes == 2048 << 20
        assert read_file(disk, "/etc/fstab") == b"table"
        assert_sound(disk)
        disk.unlink()


def test_checking_replays_the_journal_when_there_is_something_in_it(image: Path) -> None:
    before = image.read_bytes()
    check_disk(image)
    assert image.read_bytes() == before
    debugfs(image, "feature needs_recovery", write=True)
    check_disk(image)
    assert not e2fs.read_superblock(image).needs_recovery
    assert_sound(image)


def test_checking_a_damaged_disk_says_so_and_loses_nothing(image: Path) -> None:
    debugfs(image, "clri /etc", write=True)
    debugfs(image, "ssv state 2", write=True)
    with pytest.raises(HostError, match="damaged") as caught:
        check_disk(image)
    assert "e2fsck -f" in caught.value.hint


def test_disks_of_different_vms_in_parallel(image: Path, tmp_path: Path) -> None:
    def make(number: int) -> Path:
        disk = tmp_path / f"disk{number}"
        copy_image(image, disk, 64 + number)
        write_files(disk, [GuestEntry("/etc/hostname", str(number).encode())])
        return disk

    with ThreadPoolExecutor(8) as pool:
        disks = list(pool.map(make, range(16)))
    for number, disk in enumerate(disks):
        assert read_file(disk, "/etc/hostname") == str(number).encode()
        assert_sound(disk)
    assert sorted(os.listdir(tmp_path)) == sorted(["store", *(disk.name for disk in disks)])


def test_reflinks_are_only_promised_where_they_work(tmp_path: Path) -> None:
    probe = ["cp", "--reflink=always", str(tmp_path / "a"), str(tmp_path / "b")]
    (tmp_path / "a").write_bytes(b"x" * 8192)
    works = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    assert can_reflink(tmp_path) is works
    with pytest.raises(HostError):
        can_reflink(tmp_path / "none")
