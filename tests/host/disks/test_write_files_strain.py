"""Writing into images under strain: odd file systems, full images, interruptions, many at once."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from image_lab import assert_sound, debugfs, image_of, plant

from vmmcompose.errors import HostError
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.host import e2fs
from vmmcompose.host.ext4 import image_label, make_image, read_file, write_files


def test_special_files_and_hard_links_are_replaced(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {"etc/one": "shared", "etc/big": "x"})
    os.link(tree / "etc/one", tree / "etc/two")
    os.mkfifo(tree / "etc/fifo")
    os.setxattr(tree / "etc/big", "user.large", b"a" * 3000)
    image = image_of(tmp_path, {})
    write_files(image, [GuestEntry(f"/etc/{name}", b"mine") for name in ("one", "fifo", "big")])
    assert read_file(image, "/etc/two") == b"shared"
    assert [read_file(image, f"/etc/{name}") for name in ("one", "fifo", "big")] == [b"mine"] * 3
    assert_sound(image)


@pytest.mark.parametrize(
    "features",
    ["quota", "inline_data", "^has_journal", "^metadata_csum,^64bit", "^extent,^64bit", "ea_inode"],
)
def test_unusual_file_systems(tmp_path: Path, features: str) -> None:
    image = image_of(tmp_path, {"etc/x": "x"})
    tree = str(tmp_path / "tree")
    os.truncate(image, 0)
    os.truncate(image, 16 * e2fs.MIB)
    made = e2fs.run_tool(["mke2fs", "-q", "-F", "-t", "ext4", "-O", features, "-d", tree, str(image)])
    assert made.returncode == 0, made.stderr
    for size in (10, 300_000):
        write_files(image, [GuestEntry("/etc/x", b"y" * size), GuestEntry("/new/z", b"z" * size)])
        assert_sound(image)
        assert read_file(image, "/new/z") == b"z" * size


def test_large_folders(tmp_path: Path) -> None:
    image = image_of(tmp_path, {f"etc/some-rather-long-name-{i}": "" for i in range(1500)})
    e2fs.run_tool(["e2fsck", "-fyD", str(image)])
    assert "hash" in debugfs(image, "htree_dump /etc").lower()
    names = [f"/etc/added-{i:04}" for i in range(150)]
    write_files(image, [GuestEntry(name, name.encode()) for name in names])
    assert [read_file(image, name) for name in names[::50]] == [name.encode() for name in names[::50]]
    assert_sound(image)


def test_a_full_image_is_an_error_and_the_next_write_mends_it(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"etc/x": "x"}, size_mib=8)
    with pytest.raises(HostError, match="cannot write into the image") as caught:
        write_files(image, [GuestEntry("/etc/x", b"y"), GuestEntry("/big", os.urandom(9 * e2fs.MIB))])
    assert "bigger `disk`" in caught.value.hint
    write_files(image, [GuestEntry("/etc/x", b"z")], remove=["/big"])
    assert read_file(image, "/etc/x") == b"z"
    assert_sound(image)


def test_an_interrupted_write_is_mended(tmp_path: Path) -> None:
    """As after a power cut: blocks are taken but not accounted for, and the superblock says `clean`."""
    image = image_of(tmp_path, {"etc/x": "x" * 10_000})
    debugfs(image, "freeb 5 1", write=True)
    debugfs(image, "sif /etc/x links_count 7", write=True)
    assert e2fs.run_tool(["e2fsck", "-fn", str(image)]).returncode == 4
    (tmp_path / "image.ext4.writing").touch()
    write_files(image, [GuestEntry("/etc/y", b"y")])
    assert_sound(image)
    assert read_file(image, "/etc/x") == b"x" * 10_000
    assert not (tmp_path / "image.ext4.writing").exists()


def test_a_journal_is_replayed_first(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"etc": None})
    debugfs(image, "feature needs_recovery", write=True)
    assert e2fs.read_superblock(image).needs_recovery
    write_files(image, [GuestEntry("/etc/y", b"y")])
    assert not e2fs.read_superblock(image).needs_recovery
    assert_sound(image)


def test_many_disks_at_once(tmp_path: Path) -> None:
    images = [image_of(tmp_path / str(i), {"etc": None}, size_mib=8) for i in range(8)]

    def write(image: Path) -> bytes | None:
        write_files(image, [GuestEntry(f"/etc/{i}", str(image).encode()) for i in range(100)])
        return read_file(image, "/etc/99")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, images)) == [str(image).encode() for image in images]
    for image in images:
        assert_sound(image)


def test_two_writers_of_one_disk_take_turns(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"etc": None})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: write_files(image, [GuestEntry(f"/etc/{i}", b"x")]), range(12)))
    assert all(read_file(image, f"/etc/{i}") == b"x" for i in range(12))
    assert_sound(image)


def test_reading_is_bounded(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {"etc": None, "self": Path("self")})
    with (tree / "etc/endless").open("wb") as file:
        file.truncate(1 << 40)
    image = tmp_path / "image.ext4"
    make_image(tree, image, label="a-label-of-16-ch", size_mib=16)
    with pytest.raises(HostError, match="bytes"):
        read_file(image, "/etc/endless")
    assert read_file(image, "/self") is None
    assert read_file(image, "/etc") is None
    assert read_file(image, "/none/x") is None
    assert image_label(image) == "a-label-of-16-ch"


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(100_000))
    for attempt in (lambda: write_files(junk, []), lambda: read_file(junk, "/x"), lambda: image_label(junk)):
        with pytest.raises(HostError, match="junk"):
            attempt()
    with pytest.raises(HostError, match="No such file"):
        write_files(tmp_path / "none", [])


def test_images_are_private(tmp_path: Path) -> None:
    image = image_of(tmp_path, {})
    assert stat.S_IMODE(image.stat().st_mode) == 0o600
