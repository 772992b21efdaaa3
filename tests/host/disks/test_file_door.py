"""Files that appear whole or not at all, and trees that are removed without leaving them."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from image_lab import fingerprint, plant

from vmmcompose.errors import HostError
from vmmcompose.host.files import make_dir, remove_tree, replacing, write_atomic


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        for content, mode in ((b"one", 0o644), (b"", 0o600), (b"x" * 100_000, 0o640)):
            write_atomic(tmp_path / "file", content, mode)
            assert (tmp_path / "file").read_bytes() == content
            assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    finally:
        os.umask(old)
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_of_that_name_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"host")
    (tmp_path / "file").symlink_to("victim")
    (tmp_path / f"other.tmp.{os.getpid()}").symlink_to("victim")
    write_atomic(tmp_path / "file", b"new")
    write_atomic(tmp_path / "other", b"new")
    assert (tmp_path / "victim").read_bytes() == b"host"
    assert not (tmp_path / "file").is_symlink()


LIMITED = """
import resource, sys
from vmmcompose.errors import HostError
from vmmcompose.host.files import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    write_atomic(sys.argv[1], b"x" * 100)
except HostError as error:
    print(error.message, "|", error.hint)
    sys.exit(7)
"""


def test_what_cannot_be_written_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    argv = [sys.executable, "-c", LIMITED, str(tmp_path / "file")]
    process = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert process.returncode == 7, process.stderr
    assert "cannot write" in process.stdout
    assert "free some space" in process.stdout
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_exception_removes_the_temporary_file(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot write"):
        write_atomic(tmp_path / "no" / "file", b"")

    def interrupted() -> None:
        with replacing(tmp_path / "file", "write") as temp:
            temp.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_make_dir_puts_modes_right(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    for mode in (0o711, 0o700, 0o700):
        make_dir(target, mode)
        assert stat.S_IMODE(target.stat().st_mode) == mode
    (tmp_path / "file").touch()
    with pytest.raises(HostError):
        make_dir(tmp_path / "file", 0o755)


def test_a_tree_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    keep = plant(tmp_path / "keep", {"x": "x", "sub/y": "y"})
    before = fingerprint(keep)
    tree = plant(
        tmp_path / "tree", {"a/b/c": "", "out": keep, "file": Path("../keep/x"), "dangling": Path("/no")}
    )
    os.mkfifo(tree / "fifo")
    (tmp_path / "alias").symlink_to("keep")
    for name in ("tree", "alias", "none", "none/deeper"):
        remove_tree(tmp_path / name)
    assert fingerprint(keep) == before
    assert os.listdir(tmp_path) == ["keep"]
    remove_tree(keep / "x")
    assert os.listdir(keep) == ["sub"]


MOUNTED = """
mkdir -p "$1/tree/a" "$1/tree/m ünt" "$1/else" && touch "$1/tree/a/first" "$1/else/x"
mount $2 "$1/tree/m ünt" || exit 3
"$3" -c 'import sys; from vmmcompose.host.files import remove_tree; remove_tree(sys.argv[1])' "$1/tree"
ls "$1/else/x" "$1/tree/a/first"
"""


@pytest.mark.root
@pytest.mark.parametrize("how", ["-t tmpfs none", "--bind ELSE"])
def test_a_tree_with_something_mounted_in_it_is_left_alone(tmp_path: Path, how: str) -> None:
    how = how.replace("ELSE", str(tmp_path / "else"))
    argv = ["unshare", "-m", "sh", "-c", MOUNTED, "sh", str(tmp_path), how, sys.executable]
    process = subprocess.run(argv, capture_output=True, text=True, check=False)
    if process.returncode == 3 or "unshare failed" in process.stderr:
        pytest.skip("private mount namespaces are missing")
    assert process.returncode == 0, process.stderr
    assert "is mounted there" in process.stderr
    assert "m ünt" in process.stderr
