"""Files in an image: put there, replaced, taken out and read, whatever the image makes of it."""

import os
from pathlib import Path

import pytest
from image_lab import Tree, assert_sound, debugfs, fingerprint, image_of, plant

from vmmcompose.errors import HostError
from vmmcompose.guest.entries import GuestEntry, folder, mount_point
from vmmcompose.host.ext4 import read_file, write_files


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


def test_a_mount_point_is_made_where_it_is_missing_and_else_left_as_it_is(tmp_path: Path) -> None:
    image = image_of(tmp_path, {"var/lib/db/kept": "kept"})
    write_files(image, [folder("/var/lib/db", 0o2770)])
    write_files(image, [mount_point("/var/lib/db"), mount_point("/srv/new")])
    assert_sound(image)
    assert "Mode:  02770" in debugfs(image, "stat /var/lib/db")
    assert read_file(image, "/var/lib/db/kept") == b"kept"
    assert "Mode:  0755" in debugfs(image, "stat /srv/new")


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
