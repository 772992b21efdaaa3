"""A stranger's tree is worked on as its guest would see it: no link in it leads out of it."""

import os
import stat
from pathlib import Path

import pytest
from image_lab import fingerprint, plant

from vmmcompose.errors import HostError
from vmmcompose.host.rooted import Rooted


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """What stands for the host's files."""
    return plant(tmp_path / "victim", {"hosts": "the host's\n", "ssh/key": "the host's key\n"})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("target", ["{victim}", "../victim", "../../../../../../../../..{victim}"])
def test_a_folder_that_is_a_link_to_the_host_is_one_inside(tree: Path, victim: Path, target: str) -> None:
    before = fingerprint(victim)
    (tree / "etc").symlink_to(target.format(victim=victim))
    root = Rooted(tree)
    assert root.read("etc/hosts") is None
    assert root.kind("etc") == ""
    root.remove("etc/hosts")
    root.write("etc/hosts", b"the guest's\n")
    root.link("etc/ssh/key", "/dev/null")
    root.make_dir("etc/ssh", 0o700)
    root.empty("etc/ssh")
    assert fingerprint(victim) == before
    assert root.read("etc/hosts") == b"the guest's\n"
    assert root.names("etc/ssh") == []


def test_a_file_that_is_a_link_is_replaced(tree: Path, victim: Path) -> None:
    before = fingerprint(victim)
    (tree / "hosts").symlink_to(victim / "hosts")
    os.link(victim / "hosts", tree / "hard")
    root = Rooted(tree)
    root.write("hosts", b"new\n", 0o600)
    root.write("hard", b"new\n")
    assert (victim / "hosts").read_text() == "the host's\n"
    assert not (tree / "hosts").is_symlink()
    assert stat.S_IMODE((tree / "hosts").stat().st_mode) == 0o600
    (tree / "hard").unlink()
    assert fingerprint(victim) != before, "only the change time of the file that had two names"


def test_links_within_the_tree_are_followed(tree: Path) -> None:
    plant(tree, {"usr/bin/sh": "#!", "bin": Path("/usr/bin"), "run": None, "var/run": Path("../run")})
    root = Rooted(tree)
    assert root.kind("bin/sh") == "file"
    root.write("bin/vmm", b"x")
    root.write("/var/run/pid", b"1")
    assert (tree / "usr/bin/vmm").read_bytes() == b"x"
    assert (tree / "run/pid").read_bytes() == b"1"


def test_own_dir_takes_the_place_of_a_link(tree: Path, victim: Path) -> None:
    before = fingerprint(victim)
    plant(tree, {"dev": victim, "proc": Path("/proc"), "run": "a file"})
    for name in ("dev", "proc", "run"):
        Rooted(tree).own_dir(name, 0o755)
        assert stat.S_ISDIR((tree / name).lstat().st_mode)
    assert fingerprint(victim) == before


def test_what_cannot_be_read_is_nothing(tree: Path) -> None:
    plant(tree, {"loop": Path("loop"), "file": "x"})
    os.mkfifo(tree / "fifo")
    root = Rooted(tree)
    assert [root.read(name) for name in ("loop", "file/below", "fifo", "missing", "proc/self/root")] == [
        None
    ] * 5
    (tree / "large").write_bytes(b"x" * 11)
    with pytest.raises(HostError, match="more than 10 bytes"):
        root.read("large", 10)


def test_a_folder_is_not_written_over(tree: Path) -> None:
    plant(tree, {"etc/hosts/below": "x"})
    with pytest.raises(HostError, match="cannot write /etc/hosts"):
        Rooted(tree).write("etc/hosts", b"x")
    for path in ("", "/", "etc/..", "."):
        with pytest.raises(HostError, match="is no path"):
            Rooted(tree).write(path, b"x")
