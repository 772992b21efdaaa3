"""Whatever an archive holds, nothing outside its folder is read, made, changed or removed."""

import io
import os
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_lab import fingerprint
from tar_lab import folder, hardlink, member, symlink, tar_of

from vmmcompose.errors import HostError
from vmmcompose.images import layers
from vmmcompose.images.allowance import Allowance
from vmmcompose.images.tarread import read_tar
from vmmcompose.images.unpack import Unpacker

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is missing, for the owners of files"),
]
PARTS = ("a", "b", "l", ".", "", "out", "f", ".wh.a", ".wh.l", ".wh.f", ".wh..wh..opq")
NAMES = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("/".join)
TARGETS = st.one_of(
    st.sampled_from(("../out", "../out/f", "OUT", "OUT/f", "/proc/self/root/OUT", "a/../../out")), NAMES
)
"""All lead to the folder beside the tree or into the tree: a test that fails must not cost the host's files."""
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


def put(one: tuple[tarfile.TarInfo, bytes], unpacker: Unpacker) -> None:
    for entry, write in read_tar(io.BytesIO(tar_of(one)), "the test's", needs_end=True):
        layers._apply_entry(entry, write, unpacker)


@settings(max_examples=400, deadline=None)
@given(st.lists(members(), min_size=1, max_size=3))
def test_nothing_outside_is_touched(archive: list[list[tuple[str, str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        outside = Path(place) / "out"
        outside.mkdir()
        (outside / "f").write_text("the host's")
        before = fingerprint(outside), outside.stat().st_ctime_ns
        tree = Path(place) / "tree"
        tree.mkdir()
        with Unpacker(tree, Allowance(1 << 30)) as unpacker:
            for layer in archive:
                unpacker.begin_layer()
                for kind, name, target in layer:
                    # What is refused ends an import; here the rest comes all the same, to get further.
                    with suppress(HostError):
                        put(made(kind, name, target.replace("OUT", str(outside))), unpacker)
            unpacker.finish()
        assert (fingerprint(outside), outside.stat().st_ctime_ns) == before
        assert sorted(os.listdir(place)) == ["out", "tree"]
        for path in (Path(place) / "tree").rglob("*"):
            assert not path.name.startswith(".wh.")
            assert path.is_symlink() or path.lstat().st_ino != (outside / "f").stat().st_ino
            assert path.is_symlink() or path.is_dir() or path.is_file()
