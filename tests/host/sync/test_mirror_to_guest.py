"""Changes of a host directory arrive in the guest's folder; its shell and tools are real, and of two kinds."""

import os
import shutil
import stat
import time
from pathlib import Path

import pytest
from sync_lab import SyncLab, calm, shown

from vmmcompose.errors import HostError
from vmmcompose.host.sync.tree import Tree
from vmmcompose.model.mountsync import Report

pytestmark = pytest.mark.root
ODD_NAMES = (
    "with blank",
    "-rf",
    "--help",
    "new\nline",
    "\n",
    "it's",
    'quo"te',
    "$HOME `id` $(id)",
    "back\\slash",
    "ünïcödé-日本",
    "tab\there",
    "*?[a]",
    "~",
    ".hidden",
    "..dots",
    "x" * 255,
    os.fsdecode(b"bytes-\xff\xfe\x80\x81\x88"),
    os.fsdecode(bytes(code for code in range(1, 256) if code != ord("/"))[:250]),
)


def test_the_first_look_brings_everything_over(lab: SyncLab) -> None:
    (lab.host / "a/b/c").mkdir(parents=True)
    (lab.host / "a/b/c/deep.txt").write_text("deep")
    (lab.host / "run.sh").write_text("#!/bin/sh\n")
    (lab.host / "run.sh").chmod(0o750)
    (lab.host / "su").write_text("")
    os.chown(lab.host / "su", 12345, 23456)
    (lab.host / "su").chmod(0o4755)
    (lab.host / "link").symlink_to("a/b")
    (lab.host / "nowhere").symlink_to("/does/not -> exist'")
    os.utime(lab.host / "run.sh", (1_000_000_000, 1_000_000_000))
    calm()
    with lab.mirror() as mirror:
        report = mirror.full()
        assert shown(lab.guest) == shown(lab.host)
        assert report.sent == 8
        assert report.bytes == len("deep#!/bin/sh\n")
        again = mirror.full()
    assert (again.sent, again.deleted) == (0, 0)
    assert lab.leftovers() == []


@pytest.mark.parametrize("seconds", [-86400, -1, 0, 1 << 33])
def test_times_before_1970_and_far_ahead_are_carried(lab: SyncLab, seconds: int) -> None:
    (lab.host / "file").write_text("1")
    os.utime(lab.host / "file", (seconds, seconds))
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        assert shown(lab.guest) == shown(lab.host)
        assert mirror.full() == Report()


def test_names_of_every_kind_come_and_go(lab: SyncLab) -> None:
    for name in ODD_NAMES:
        (lab.host / name).write_text(name, errors="surrogateescape")
        folder = lab.host / f"d{name[:200]}"
        folder.mkdir()
        (folder / name).write_text("below")
        (folder / "l").symlink_to(name)
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        assert shown(lab.guest) == shown(lab.host)
        assert mirror.full().sent == 0
        (lab.host / "-rf").write_text("again, and longer")
        calm()
        report = mirror.push({"-rf"})
        assert report.sent == 1
        assert shown(lab.guest) == shown(lab.host)
        for name in ODD_NAMES:
            (lab.host / name).unlink()
            shutil.rmtree(lab.host / f"d{name[:200]}")
        mirror.push({"", *ODD_NAMES})
    assert shown(lab.guest) == {}


def test_a_push_looks_at_what_it_was_told_of(lab: SyncLab) -> None:
    (lab.host / "d").mkdir()
    for name in ("a", "b", "d/c"):
        (lab.host / name).write_text("old")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        for name in ("a", "b", "d/c"):
            (lab.host / name).write_text("new")
        calm()
        assert mirror.push({"a"}).sent == 1
        assert (lab.guest / "b").read_text() == "old"
        assert mirror.push({"d"}).sent == 1
        assert mirror.push({"", "no/such/path"}).sent == 1
    assert shown(lab.guest) == shown(lab.host)


def test_deletions_renames_and_new_kinds(lab: SyncLab) -> None:
    for name in ("gone/x/y", "kept/old name", "was-file", "was-folder/below", "was-link-target/f"):
        (lab.host / name).parent.mkdir(parents=True, exist_ok=True)
        (lab.host / name).write_text(name)
    (lab.host / "was-link").symlink_to("was-link-target")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        shutil.rmtree(lab.host / "gone")
        (lab.host / "kept/old name").rename(lab.host / "kept/new name")
        (lab.host / "kept").rename(lab.host / "moved")
        (lab.host / "was-file").unlink()
        (lab.host / "was-file").mkdir()
        (lab.host / "was-file/inside").write_text("1")
        shutil.rmtree(lab.host / "was-folder")
        (lab.host / "was-folder").write_text("a file now")
        (lab.host / "was-link").unlink()
        (lab.host / "was-link").mkdir()
        (lab.host / "was-link/real").write_text("2")
        calm()
        paths = {"gone/x/y", "kept", "moved", "was-file", "was-folder/below", "was-link"}
        report = mirror.push(paths)
        assert shown(lab.guest) == shown(lab.host)
        assert report.deleted == 2
        assert mirror.full().sent == 0


def test_modes_and_owners_go_over_without_content(lab: SyncLab) -> None:
    (lab.host / "d").mkdir()
    (lab.host / "d/f").write_bytes(b"x" * 100_000)
    os.utime(lab.host / "d/f", (1_000_000_000, 1_000_000_000))
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        inode = (lab.guest / "d/f").stat().st_ino
        (lab.host / "d/f").chmod(0o600)
        (lab.host / "d").chmod(0o700)
        os.chown(lab.host / "d/f", 1000, 1000)
        report = mirror.push({"d", "d/f"})
        assert (report.sent, report.bytes) == (2, 0)
        (lab.host / "d/f").chmod(0o640)
        assert mirror.full().bytes == 0
    assert shown(lab.guest) == shown(lab.host)
    assert (lab.guest / "d/f").stat().st_ino == inode


def test_the_guests_own_files_stay(lab: SyncLab) -> None:
    (lab.host / "d").mkdir()
    (lab.host / "d/ours").write_text("1")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        (lab.guest / "d/theirs").write_text("2")
        (lab.guest / "upload").write_text("3")
        (lab.guest / "lost+found").mkdir()
        (lab.host / "d/ours").write_text("changed")
        mirror.full()
        assert (lab.guest / "d/theirs").exists()
        assert (lab.guest / "upload").exists()
        assert (lab.guest / "d/ours").read_text() == "changed"


def test_ignored_paths_are_neither_sent_nor_deleted(lab: SyncLab) -> None:
    (lab.host / ".vmmignore").write_text("# comment\n*.log\n!keep.log\nbuild/\n")
    for name in ("a.log", "keep.log", "build/out", "src/x.log", "src/y", "node_modules/z/q"):
        (lab.host / name).parent.mkdir(parents=True, exist_ok=True)
        (lab.host / name).write_text(name)
    (lab.guest / "node_modules").mkdir()
    (lab.guest / "node_modules/mine").write_text("")
    with lab.mirror(patterns=("node_modules",)) as mirror:
        mirror.full()
        mirror.push({"a.log", "build", "build/out", "node_modules/z"})
        carried = sorted(name for name in shown(lab.guest) if not name.startswith("node_modules"))
        assert carried == [".vmmignore", "keep.log", "src", "src/y"]
        assert sorted(os.listdir(lab.guest / "node_modules")) == ["mine"]
        (lab.host / ".vmmignore").write_text("")
        mirror.push({".vmmignore"})
        assert (lab.guest / "src/x.log").exists()


def test_patterns_that_are_none_are_told_and_leave_nothing_open(tmp_path: Path) -> None:
    (tmp_path / ".vmmignore").write_text("!\n")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(HostError, match="pattern"):
        Tree(str(tmp_path))
    assert os.listdir("/proc/self/fd") == before


def test_everything_gets_the_owner_that_was_asked_for(lab: SyncLab) -> None:
    (lab.host / "d").mkdir()
    (lab.host / "d/f").write_text("1")
    calm()
    with lab.mirror(owner=(33, 34)) as mirror:
        mirror.full()
        assert mirror.full().sent == 0
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in lab.guest.rglob("*")}
    assert owners == {(33, 34)}


def test_devices_pipes_and_sockets_are_left_out(lab: SyncLab) -> None:
    os.mkfifo(lab.host / "pipe")
    os.mknod(lab.host / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (lab.host / "f").write_text("1")
    with lab.mirror() as mirror:
        assert mirror.full().sent == 1
        mirror.push({"pipe", "null", ""})
    assert sorted(shown(lab.guest)) == ["f"]


def test_no_link_on_the_host_is_followed(lab: SyncLab, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("private")
    (lab.host / "way").symlink_to(tmp_path / "secret")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        mirror.push({"way/key", "../secret/key", "/etc/passwd"})
    assert sorted(shown(lab.guest)) == ["way"]
    assert os.readlink(lab.guest / "way") == str(tmp_path / "secret")


def test_many_files_go_in_a_few_steps(lab: SyncLab) -> None:
    for number in range(3000):
        folder = lab.host / f"folder {number % 40}"
        folder.mkdir(exist_ok=True)
        (folder / f"file {number} with a rather long name to fill a command line").write_text(str(number))
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        assert shown(lab.guest) == shown(lab.host)
        for folder in lab.host.iterdir():
            (folder / "new").mkdir()
            for number in range(30):
                (folder / f"new/{number}").write_text("n")
        begin = time.monotonic()
        mirror.push({folder.name for folder in lab.host.iterdir()})
        assert time.monotonic() - begin < 20
    assert shown(lab.guest) == shown(lab.host)
    assert lab.leftovers() == []
