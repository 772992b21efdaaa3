"""Whatever an archive holds, nothing outside its folder is read, made, changed or removed."""

import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_lab import fingerprint
from tar_lab import apply, folder, hardlink, member, symlink, tar_of

from vmmcompose.errors import HostError

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is missing, for the owners of files"),
]
PARTS = ("a", "b", "l", "..", ".", "", "out", ".wh.a", ".wh.l", ".wh...", ".wh..wh..opq")
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)
TARGETS = st.one_of(
    NAMES, st.sampled_from(("../out", "../../out", "/OUT", "/proc/self/root/OUT", "/", "../out/f"))
)
KINDS = ("file", "folder", "symlink", "hardlink", "device")


@st.composite
def members(draw: st.DrawFn) -> list[tuple[str, str, str]]:
    """(kind, name, target) of each."""
    return draw(st.lists(st.tuples(st.sampled_from(KINDS), NAMES, TARGETS), max_size=12))


def made(kind: str, name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    if kind == "file":
        return member(name, b"theirs", mode=0o777, uid=7)
    if kind == "folder":
        return folder(name, mode=0o777, uid=7, mtime=1)
    if kind == "device":
        return member(name, type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    return (symlink if kind == "symlink" else hardlink)(name, target)


@settings(max_examples=250, deadline=None)
@given(st.lists(members(), min_size=1, max_size=3))
def test_nothing_outside_is_touched(layers: list[list[tuple[str, str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        outside = Path(place) / "out"
        outside.mkdir()
        (outside / "f").write_text("the host's")
        before = fingerprint(outside), outside.stat().st_ctime_ns
        tars = [
            tar_of(*(made(kind, name, target.replace("OUT", str(outside))) for kind, name, target in layer))
            for layer in layers
        ]
        try:
            apply(Path(place) / "tree", *tars)
        except HostError:
            return
        finally:
            assert (fingerprint(outside), outside.stat().st_ctime_ns) == before
            assert sorted(os.listdir(place)) == ["out", "tree"]
        for path in (Path(place) / "tree").rglob("*"):
            assert not path.name.startswith(".wh.")
            assert path.is_symlink() or path.lstat().st_ino != (outside / "f").stat().st_ino
            assert path.is_symlink() or path.is_dir() or path.is_file()
