"""Real files, saved in all the ways that editors have, seen through the kernel's inotify."""

import os
import select
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmmcompose.host.filewatch import Changed, FileWatch, Ignores

ALL: Ignores = frozenset({()})
"""Nothing is ignored."""


@pytest.fixture
def watch() -> Iterator[FileWatch]:
    watching = FileWatch()
    yield watching
    watching.close()


def seen(watch: FileWatch) -> Changed:
    """What is there to be read at once: events of one's own writes are queued before the write returns."""
    return watch.read()


def rename_over(path: Path) -> None:
    new = path.with_suffix(".new")
    new.write_text("new")
    new.replace(path)


def truncate_and_write(path: Path) -> None:
    path.write_text("new")


def as_vim(path: Path) -> None:
    (path.parent / "4913").write_text("")
    (path.parent / "4913").unlink()
    swap = path.parent / f".{path.name}.swp"
    swap.write_text("swap")
    path.rename(f"{path}~")
    path.write_text("new")
    Path(f"{path}~").unlink()
    swap.unlink()


def touch(path: Path) -> None:
    os.utime(path)


def remove(path: Path) -> None:
    path.unlink()


def link_in_place(path: Path) -> None:
    other = path.parent / "other"
    other.write_text("x")
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize("save", [rename_over, truncate_and_write, as_vim, touch, remove, link_in_place])
def test_every_way_of_saving_is_seen(watch: FileWatch, tmp_path: Path, save: Callable[[Path], None]) -> None:
    path = tmp_path / "vmm.yaml"
    path.write_text("old")
    watch.set([str(path)])
    save(path)
    assert seen(watch).files == {str(path)}
    path.unlink(missing_ok=True)
    seen(watch)
    path.write_text("once more")
    assert seen(watch).files == {str(path)}


def test_other_files_beside_it_are_not_told(watch: FileWatch, tmp_path: Path) -> None:
    watch.set([str(tmp_path / "vmm.yaml")])
    (tmp_path / "vmm.yaml.swp").write_text("x")
    (tmp_path / "notes").write_text("x")
    assert seen(watch) == Changed()


def test_reading_a_file_is_no_change(watch: FileWatch, tmp_path: Path) -> None:
    path = tmp_path / "vmm.yaml"
    path.write_text("x")
    watch.set([str(path)])
    path.read_text()
    assert seen(watch) == Changed()


def test_a_file_whose_folders_are_not_there_yet(watch: FileWatch, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / ".env"
    assert watch.set([str(path)])
    path.parent.mkdir(parents=True)
    assert seen(watch).files == {str(path)}
    assert watch.set([str(path)])  # nearer now
    path.write_text("A=1")
    assert seen(watch).files == {str(path)}
    assert not watch.set([str(path)])


def test_a_folder_that_is_replaced_as_by_a_checkout(watch: FileWatch, tmp_path: Path) -> None:
    path = tmp_path / "parts" / "db.yaml"
    path.parent.mkdir()
    path.write_text("x")
    watch.set([str(path)])
    shutil.rmtree(path.parent)
    assert seen(watch).files == {str(path)}
    path.parent.mkdir()
    watch.set([str(path)])
    path.write_text("y")
    assert seen(watch).files == {str(path)}


def test_a_link_to_a_file_elsewhere(watch: FileWatch, tmp_path: Path) -> None:
    real, link = tmp_path / "real" / "x.yaml", tmp_path / "vmm.yaml"
    real.parent.mkdir()
    real.write_text("x")
    link.symlink_to(real)
    watch.set([str(link)])
    real.write_text("y")
    assert seen(watch).files == {str(link)}


def test_trees_are_followed_into_folders_that_appear_and_not_into_those_that_left(
    watch: FileWatch, tmp_path: Path
) -> None:
    tree = tmp_path / "site"
    (tree / "a").mkdir(parents=True)
    watch.set([], {str(tree): ALL})
    (tree / "a" / "x").write_text("x")
    (tree / "new" / "deep").mkdir(parents=True)
    found = seen(watch).trees[str(tree)]
    assert {"a/x", "new"} <= found
    (tree / "new" / "deep" / "y").write_text("y")
    assert seen(watch).trees[str(tree)] == {"new/deep/y"}
    (tree / "a").rename(tmp_path / "out")
    assert seen(watch).trees[str(tree)] == {"a"}
    (tmp_path / "out" / "z").write_text("z")
    assert seen(watch) == Changed()
    (tree / "new").rename(tree / "newer")
    assert seen(watch).trees[str(tree)] == {"new", "newer"}
    (tree / "newer" / "deep" / "y").unlink()
    assert seen(watch).trees[str(tree)] == {"newer/deep/y"}


def test_a_tree_that_goes_and_comes_back(watch: FileWatch, tmp_path: Path) -> None:
    tree = tmp_path / "site"
    tree.mkdir()
    watch.set([], {str(tree): ALL})
    tree.rmdir()
    assert "" in seen(watch).trees[str(tree)]
    watch.set([], {str(tree): ALL})
    tree.mkdir()
    assert seen(watch).trees == {str(tree): {""}}
    (tree / "x").write_text("x")
    assert seen(watch).trees[str(tree)] == {"x"}


def test_another_folder_in_a_trees_place(watch: FileWatch, tmp_path: Path) -> None:
    tree = tmp_path / "site"
    (tree / "deep").mkdir(parents=True)
    watch.set([], {str(tree): ALL})
    tree.rename(tmp_path / "old")
    (tree / "deep").mkdir(parents=True)
    assert "" in seen(watch).trees[str(tree)]
    (tmp_path / "old" / "deep" / "x").write_text("x")
    assert seen(watch) == Changed()
    (tree / "deep" / "x").write_text("x")
    assert seen(watch).trees == {str(tree): {"deep/x"}}


def test_a_link_that_leads_to_another_tree(watch: FileWatch, tmp_path: Path) -> None:
    """As releases are put into place: `current` leads to the newest."""
    for release in ("1", "2"):
        (tmp_path / release / "site").mkdir(parents=True)
    current, new = tmp_path / "current", tmp_path / "new"
    current.symlink_to("1")
    tree = current / "site"
    watch.set([str(tree / "vmm.yaml")], {str(tree): ALL})
    new.symlink_to(tmp_path / "2")
    new.rename(current)
    changed = seen(watch)
    assert changed.trees == {str(tree): {""}}
    assert str(tree / "vmm.yaml") in changed.files
    (tmp_path / "1" / "site" / "x").write_text("x")
    assert not seen(watch).trees
    (tmp_path / "2" / "site" / "x").write_text("x")
    assert seen(watch).trees == {str(tree): {"x"}}


def test_odd_names(watch: FileWatch, tmp_path: Path) -> None:
    watch.set([], {str(tmp_path): ALL})
    for name in (b"caf\xc3\xa9", b"two\nlines", b"\xff\xfe"):
        path = os.fsdecode(name)
        (tmp_path / path).write_text("x")
        assert seen(watch).trees[str(tmp_path)] == {path}


def test_the_descriptor_wakes_who_waits(watch: FileWatch, tmp_path: Path) -> None:
    watch.set([], {str(tmp_path): ALL})
    assert select.select([watch], [], [], 0)[0] == []
    (tmp_path / "x").write_text("x")
    assert select.select([watch], [], [], 5)[0] == [watch]


def test_what_is_not_wanted_any_more_is_not_told(watch: FileWatch, tmp_path: Path) -> None:
    tree = tmp_path / "site"
    (tree / "a").mkdir(parents=True)
    watch.set([str(tmp_path / "vmm.yaml")], {str(tree): ALL})
    watch.set([str(tmp_path / "vmm.yaml")])
    (tree / "a" / "x").write_text("x")
    assert seen(watch) == Changed()


def test_an_overflow_is_told(watch: FileWatch, tmp_path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watch.set([], {str(tmp_path): ALL})
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_text("x")
    for _ in range(limit // 2 + 1):
        one.rename(other)
        other.rename(one)
    assert watch.read().overflow
    one.write_text("y")
    assert seen(watch).trees == {str(tmp_path): {"a"}}
