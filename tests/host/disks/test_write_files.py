"""Files in an image: put there, replaced, taken out and read, whatever the image makes of it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from image_lab import Tree, assert_sound, debugfs, fingerprint, image_of, plant

from vmmcompose.errors import HostError
from vmmcompose.guest.entries import GuestEntry, folder
from vmmcompose.host import e2fs
from vmmcompose.host.ext4 import image_label, make_image, read_file, write_files


def test_files_are_there_with_mode_and_owner(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"etc/old": "old"})
    content = os.urandom(100_000)
    write_files(
        image,
        [
            GuestEntry("/etc/old", b"new", 0o640, 5, 70_000),
            GuestEntry("/a/b/c/deep", content),
            GuestEntry("/etc/empty", b""),
            folder("/mnt/site", 0o1777),
        ],
    )
    assert_sound(image)
    assert read_file(image, "/etc/old") == b"new"
    assert read_file(image, "/a/b/c/deep") == content
    assert read_file(image, "/etc/empty") == b""
    shown = debugfs(image, "stat /etc/old")
    assert "Mode:  0640" in shown
    assert "User:     5   Group: 70000" in shown
    assert "Mode:  01777" in debugfs(image, "stat /mnt/site")
    assert "Mode:  0755" in debugfs(image, "stat /a/b")
    assert not list(tmp_path.glob("image.ext4.*"))


def test_writing_again_changes_nothing_else(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"keep": "kept", "etc/hosts": "x"})
    entries = [GuestEntry("/etc/hosts", b"y" * 5000), folder("/root/.ssh", 0o700)]
    for _ in range(5):
        write_files(image, entries)
        assert_sound(image)
    assert read_file(image, "/keep") == b"kept"
    assert debugfs(image, "ls -p /etc").count("hosts") == 1


def hostile(victim: Path) -> Tree:
    """An image that points at the host wherever something is written."""
    return {
        "root/.ssh": victim / "ssh",
        "etc/resolv.conf": victim / "resolv.conf",
        "etc/hosts": victim / "hosts",
        "etc/environment.d": Path("../../../../../../../..") / str(victim / "ssh").lstrip("/"),
        "etc/ssh": Path("/etc/ssh"),
        "etc/fstab": Path("/proc/self/environ"),
        "mnt": Path("/mnt/../mnt"),
        "etc/machine-id": victim / "missing",
    }


def test_links_to_host_paths_harm_nobody(tmp_path: Path) -> None:
    victim = plant(
        tmp_path / "victim", {"ssh/authorized_keys": "host", "resolv.conf": "host", "hosts": "host"}
    )
    image = image_of(tmp_path / "guest", hostile(victim))
    before = fingerprint(victim)
    wanted = {
        "/root/.ssh/authorized_keys": b"guest key\n",
        "/etc/resolv.conf": b"nameserver 9.9.9.9\n",
        "/etc/hosts": b"127.0.0.1 localhost\n",
        "/etc/environment.d/50-vmm.conf": b"A=1\n",
        "/etc/ssh/ssh_host_ed25519_key": b"KEY",
        "/etc/fstab": b"# table\n",
        "/mnt/site/x": b"in the mount point",
        "/etc/machine-id": b"0" * 32,
    }
    assert read_file(image, "/etc/resolv.conf") is None
    assert read_file(image, "/etc/fstab") is None
    write_files(
        image,
        [
            folder("/root/.ssh", 0o700),
            *(GuestEntry(path, content, 0o600) for path, content in wanted.items()),
        ],
        remove=["/etc/environment.d/authorized_keys"],
    )
    assert fingerprint(victim) == before
    assert {path: read_file(image, path) for path in wanted} == wanted
    for path in wanted:
        assert "Type: regular" in debugfs(image, f"stat {path}")
    assert "Type: directory" in debugfs(image, "stat /root/.ssh")
    assert_sound(image)


def test_links_that_lead_somewhere_in_the_image_are_followed(tmp_path: Path) -> None:
    """As on a Debian with merged /usr and systemd-resolved, and with a root home that lies elsewhere."""
    long = Path("/" + "/".join(["usr"] + [f"folder-number-{i}" for i in range(8)]))
    tree: Tree = {
        "usr/lib/os-release": "ID=debian\n",
        "lib": Path("usr/lib"),
        "etc/resolv.conf": Path("../run/systemd/resolve/stub-resolv.conf"),
        "etc/os-release": Path("../lib/os-release"),
        "home/admin": None,
        "root": Path("/home/admin"),
        "one": Path("two"),
        "two": Path("../../three"),
        "three": None,
        str(long).lstrip("/"): None,
        "long": long,
    }
    image = image_of(tmp_path, tree)
    assert read_file(image, "/etc/os-release") == b"ID=debian\n"
    write_files(
        image,
        [
            GuestEntry("/lib/systemd/unit", b"unit"),
            GuestEntry("/etc/resolv.conf", b"nameserver 1.1.1.1\n"),
            folder("/root/.ssh", 0o700),
            GuestEntry("/root/.ssh/authorized_keys", b"key", 0o600),
            GuestEntry("/one/file", b"through two links"),
            GuestEntry("/long/file", b"through a long link"),
        ],
    )
    assert read_file(image, "/usr/lib/systemd/unit") == b"unit"
    assert "symlink" in debugfs(image, "stat /lib")
    assert "Type: regular" in debugfs(image, "stat /etc/resolv.conf")
    assert read_file(image, "/home/admin/.ssh/authorized_keys") == b"key"
    assert "Mode:  0700" in debugfs(image, "stat /home/admin/.ssh")
    assert read_file(image, "/three/file") == b"through two links"
    assert read_file(image, f"{long}/file") == b"through a long link"
    assert_sound(image)


def test_a_parent_that_leads_nowhere_becomes_a_folder(tmp_path: Path) -> None:
    tree: Tree = {"loop": Path("loop2"), "loop2": Path("/loop"), "nowhere": Path("/no/such"), "file": "x"}
    image = image_of(tmp_path, tree | {"tofile": Path("file")})
    names = ("loop", "nowhere", "tofile")
    write_files(image, [GuestEntry(f"/{name}/sub/f", name.encode()) for name in names])
    for name in names:
        assert read_file(image, f"/{name}/sub/f") == name.encode()
    assert read_file(image, "/file") == b"x"
    assert read_file(image, "/loop2/sub/f") == b"loop"
    assert_sound(image)


ODD = [
    "a b",
    ' "quoted" ',
    "it's",
    "ünïcödé ☃",
    "-dash",
    "<12>",
    "#hash",
    "back\\slash",
    "*?[",
    "~",
    "%s",
    "a" * 255,
    "." * 3,
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names(tmp_path: Path, name: str) -> None:
    image = image_of(tmp_path, {"etc": None})
    path = f"/etc/{name}/{name}"
    for content in (b"first", b"second"):
        write_files(image, [GuestEntry(path, content), folder(f"/{name}", 0o711)])
        assert read_file(image, path) == content
    assert name in debugfs(image, "ls -p /etc")
    write_files(image, [], remove=[path])
    assert read_file(image, path) is None
    assert_sound(image)


@pytest.mark.parametrize(
    "path", ["etc/x", "/etc/../x", "/etc/./x", "/a\nb", "/a\0b", "/", "", f"/{'a' * 256}", "/é" * 3000]
)
def test_impossible_paths_are_refused_before_anything_is_written(tmp_path: Path, path: str) -> None:
    image = image_of(tmp_path, {"etc": None})
    before = image.read_bytes()
    with pytest.raises(HostError):
        write_files(image, [GuestEntry("/good", b""), GuestEntry(path, b"")])
    assert image.read_bytes() == before


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"etc/conf/x": "", "plain": "", "usr/lib": None, "lib": Path("usr/lib")})
    for entries, message in (
        ([GuestEntry("/etc/conf", b"")], "is a folder in the image"),
        ([GuestEntry("/plain/x", b"")], "where a folder is needed"),
        ([GuestEntry("/n/x", b""), GuestEntry("/n", b"")], "both a file and a folder"),
        ([GuestEntry("/lib/x", b"1"), GuestEntry("/usr/lib/x", b"2")], "the same file"),
    ):
        with pytest.raises(HostError, match=message):
            write_files(image, entries)
    assert_sound(image)


def test_removals(tmp_path: Path) -> None:
    tree: Tree = {
        "etc/key": "k",
        "etc/link": Path("/etc/key2"),
        "etc/key2": "2",
        "dir/x": "",
        "via": Path("etc"),
    }
    image = image_of(tmp_path, tree)
    write_files(
        image,
        [GuestEntry("/etc/key2", b"new")],
        remove=["/via/key", "/etc/key", "/etc/link", "/dir", "/none", "/no/such", "/etc/key2"],
    )
    assert read_file(image, "/etc/key") is None
    assert "link" not in debugfs(image, "ls -p /etc")
    assert read_file(image, "/etc/key2") == b"new"
    assert read_file(image, "/dir/x") == b""
    assert_sound(image)


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
