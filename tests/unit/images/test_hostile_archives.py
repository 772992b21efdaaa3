"""Archives that want to get at the host: refused or contained, and the host is as it was."""

import gzip
import io
import os
import stat
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from image_lab import fingerprint
from tar_lab import apply, folder, hardlink, listing, member, symlink, tar_of

from vmmcompose.errors import HostError
from vmmcompose.images.allowance import Allowance
from vmmcompose.images.layers import unpack_tar

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is missing, for the owners of files"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A folder to unpack into; what lies beside it is the same at the end."""
    outside = tmp_path / "outside"
    (outside / "etc").mkdir(parents=True)
    (outside / "secret").write_text("the host's")
    (outside / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    before = fingerprint(outside)
    yield tmp_path / "tree"
    assert fingerprint(outside) == before
    assert sorted(os.listdir(tmp_path)) == ["outside", "tree"]


@pytest.mark.parametrize(
    "name", ["../outside/secret", "a/../../outside/secret", "/../outside/secret", "..", "a/.."]
)
def test_names_with_dots_are_refused(tree: Path, name: str) -> None:
    with pytest.raises(HostError, match="leads out of its folder"):
        apply(tree, tar_of(member(name, b"mine")))


def test_absolute_names_are_names_in_the_tree(tree: Path) -> None:
    apply(tree, tar_of(member(f"{tree.parent}/outside/secret", b"mine")))
    assert (tree / str(tree.parent / "outside/secret").lstrip("/")).read_text() == "mine"


def test_a_link_that_is_written_through_leads_into_the_tree(tree: Path) -> None:
    outside = str(tree.parent / "outside")
    apply(tree, tar_of(folder(outside), symlink("link", outside), member("link/secret", b"mine")))
    assert (tree / outside.lstrip("/") / "secret").read_text() == "mine"


@pytest.mark.parametrize("target", ["../outside", "../../../../../../outside", "nowhere/at/all"])
def test_a_link_out_of_the_tree_that_is_written_through_is_refused(tree: Path, target: str) -> None:
    with pytest.raises(HostError, match="a link that leads nowhere"):
        apply(tree, tar_of(symlink("link", target), member("link/secret", b"mine")))


def test_a_file_over_a_link_replaces_the_link(tree: Path) -> None:
    target = str(tree.parent / "outside/secret")
    apply(tree, tar_of(symlink("etc", target), member("etc", b"mine", mode=0o4755)))
    assert not (tree / "etc").is_symlink()
    assert stat.S_IMODE((tree / "etc").stat().st_mode) == 0o4755


def test_a_folder_over_a_link_replaces_the_link(tree: Path) -> None:
    target = str(tree.parent / "outside")
    apply(
        tree, tar_of(symlink("etc", target)), tar_of(folder("etc", mode=0o700), member("etc/secret", b"mine"))
    )
    assert (tree / "etc/secret").read_text() == "mine"


@pytest.mark.parametrize(
    "target", ["../outside/secret", "/outside/secret", "way/secret", "/proc/self/root/etc/passwd"]
)
def test_hard_links_to_the_outside_are_refused(tree: Path, target: str) -> None:
    way = symlink("way", str(tree.parent / "outside"))
    with pytest.raises(HostError, match=r"leads out of its folder|No such file"):
        apply(tree, tar_of(way, hardlink("mine", target), member("mine", b"mine")))


def test_a_file_over_a_hard_link_leaves_the_other_name_alone(tree: Path) -> None:
    apply(tree, tar_of(member("one", b"1"), hardlink("two", "one"), member("two", b"2")))
    assert [(tree / name).read_text() for name in ("one", "two")] == ["1", "2"]


def test_a_hard_link_to_a_folder_or_to_nothing_is_refused(tree: Path) -> None:
    with pytest.raises(HostError, match="hard link to a folder"):
        apply(tree, tar_of(folder("here"), hardlink("there", "here")))
    with pytest.raises(HostError, match="No such file"):
        apply(tree, tar_of(hardlink("there", "missing")))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_left_out_and_counted(tree: Path, kind: bytes) -> None:
    node = member("dev/sda", type=kind, devmajor=8, devminor=0, mode=0o666)
    assert (
        apply(tree, tar_of(member("dev/sda", b"was"), node, hardlink("disk", "dev/sda"), member("kept"))) == 2
    )
    assert listing(tree) == ["dev", "kept"]


@pytest.mark.parametrize("marker", [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh...", "../.wh.secret"])
def test_markers_of_dots_are_refused(tree: Path, marker: str) -> None:
    with pytest.raises(HostError, match="leads out of its folder"):
        apply(tree, tar_of(folder("a"), member("a/kept")), tar_of(member(marker)))


@pytest.mark.parametrize("marker", [".wh.secret", ".wh..wh..opq"])
def test_markers_below_a_link_remove_nothing_outside(tree: Path, marker: str) -> None:
    link = symlink("way", str(tree.parent / "outside"))
    apply(tree, tar_of(link), tar_of(member(f"way/{marker}")))
    assert listing(tree) == ["way"]


def test_a_marker_for_a_link_removes_the_link(tree: Path) -> None:
    apply(tree, tar_of(symlink("way", str(tree.parent / "outside"))), tar_of(member(".wh.way")))
    assert listing(tree) == []


def test_a_file_of_a_terabyte_of_hole_is_refused_before_it_is_made(tree: Path) -> None:
    sparse = member("big", b"0\n1099511627776\n".ljust(512, b"\0"))
    sparse[0].pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "big",
        "GNU.sparse.realsize": str(1 << 40),
    }
    with pytest.raises(HostError, match="unpacks to more than 1024 MiB"):
        apply(tree, tar_of(sparse))
    assert listing(tree) == []


def test_a_gzip_bomb_is_refused(tree: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as file:
        file.write(tar_of(member("small", b"x")))
        for _ in range(256):
            file.write(bytes(1 << 20))
    with pytest.raises(HostError, match="decompresses to more than"):
        apply(tree, packed.getvalue(), allowed=1 << 20, entries=100)
    assert len(packed.getvalue()) < 1 << 19


def test_a_header_of_gigabytes_takes_no_memory(tree: Path) -> None:
    header = member("PaxHeaders/x", type=tarfile.XHDTYPE)[0]
    header.size = 7 << 30
    with pytest.raises(HostError, match="headers of more than"):
        apply(tree, header.tobuf() + bytes(1 << 20))


def test_too_many_files_are_refused(tree: Path) -> None:
    with pytest.raises(HostError, match="too many files"):
        apply(tree, tar_of(*(member(f"f{number}") for number in range(50))), entries=40)


def test_folders_too_deep_in_each_other_are_refused(tree: Path) -> None:
    """Also when links make their names short: the host could not remove such a tree."""
    deep = "/".join("d" * 90)
    members = [folder(deep)]
    for number in range(4):
        members += [symlink(f"l{number}", f"{f'l{number - 1}/' if number else ''}{deep}")]
        members += [folder(f"l{number}/{deep}")]
    with pytest.raises(HostError, match="too deep in each other"):
        apply(tree, tar_of(*members))


@pytest.mark.parametrize("fields", [{"uid": 2**32 - 1}, {"gid": -5}, {"uid": 2**40}])
def test_owners_that_do_not_exist_are_refused(tree: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(HostError, match="does not exist in Linux"):
        apply(tree, gnu_tar(member("a", **fields)[0]))


def gnu_tar(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tar at all, and it is longer than a block of five hundred and twelve bytes" * 20,
        tar_of(member("a", b"x" * 5000))[:3000],
        tar_of(member("a", b"x" * 512), member("b"))[:1024],
        b"\x1f\x8b\x08\x00nonsense",
        gzip.compress(tar_of(member("a", os.urandom(9000))))[:4000],
        b"\xfd7zXZ\x00nonsense",
        b"BZh9nonsense",
        b"\x28\xb5\x2f\xfdnonsense",
    ],
)
def test_what_is_damaged_or_cut_short_is_said_to_be_so(tree: Path, content: bytes) -> None:
    tree.mkdir()
    with pytest.raises(HostError, match="the file is damaged or cut short"):
        unpack_tar(io.BytesIO(content), "the file", tree, Allowance(1 << 30))


def test_another_program_changing_names_all_the_time_does_not_disturb(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The kernel asks for another try where a path with dots meets a rename anywhere on the host."""
    renamed = tmp_path_factory.mktemp("renamed")
    renamer = subprocess.Popen(["sh", "-c", "touch a && while mv a b && mv b a; do :; done"], cwd=renamed)
    try:
        time.sleep(0.05)
        members = [folder("x/y"), symlink("up", "x/y/../y")]
        apply(tree, tar_of(*members, *(member(f"up/f{number}") for number in range(200))))
        assert len(listing(tree / "x/y")) == 200
    finally:
        renamer.kill()
        renamer.wait()
