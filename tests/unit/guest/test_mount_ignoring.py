"""What of a mount is left out: the same as git would, judged by git itself."""

import shutil
import subprocess
from pathlib import Path

import pytest

from vmmcompose.guest.ignoring import Rules

PATTERNS = [
    "# a comment",
    "",
    "*.log",
    "!keep.log",
    "/top",
    "build/",
    "docs/*.txt",
    "**/cache",
    "a/**/z",
    "\\#hash",
    "sp ace",
    "trail\\ ",
    "[ab].c",
    "x?z",
]
PATHS = [
    "a.log",
    "d/a.log",
    "keep.log",
    "d/keep.log",
    "top",
    "d/top",
    "build/x",
    "d/build/y",
    "docs/a.txt",
    "docs/d/a.txt",
    "e/docs/a.txt",
    "cache/q",
    "d/cache",
    "a/z",
    "a/b/c/z",
    "#hash",
    "sp ace",
    "trail ",
    "a.c",
    "c.c",
    "xyz",
    "x/z",
    "plain",
    "-n",
]


def test_patterns_mean_what_they_mean_to_git(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is missing")
    subprocess.run(("git", "init", "-q", str(tmp_path)), check=True)
    (tmp_path / ".gitignore").write_text("\n".join(PATTERNS) + "\n")
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        if not (tmp_path / path).is_dir():
            (tmp_path / path).write_text("")
    asked = subprocess.run(
        ("git", "-C", str(tmp_path), "check-ignore", "--stdin", "-z", "--no-index"),
        input="\0".join(PATHS),
        capture_output=True,
        text=True,
        check=False,
    )
    rules = Rules(PATTERNS)
    ours = {path for path in PATHS if rules.ignores_above(path) or rules.ignores(path, folder=False)}
    assert ours == set(asked.stdout.split("\0")) - {""}
    assert len(ours) > 10


def test_our_own_files_and_the_file_systems_are_never_carried() -> None:
    rules = Rules(())
    assert rules.ignores(".vmm-sync.12.ab", folder=True)
    assert rules.ignores("d/notes.web.vmm-conflict", folder=False)
    assert rules.ignores("lost+found", folder=True)
    assert not rules.ignores("d/lost+found", folder=True)
    assert not rules.ignores("anything", folder=False)
