"""Which folders of a tree are watched: not those that are ignored, and none where there are more than may be."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmmcompose.host.filewatch import Changed, FileWatch, Ignores

MODULES: Ignores = frozenset({("node_modules/",)})
ALL: Ignores = frozenset({()})


@pytest.fixture
def watch() -> Iterator[FileWatch]:
    watching = FileWatch()
    yield watching
    watching.close()


def watches(watch: FileWatch) -> int:
    """How many the kernel keeps for a tree, beside that for the folder it is in."""
    return Path(f"/proc/self/fdinfo/{watch.fileno()}").read_text().count("inotify wd:") - 1


def site(tmp_path: Path, modules: int = 20) -> Path:
    tree = tmp_path / "site"
    for number in range(modules):
        (tree / "node_modules" / str(number)).mkdir(parents=True)
    (tree / "src" / "deep").mkdir(parents=True)
    return tree


def test_ignored_folders_are_not_watched_and_not_told_of(watch: FileWatch, tmp_path: Path) -> None:
    tree = site(tmp_path)
    watch.set([], {str(tree): MODULES})
    assert watches(watch) == 3  # the directory, src, src/deep
    (tree / "node_modules" / "0" / "x").write_text("x")
    (tree / "node_modules" / "more").mkdir()
    assert watch.read() == Changed()
    (tree / "src" / "node_modules" / "a").mkdir(parents=True)
    (tree / "src" / "lib" / "b").mkdir(parents=True)
    assert watch.read().trees[str(tree)] == {"src/lib"}
    assert watches(watch) == 5


def test_what_only_one_of_two_mounts_ignores_is_watched(watch: FileWatch, tmp_path: Path) -> None:
    tree = site(tmp_path)
    watch.set([], {str(tree): MODULES | ALL})
    (tree / "node_modules" / "0" / "x").write_text("x")
    assert watch.read().trees == {str(tree): {"node_modules/0/x"}}
    watch.set([], {str(tree): MODULES})
    assert watches(watch) == 3


def test_the_directorys_own_file_of_patterns_counts_from_when_it_is_saved(
    watch: FileWatch, tmp_path: Path
) -> None:
    tree = site(tmp_path)
    watch.set([], {str(tree): ALL})
    assert watches(watch) == 24
    (tree / ".vmmignore").write_text("node_modules\n*.log\n")
    assert watch.read().trees == {str(tree): {".vmmignore"}}
    assert watches(watch) == 3
    (tree / "src" / "x.log").write_text("x")
    assert watch.read() == Changed()
    (tree / ".vmmignore").unlink()
    watch.read()
    assert watches(watch) == 24
    (tree / "node_modules" / "7" / "x").write_text("x")
    assert watch.read().trees == {str(tree): {"node_modules/7/x"}}


def test_a_pattern_that_is_wrong_leaves_nothing_out(watch: FileWatch, tmp_path: Path) -> None:
    tree = site(tmp_path)
    watch.set([], {str(tree): frozenset({("node_modules/", "!")})})
    assert watches(watch) == 24


def test_folders_that_appear_while_the_kernel_cannot_keep_up_are_watched(
    watch: FileWatch, tmp_path: Path
) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    tree = site(tmp_path)
    watch.set([], {str(tree): ALL})
    for number in range(limit + 1):
        (tree / str(number % 2)).write_text("x")
    shutil.rmtree(tree / "node_modules")
    (tree / "late" / "deep").mkdir(parents=True)
    assert watch.read().overflow
    assert watches(watch) == 5
    (tree / "late" / "deep" / "x").write_text("x")
    assert watch.read().trees == {str(tree): {"late/deep/x"}}


def test_a_folder_renamed_that_also_holds_the_manifest_stays_watched(
    watch: FileWatch, tmp_path: Path
) -> None:
    tree = site(tmp_path)
    watch.set([str(tree / "src" / "vmm.yaml")], {str(tree): ALL})
    (tree / "src").rename(tree / "source")
    watch.read()
    (tree / "source" / "x").write_text("x")
    assert watch.read().trees == {str(tree): {"source/x"}}


LIMITED = """
import json, sys
from pathlib import Path
from vmmcompose.host.filewatch import FileWatch
limits = Path("/proc/sys/user/max_inotify_watches")
limits.write_text(sys.argv[1])
watch = FileWatch()
big, small = sys.argv[2:4]
manifest = f"{small}/vmm.yaml"
trees = {big: frozenset({()}), small: frozenset({()})}
watch.set([manifest], trees)
told = {name: [str(why), why.hint] for name, why in watch.unwatched.items()}
count = Path(f"/proc/self/fdinfo/{watch.fileno()}").read_text().count("inotify wd:")
Path(f"{small}/x").write_text("x")
Path(f"{big}/x").write_text("x")
Path(manifest).write_text("x")
seen = watch.read()
limits.write_text("0")
other = FileWatch()
other.set([manifest], {small: frozenset({()})})
print(json.dumps([told, count, sorted(seen.trees), sorted(seen.files), sorted(other.unwatched)]))
"""


def test_where_there_are_too_many_the_tree_is_named_and_the_rest_is_watched(tmp_path: Path) -> None:
    big, small = site(tmp_path, 50), tmp_path / "small"
    (small / "deep").mkdir(parents=True)
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        sys.executable,
        "-c",
        LIMITED,
        "20",
        str(big),
        str(small),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "Read-only" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    told, count, trees, files, none = json.loads(done.stdout)
    assert list(told) == [str(big)]
    words, hint = told[str(big)]
    assert os.path.dirname(words.split()[2].rstrip(":")).startswith(str(big))
    assert "max_user_watches" in words
    assert "sysctl" in hint
    assert (
        count == 3
    )  # the small one's and what both are in; of the big one none: other programs need some too
    assert trees == [str(small)]
    assert files == [str(small / "vmm.yaml")]
    assert none == [str(small), str(small / "vmm.yaml")]
