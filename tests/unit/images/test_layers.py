"""Layers of images applied one on another: what is hidden, replaced and kept."""

import gzip
import hashlib
import io
import itertools
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tar_lab import apply, folder, hardlink, layer, listing, member, symlink, tar_of

from vmmcompose.errors import HostError
from vmmcompose.images.allowance import Allowance
from vmmcompose.images.layers import apply_layers, unpack_tar

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is missing, for the owners of files"),
]
LOWER = tar_of(
    folder("a"),
    member("a/old", b"old"),
    folder("a/sub"),
    member("a/sub/old"),
    member("gone"),
    folder("b/deep/er"),
)


def test_a_marker_removes_what_is_below_and_never_reaches_the_tree(tmp_path: Path) -> None:
    apply(tmp_path / "t", LOWER, tar_of(member(".wh.gone"), member("a/.wh.sub"), member(".wh.never-there")))
    assert listing(tmp_path / "t") == ["a", "a/old", "b", "b/deep", "b/deep/er"]


def test_the_order_of_markers_and_files_does_not_matter(tmp_path: Path) -> None:
    members = [folder("a"), member("a/.wh..wh..opq"), member("a/new", b"new"), member("a/sub/new")]
    for number, order in enumerate(itertools.permutations(members)):
        apply(tmp_path / str(number), LOWER, tar_of(*order))
        assert listing(tmp_path / str(number) / "a") == ["new", "sub", "sub/new"]


def test_a_file_of_the_same_layer_outlives_its_marker(tmp_path: Path) -> None:
    for number, order in enumerate(itertools.permutations([member("gone", b"new"), member(".wh.gone")])):
        apply(tmp_path / str(number), LOWER, tar_of(*order))
        assert (tmp_path / str(number) / "gone").read_text() == "new"


def test_a_marker_in_a_third_layer_hides_the_second(tmp_path: Path) -> None:
    apply(tmp_path / "t", LOWER, tar_of(member("a/new")), tar_of(member("a/.wh.new"), member("a/.wh.old")))
    assert listing(tmp_path / "t/a") == ["sub", "sub/old"]


def test_kinds_replace_each_other(tmp_path: Path) -> None:
    apply(tmp_path / "t", LOWER, tar_of(member("a", b"file"), folder("gone"), symlink("b", "a")))
    assert listing(tmp_path / "t") == ["a", "b", "gone"]
    assert os.readlink(tmp_path / "t/b") == "a"


def test_other_markers_of_old_tools_are_skipped(tmp_path: Path) -> None:
    apply(tmp_path / "t", tar_of(folder(".wh..wh.plnk"), member(".wh..wh.plnk/1.2"), member(".wh..wh.aufs")))
    assert listing(tmp_path / "t") == []
    with pytest.raises(HostError, match="below the marker"):
        apply(tmp_path / "t", tar_of(member(".wh.a/b")))


def test_a_file_below_a_link_of_a_lower_layer_goes_where_it_leads(tmp_path: Path) -> None:
    lower = tar_of(folder("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib"))
    upper = tar_of(member("lib/one"), member("abs/two"), member("usr/lib/three"))
    apply(tmp_path / "t", lower, upper, tar_of(member("usr/lib/.wh.one"), member("lib/.wh.three")))
    assert listing(tmp_path / "t") == ["abs", "lib", "usr", "usr/lib", "usr/lib/two"]


def test_owners_modes_times_and_attributes_are_kept(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    ping = member("ping", b"x", mode=0o4755, uid=1000, gid=70_000, mtime=1_600_000_000)
    ping[0].pax_headers = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.user.note": "läuft",
        "SCHILY.xattr.security.selinux": "builder_t",
    }
    place = folder("d", mode=0o1777, uid=5, gid=6, mtime=1_500_000_000)
    apply(tmp_path / "t", tar_of(place, ping, member("d/later"), symlink("s", "ping")))
    status = (tmp_path / "t/ping").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o4755, 1000, 70_000)
    assert status.st_mtime == 1_600_000_000
    assert os.getxattr(tmp_path / "t/ping", "security.capability") == capability
    assert os.getxattr(tmp_path / "t/ping", "user.note") == "läuft".encode()
    assert set(os.listxattr(tmp_path / "t/ping")) == {"security.capability", "user.note"}
    status = (tmp_path / "t/d").stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o1777, 5, 6)
    assert status.st_mtime == 1_500_000_000


def test_hard_links_across_layers_are_one_file(tmp_path: Path) -> None:
    apply(
        tmp_path / "t",
        tar_of(member("one", b"1"), hardlink("two", "/one")),
        tar_of(hardlink("three", "./two")),
    )
    assert (tmp_path / "t/three").stat().st_nlink == 3


def gnu_sparse(folder_: Path, style: list[str]) -> bytes:
    with (folder_ / "holes").open("wb") as file:
        file.seek(5 << 20)
        file.write(b"middle")
        file.truncate(20 << 20)
    argv = ["tar", "-C", str(folder_), *style, "-S", "-cf", "-", "holes"]
    return subprocess.run(argv, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "style",
    [
        ["--format=gnu"],
        ["--format=posix"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
    ],
)
def test_holes_stay_holes(tmp_path: Path, style: list[str]) -> None:
    apply(tmp_path / "t", gnu_sparse(tmp_path, style))
    content = (tmp_path / "t/holes").read_bytes()
    assert content == (tmp_path / "holes").read_bytes()
    assert (tmp_path / "t/holes").stat().st_blocks * 512 < 1 << 20


def test_zeros_become_holes(tmp_path: Path) -> None:
    apply(tmp_path / "t", tar_of(member("zeros", bytes(4 << 20) + b"end")))
    assert (tmp_path / "t/zeros").read_bytes() == bytes(4 << 20) + b"end"
    assert (tmp_path / "t/zeros").stat().st_blocks * 512 < 1 << 20


@pytest.mark.parametrize("tool", ["gzip", "zstd", "xz", "bzip2", "cat"])
def test_compression_is_told_by_the_content(tmp_path: Path, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing")
    data = os.urandom(1 << 20)
    packed = subprocess.run([tool], input=tar_of(member("f", data)), capture_output=True, check=True).stdout
    apply(tmp_path / "t", packed)
    assert (tmp_path / "t/f").read_bytes() == data


def test_streams_of_several_members_are_read_to_the_end(tmp_path: Path) -> None:
    plain = tar_of(member("f", os.urandom(100_000)))
    compressors: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, lzma.compress)
    for number, compress in enumerate(compressors):
        apply(tmp_path / str(number), compress(plain[:50_000]) + compress(plain[50_000:]))
        assert listing(tmp_path / str(number)) == ["f"]


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bytes])
def test_digests_are_compared(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    plain = tar_of(member("f", b"content"))
    packed = compress(plain)
    digest, diff_id = (f"sha256:{hashlib.sha256(data).hexdigest()}" for data in (packed, plain))
    tree = tmp_path / "t"
    tree.mkdir()
    apply_layers([layer(packed, digest=digest, diff_id=diff_id)], tree, Allowance(1 << 30), print)
    for wrong in ({"digest": digest[:-1] + "x"}, {"diff_id": diff_id[:-1] + "x"}):
        with pytest.raises(HostError, match="is not what the image says"):
            apply_layers([layer(packed, **wrong)], tree, Allowance(1 << 30), print)


def test_a_whole_root_filesystem_may_have_names_like_markers(tmp_path: Path) -> None:
    plain = tar_of(folder("./", mode=0o700), member("./.wh.a"), folder("./.wh..wh..opq"))
    unpack_tar(io.BytesIO(plain), "the file", tmp_path, Allowance(1 << 30))
    assert listing(tmp_path) == [".wh..wh..opq", ".wh.a"]
