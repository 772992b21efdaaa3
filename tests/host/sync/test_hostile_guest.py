"""A guest that means harm: nothing is written outside the mount's directory, whatever it holds and answers."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from sync_lab import SyncLab, calm

from vmmcompose.errors import NoSpace
from vmmcompose.guest.listing import Entry
from vmmcompose.host.sync.landing import Landing, stays_inside
from vmmcompose.host.sync.tree import Tree
from vmmcompose.model.mountsync import Report

pytestmark = pytest.mark.root


def pull(lab: SyncLab, *, two_way: bool = False) -> Report:
    with lab.mirror(two_way=two_way) as mirror:
        return mirror.full() if two_way else mirror.pull(force=True)


@pytest.mark.parametrize("two_way", [False, True])
def test_links_out_devices_and_setuid_stay_there(lab: SyncLab, tmp_path: Path, *, two_way: bool) -> None:
    (lab.host / "d").mkdir()
    (lab.guest / "d").mkdir()
    for name, target in (
        ("absolute", "/etc/passwd"),
        ("climbing", "../secret"),
        ("d/deeper", "../../secret"),
        ("d/sly", "x/../../../secret"),
    ):
        (lab.guest / name).symlink_to(target)
    (lab.guest / "d/fine").symlink_to("../su")
    (lab.guest / "su").write_text("#!/bin/sh\n")
    (lab.guest / "su").chmod(0o6755)
    (lab.guest / "sticky").mkdir()
    (lab.guest / "sticky").chmod(0o3777)
    os.mknod(lab.guest / "disk", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    os.mkfifo(lab.guest / "pipe")
    report = pull(lab, two_way=two_way)
    found = {str(path.relative_to(lab.host)): path.lstat().st_mode for path in lab.host.rglob("*")}
    assert sorted(found) == ["d", "d/fine", "sticky", "su"]
    assert stat.S_IMODE(found["su"]) == 0o755
    assert stat.S_IMODE(found["sticky"]) == 0o777
    assert sorted(skipped.split(":")[0] for skipped in report.skipped) == [
        "absolute",
        "climbing",
        "d/deeper",
        "d/sly",
        "disk",
        "pipe",
    ]
    assert not (tmp_path / "secret").exists()


def test_a_link_on_the_host_is_no_way_out(lab: SyncLab, tmp_path: Path) -> None:
    """The user's own link to a folder elsewhere, where the guest has made a folder of that name."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("mine")
    (lab.host / "way").symlink_to(tmp_path / "elsewhere")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
    (lab.guest / "way").unlink()
    (lab.guest / "way").mkdir()
    (lab.guest / "way/file").write_text("theirs")
    report = pull(lab)
    assert (tmp_path / "elsewhere/file").read_text() == "mine"
    assert len(report.skipped) == 2


def test_more_than_there_is_room_for_is_refused_before_anything_comes(
    lab: SyncLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (lab.guest / "huge").open("wb") as file:
        file.truncate(1 << 42)
    (lab.guest / "small").write_text("1")
    with pytest.raises(NoSpace, match="more than half of what is free"):
        pull(lab)
    assert list(lab.host.iterdir()) == []


@pytest.mark.parametrize("change", ["delete", "replace"])
def test_what_is_kept_from_the_guest_stays_the_hosts_word(lab: SyncLab, change: str) -> None:
    rules = lab.host / ".vmmignore"
    rules.write_text("secret\n")
    (lab.host / "secret").write_text("key")
    calm()
    with lab.mirror(two_way=True) as mirror:
        mirror.full()
        theirs = lab.guest / ".vmmignore"
        if change == "delete":
            theirs.unlink()
        else:
            theirs.write_text("!secret\n" + "*a" * 30)
        mirror.full()
        mirror.full()
        assert theirs.read_text() == rules.read_text() == "secret\n"
    (lab.guest / ".vmmignore").unlink()
    pull(lab)
    with lab.mirror() as mirror:
        mirror.full()
    assert rules.read_text() == "secret\n"
    assert not (lab.guest / "secret").exists()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_rules_that_the_guest_makes_stay_there(lab: SyncLab, kind: str) -> None:
    if kind == "file":
        (lab.guest / ".vmmignore").write_text("*")
    else:
        (lab.guest / ".vmmignore" / "x").mkdir(parents=True)
    assert pull(lab).fetched == pull(lab, two_way=True).fetched == 0
    assert list(lab.host.iterdir()) == []


def test_what_is_half_there_has_no_name(tmp_path: Path) -> None:
    """Whoever is killed meanwhile leaves nothing behind."""
    probe = tmp_path / "probe"
    try:
        os.close(os.open(tmp_path, os.O_WRONLY | os.O_TMPFILE))
    except OSError:
        pytest.skip("this file system knows no files without a name")
    seen: list[list[str]] = []

    class Guest:
        def receive(self, size: int) -> bytes:
            seen.append(os.listdir(tmp_path))
            return bytes(size)

    with Tree(str(tmp_path)) as tree:
        entry = Entry(0o100640, 700_000, 5_000_000_000)
        for _ in range(2):
            assert Landing(tree).put_file("probe", entry, Guest(), 700_000) == ""
    assert (probe.stat().st_size, probe.stat().st_mode, probe.stat().st_mtime) == (700_000, 0o100640, 5)
    assert seen[0] == []
    assert seen[-1] == os.listdir(tmp_path) == ["probe"]


def test_a_host_that_is_full_says_so(lab: SyncLab) -> None:
    subprocess.run(("mount", "-t", "tmpfs", "-o", "nr_inodes=3", "none", str(lab.host)), check=True)
    try:
        for number in range(9):
            (lab.guest / f"{number}").write_text("1")
        with pytest.raises(NoSpace, match="cannot write"):
            pull(lab)
        assert lab.leftovers() == []
    finally:
        subprocess.run(("umount", str(lab.host)), check=True)


def test_control_characters_are_names_like_others(lab: SyncLab) -> None:
    name = "\x1b[2J\x07\r\x7f"
    (lab.guest / name).write_text("1")
    pull(lab)
    assert os.listdir(lab.host) == [name]


def test_what_git_runs_by_itself_can_be_kept_from_a_guest(lab: SyncLab) -> None:
    """As docs/sync.md advises."""
    for path in (".git/hooks/post-checkout", "part/.git/config", "part/fine"):
        (lab.guest / path).parent.mkdir(parents=True, exist_ok=True)
        (lab.guest / path).write_text("1")
    with lab.mirror(two_way=True, patterns=(".git",)) as mirror:
        mirror.full()
    assert sorted(path.name for path in lab.host.rglob("*")) == ["fine", "part"]


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [
        ("a", "b", True),
        ("a", "b/c/./d", True),
        ("d/a", "../b", True),
        ("d/e/a", "../../b", True),
        ("a", "..", False),
        ("d/a", "../../b", False),
        ("a", "b/../c", False),
        ("a", "/b", False),
        ("a", "", False),
    ],
)
def test_where_a_link_may_lead(path: str, target: str, *, inside: bool) -> None:
    assert stays_inside(path, target) is inside
