"""Volumes as files: made whole, grown with what is in them, and what an interruption leaves."""

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import pytest
from image_lab import assert_sound, debugfs

from vmmcompose.errors import HostError
from vmmcompose.guest import volume_label
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.host import e2fs, stored, volumes
from vmmcompose.host.ext4 import read_file, write_files
from vmmcompose.model.observed import VolumeImage
from vmmcompose.model.paths import Paths

MIB = 1 << 20


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(PurePosixPath(tmp_path / "data"))


def made(paths: Paths, name: str = "data", size_mib: int = 64) -> Path:
    volumes.create_volume(paths, "shop", name, size_mib)
    return Path(paths.volume("shop", name))


def test_a_new_volume_is_empty_sparse_and_roots_alone(paths: Paths) -> None:
    path = made(paths, size_mib=10 * 1024)
    assert path.stat().st_size == 10 << 30
    assert path.stat().st_blocks * 512 < 16 * MIB
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.findall(r"\S+\s+\(\d+\) (\S+)", debugfs(path, "ls /")) == [".", "..", "lost+found"]
    found = e2fs.read_superblock(path)
    assert (found.size_bytes, found.label, found.clean) == (10 << 30, volume_label("data"), True)
    assert "has_journal" in debugfs(path, "features"), "a guest that is cut off loses no more than it must"
    assert_sound(path)
    assert os.listdir(path.parent) == ["data.ext4"]


@pytest.mark.parametrize("size_mib", [1, 2, 3, 8])
def test_the_smallest_volumes_can_be_made_and_grown(paths: Paths, size_mib: int) -> None:
    path = made(paths, size_mib=size_mib)
    write_files(path, [GuestEntry("/kept", b"data")])
    volumes.grow_volume(paths, "shop", "data", 300)
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(300 * MIB)}
    assert read_file(path, "/kept") == b"data"
    assert_sound(path)


def test_a_label_fits_whatever_the_name_and_is_the_volumes_own(paths: Paths) -> None:
    names = ["data", "data-1", "a-very-long-name-of-a-volume-that-nobody-would-type-1", "x"]
    labels = [e2fs.read_superblock(made(paths, name)).label for name in names]
    assert all(len(label.encode()) == 16 for label in labels)
    assert len(set(labels)) == len(names)


def test_a_volume_is_never_made_over_another(paths: Paths) -> None:
    path = made(paths)
    write_files(path, [GuestEntry("/kept", b"data")])
    with pytest.raises(HostError, match="a volume data already"):
        volumes.create_volume(paths, "shop", "data", 64)
    assert read_file(path, "/kept") == b"data"


def test_growing_keeps_what_is_in_it(paths: Paths) -> None:
    path = made(paths)
    write_files(path, [GuestEntry("/dir/kept", b"data" * 9000, 0o640, 7, 8)])
    volumes.grow_volume(paths, "shop", "data", 3000)
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(3000 * MIB)}
    assert read_file(path, "/dir/kept") == b"data" * 9000
    assert path.stat().st_blocks * 512 < 32 * MIB
    assert e2fs.read_superblock(path).label == volume_label("data")
    assert_sound(path)


def test_a_volume_never_shrinks(paths: Paths) -> None:
    path = made(paths)
    before = path.read_bytes()
    with pytest.raises(HostError, match="too small"):
        volumes.grow_volume(paths, "shop", "data", 32)
    assert path.read_bytes() == before


def test_a_file_that_is_longer_than_its_file_system_is_still_to_be_grown(paths: Paths) -> None:
    """`vmm` was killed between the two."""
    os.truncate(made(paths), 256 * MIB)
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(64 * MIB)}
    volumes.grow_volume(paths, "shop", "data", 256)
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(256 * MIB)}


@pytest.mark.parametrize("size_mib", [129, 130, 131, 257, 1025])
def test_what_is_too_little_for_a_block_group_is_not_waited_for(paths: Paths, size_mib: int) -> None:
    """mke2fs and resize2fs leave such a rest unused: it would be grown by every `vmm up` for ever."""
    path, wanted = made(paths, size_mib=size_mib), {"data": VolumeImage(size_mib * MIB)}
    assert volumes.read_volumes(paths, "shop") == wanted
    path.unlink()
    volumes.create_volume(paths, "shop", "data", 64)
    volumes.grow_volume(paths, "shop", "data", size_mib)
    assert volumes.read_volumes(paths, "shop") == wanted
    os.truncate(path, (size_mib + 64) * MIB)
    assert volumes.read_volumes(paths, "shop")["data"].size_bytes <= size_mib * MIB


def test_what_is_no_file_system_is_there_and_cannot_be_used(paths: Paths) -> None:
    path = made(paths)
    path.write_bytes(b"x" * 4096)
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(4096, f"{path} is not an ext4 image")}
    with pytest.raises(HostError, match="not an ext4 image"):
        volumes.check_volume(paths, "shop", "data", writing=True)


def test_a_volume_that_is_cut_short_is_seen(paths: Paths) -> None:
    path = made(paths)
    os.truncate(path, 8 * MIB)
    found = volumes.read_volumes(paths, "shop")["data"]
    assert found.size_bytes == 8 * MIB
    assert "is cut short" in found.fault


def test_projects_do_not_see_each_others(paths: Paths) -> None:
    made(paths)
    volumes.create_volume(paths, "blog", "data", 64)
    assert volumes.projects(paths) == ["blog", "shop"]
    volumes.delete_volume(paths, "blog", "data")
    assert volumes.projects(paths) == ["shop"]
    assert volumes.read_volumes(paths, "blog") == volumes.read_volumes(paths, "") == {}
    assert set(volumes.read_volumes(paths, "shop")) == {"data"}


def test_deleting_takes_empty_folders_along_and_can_be_repeated(paths: Paths) -> None:
    made(paths, "a")
    made(paths, "b")
    volumes.delete_volume(paths, "shop", "a")
    volumes.delete_volume(paths, "shop", "a")
    assert set(volumes.read_volumes(paths, "shop")) == {"b"}
    volumes.delete_volume(paths, "shop", "b")
    assert not Path(paths.volumes()).exists()


def test_a_guest_that_was_cut_off_leaves_a_journal_that_is_replayed(paths: Paths) -> None:
    path = made(paths)
    debugfs(path, "feature needs_recovery", write=True)
    volumes.check_volume(paths, "shop", "data", writing=True)
    assert not e2fs.read_superblock(path).needs_recovery


def test_a_label_that_the_guest_changed_is_told_with_the_command_that_mends_it(paths: Paths) -> None:
    path = made(paths)
    subprocess.run(["e2label", path, "mine"], check=True)
    with pytest.raises(HostError, match="its label is 'mine'") as caught:
        volumes.check_volume(paths, "shop", "data", writing=True)
    subprocess.run(caught.value.hint.strip("`").split(), check=True)
    volumes.check_volume(paths, "shop", "data", writing=True)


HOLD = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR if sys.argv[2] == "rw" else os.O_RDONLY)
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def a_vmm_with(paths: Paths, path: Path, mode: str) -> Iterator[None]:
    """A process that looks like a VMM of this data folder and has a file open."""
    argv = [sys.executable, "-c", HOLD, str(path), mode, "--api-sock", str(paths.socket("0123456789ab"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.communicate("")


def test_what_a_vmm_writes_to_is_left_alone_even_if_no_record_knows_of_it(paths: Paths) -> None:
    path = made(paths)
    with a_vmm_with(paths, path, "rw"):
        for deed in (
            partial(volumes.check_volume, paths, "shop", "data", writing=True),
            partial(volumes.check_volume, paths, "shop", "data", writing=False),
            partial(volumes.grow_volume, paths, "shop", "data", 128),
            partial(volumes.delete_volume, paths, "shop", "data"),
        ):
            with pytest.raises(HostError, match="has it open"):
                deed()
    volumes.check_volume(paths, "shop", "data", writing=True)


def test_readers_share_a_volume_and_keep_it_from_being_changed(paths: Paths) -> None:
    path = made(paths)
    with a_vmm_with(paths, path, "ro"):
        volumes.check_volume(paths, "shop", "data", writing=False)
        with pytest.raises(HostError, match="has it open"):
            volumes.grow_volume(paths, "shop", "data", 128)
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(64 * MIB)}


RUN = """
import os, resource, signal, sys
from pathlib import PurePosixPath
from vmmcompose.errors import HostError
from vmmcompose.host import e2fs, volumes
from vmmcompose.model.paths import Paths
root, what, how = sys.argv[1:]
if how == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
if how == "kill":
    real = e2fs.run_tool
    def run_tool(argv, **rest):
        result = real(argv, **rest)
        os.kill(os.getpid(), signal.SIGKILL)
    e2fs.run_tool = run_tool
try:
    getattr(volumes, what)(Paths(PurePosixPath(root)), "shop", "data", 256)
except HostError as error:
    print(error.message, "|", error.hint)
    sys.exit(7)
"""


def run(paths: Paths, what: str, how: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", RUN, str(paths.root), what, how]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_kill_9_while_it_is_made_leaves_a_file_that_the_next_command_sweeps(paths: Paths) -> None:
    assert run(paths, "create_volume", "kill").returncode == -signal.SIGKILL
    folder = Path(paths.volume_dir("shop"))
    (left,) = os.listdir(folder)
    assert re.fullmatch(r"data\.ext4\.tmp\.\d+", left)
    assert volumes.read_volumes(paths, "shop") == {}
    assert stored.leftovers(paths) == (str(folder / left),)
    assert_sound(made(paths))


def test_a_limit_on_file_sizes_leaves_nothing_half_made(paths: Paths) -> None:
    done = run(paths, "create_volume", "limit")
    assert done.returncode == 7, done.stderr
    assert "File too large" in done.stdout
    assert os.listdir(paths.volume_dir("shop")) == []


def test_growing_killed_in_the_middle_can_be_repeated(paths: Paths) -> None:
    path = made(paths)
    write_files(path, [GuestEntry("/kept", b"data")])
    assert run(paths, "grow_volume", "kill").returncode == -signal.SIGKILL
    assert volumes.read_volumes(paths, "shop") == {"data": VolumeImage(64 * MIB)}, "still to be grown"
    volumes.grow_volume(paths, "shop", "data", 256)
    assert read_file(path, "/kept") == b"data"
    assert_sound(path)


FULL = """
mount -t tmpfs -o size="$1"k none "$2" || exit 3
"$3" -c "$4" "$2" create_volume full
code=$?
[ $code = 7 ] && [ -n "$(find "$2" -name 'data.*')" ] && exit 4
[ $code = 0 ] && { e2fsck -fn "$2/volumes/shop/data.ext4" >/dev/null 2>&1 || exit 5; }
exit $code
"""


@pytest.mark.root
def test_a_full_host_disk_is_a_clear_error_and_leaves_nothing(paths: Paths) -> None:
    Path(paths.root).mkdir(parents=True)
    ends = []
    for size_kib in (64, 256, 1024, 16384):
        argv = ["unshare", "-m", "sh", "-c", FULL, "sh", str(size_kib), str(paths.root), sys.executable, RUN]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 3 or "unshare failed" in done.stderr:
            pytest.skip("private mount namespaces are missing")
        assert done.returncode in {0, 7}, (size_kib, done)
        assert done.returncode == 0 or "free some space" in done.stdout, (size_kib, done)
        ends.append(done.returncode)
    assert ends[0] == 7
    assert ends[-1] == 0
