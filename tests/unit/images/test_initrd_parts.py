"""An initrd's parts: the archive the kernel unpacks, and the order of its modules."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from vmmcompose.errors import UsageError
from vmmcompose.images import cpio, initrd, kmod
from vmmcompose.images.publish import check_name


def module(*needs: str) -> bytes:
    """As a module's .modinfo section lies in its file."""
    return b"\x7fELF...\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0..."


FILES = {
    "virtio_net": module("net-failover", "virtio"),
    "net_failover": module("failover"),
    "failover": module(),
    "virtio": module("virtio_ring"),
    "virtio_ring": module(),
    "odd": b"no modinfo here",
}


def order(*wanted: str) -> list[str]:
    paths = {name: f"/m/{name}.ko" for name in FILES}
    return [name for name, _ in kmod.load_order(wanted, paths, lambda path: FILES[kmod.module_name(path)])]


def test_what_a_module_needs_is_loaded_before_it_and_once() -> None:
    assert order("virtio", "virtio_net") == [
        "virtio_ring",
        "virtio",
        "failover",
        "net_failover",
        "virtio_net",
    ]


def test_what_the_kernel_has_built_in_is_left_out() -> None:
    assert order("ext4", "odd") == ["odd"]


def test_a_circle_ends() -> None:
    files = {"a": module("b"), "b": module("a")}
    loaded = kmod.load_order(["a"], {"a": "a", "b": "b"}, files.__getitem__)
    assert [name for name, _ in loaded] == ["b", "a"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/lib/modules/6.1/kernel/virtio-rng.ko", "virtio_rng"),
        ("a/ext4.ko.xz", "ext4"),
        ("a/ext4.ko.zst", "ext4"),
        ("a/modules.dep", ""),
    ],
)
def test_a_module_is_named_as_the_kernel_does(path: str, name: str) -> None:
    assert kmod.module_name(path) == name


def test_the_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is missing")
    members = [
        cpio.folder("bin"),
        cpio.file("bin/tool", b"#!/bin/sh\n", 0o755),
        cpio.link("bin/sh", "tool"),
        cpio.file("odd", b"12345", 0o600),
    ]
    data = cpio.archive(members)
    assert data == cpio.archive(members)
    done = subprocess.run(
        ["cpio", "-idm", "--quiet", "--no-absolute-filenames"],
        cwd=tmp_path,
        input=data,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    assert (tmp_path / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE((tmp_path / "bin/tool").stat().st_mode) == 0o755
    assert (tmp_path / "bin/sh").readlink() == Path("tool")
    assert (tmp_path / "odd").read_bytes() == b"12345"


def test_a_device_node_has_its_numbers() -> None:
    entry = cpio.archive([cpio.Member("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))])
    fields = [int(entry[6 + 8 * n : 14 + 8 * n], 16) for n in range(13)]
    assert entry[:6] == b"070701"
    assert fields[1] == stat.S_IFCHR | 0o600
    assert fields[9:11] == [5, 1]


def test_the_initrd_holds_the_script_and_the_modules_in_order(tmp_path: Path) -> None:
    for name in ("virtio_blk", "virtio", "virtio_ring", "unrelated"):
        (tmp_path / f"{name}.ko").write_bytes(
            module(*{"virtio_blk": ["virtio"], "virtio": ["virtio_ring"]}.get(name, []))
        )
    data = initrd.build(tmp_path, b"busybox!")
    for number, name in enumerate(("virtio_ring", "virtio", "virtio_blk")):
        assert f"modules/{number:02}-{name}.ko".encode() in data
    assert b"unrelated" not in data
    assert b"#!/bin/busybox sh" in data
    assert b"unrelated.ko" in initrd.build(tmp_path, b"busybox!", ["unrelated"])


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "x.tmp.12", "a" * 65, "größe", "a\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_good_names_stay() -> None:
    for name in ("6.1.0-56-cloud-amd64", "tiny", "a+b_c.d"):
        assert check_name(name) == name
