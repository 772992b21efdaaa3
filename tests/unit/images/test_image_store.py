"""The store as files: what is listed, what is built, and what a failure leaves behind."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from tiny_bzimage import tiny_bzimage
from tiny_kernel import tiny_kernel

from vmmcompose.errors import HostError, UsageError
from vmmcompose.host import store
from vmmcompose.images import build, elf, kernels, packages, publish
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(PurePosixPath(tmp_path / "data"))


def silent(_text: str) -> None:
    pass


def every_file(paths: Paths) -> set[str]:
    root = Path(paths.root / "images")
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_an_empty_store_lists_nothing(paths: Paths) -> None:
    assert store.list_images(paths) == {}
    assert store.list_kernels(paths) == {}
    assert store.default_kernel(paths) == ""


def test_the_first_kernel_becomes_default(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(tiny_kernel())
    (tmp_path / "two").write_bytes(tiny_bzimage())
    (tmp_path / "initrd").write_bytes(b"070701")
    kernels.import_file(paths, tmp_path / "one", silent)
    kernels.import_file(paths, tmp_path / "two", silent, initrd_file=tmp_path / "initrd", name="second")
    folder = paths.kernels()
    assert store.list_kernels(paths) == {
        "default": Kernel("default", vmlinux=str(folder / "one/vmlinux")),
        "one": Kernel("one", vmlinux=str(folder / "one/vmlinux")),
        "second": Kernel("second", str(folder / "second/bzImage"), "", str(folder / "second/initrd")),
    }
    assert store.default_kernel(paths) == "one"
    info = json.loads(Path(folder / "second/kernel.json").read_text())
    assert sorted(info["sha256"]) == ["bzImage", "initrd"]
    assert stat.S_IMODE(os.stat(str(folder / "one/vmlinux")).st_mode) == 0o644


def test_a_taken_name_is_refused_and_force_replaces_it(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(tiny_kernel())
    kernels.import_file(paths, tmp_path / "k", silent)
    before = every_file(paths)
    (tmp_path / "k").write_bytes(tiny_kernel("another: up\n"))
    with pytest.raises(UsageError, match="already"):
        kernels.import_file(paths, tmp_path / "k", silent)
    kernels.import_file(paths, tmp_path / "k", silent, force=True)
    assert Path(paths.kernel("k") / "vmlinux").read_bytes() == tiny_kernel("another: up\n")
    assert every_file(paths) == before


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"root:x:0:0\n" * 100])
def test_a_file_that_is_no_kernel_is_refused(paths: Paths, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(UsageError, match="is no kernel"):
        kernels.import_file(paths, tmp_path / "k", silent)
    assert store.list_kernels(paths) == {}


def test_a_failure_in_the_middle_leaves_nothing(paths: Paths) -> None:
    publish.prepare(paths)

    def interrupted() -> None:
        with publish.folder_replacing(paths.kernel("k")) as folder:
            (folder / "vmlinux").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert every_file(paths) == {"kernels", "rootfs"}


def test_leftovers_and_broken_sidecars_are_no_images(paths: Paths) -> None:
    publish.prepare(paths)
    for name in ("good.ext4", "broken.ext4", "half.ext4.tmp.123", "notes.txt"):
        Path(paths.rootfs() / name).write_bytes(b"x" * 10)
    Path(paths.image_info("good")).write_text('{"sha256": "abc"}')
    Path(paths.image_info("broken")).write_text("{")
    found = store.list_images(paths)
    assert {name: (image.size_bytes, image.digest) for name, image in found.items()} == {
        "good": (10, "abc"),
        "broken": (10, ""),
    }


def recipe(make: Callable[[Path], None]) -> build.Recipe:
    def make_tree(tree: Path, work: Path, _progress: packages.Progress) -> dict[str, str]:
        assert work.is_dir()
        tree.mkdir()
        make(tree)
        return {"things": "1.0"}

    return build.Recipe("a test", make_tree, slack_mib=2)


@pytest.mark.root
def test_an_image_appears_whole_with_its_sidecar(paths: Paths) -> None:
    def make(tree: Path) -> None:
        (tree / "hello").write_text("hello\n")

    image = build.build(paths, recipe(make), "small", silent, force=False)
    info = json.loads(Path(paths.image_info("small")).read_text())
    assert image.digest == info["sha256"] == publish.sha256(Path(image.path))
    assert info["size"] == image.size_bytes == os.stat(image.path).st_size
    assert every_file(paths) == {"kernels", "rootfs", "rootfs/small.ext4", "rootfs/small.json"}
    assert (
        build.build(paths, recipe(lambda _tree: pytest.fail("built again")), "small", silent, force=False)
        == image
    )


@pytest.mark.root
def test_a_build_that_fails_keeps_the_old_image(paths: Paths) -> None:
    def fail(tree: Path) -> None:
        (tree / "half").write_text("half\n")
        raise HostError("the mirror is gone")

    build.build(paths, recipe(lambda _tree: None), "small", silent, force=False)
    before = store.list_images(paths)
    with pytest.raises(HostError, match="the mirror is gone"):
        build.build(paths, recipe(fail), "small", silent, force=True)
    assert store.list_images(paths) == before
    assert every_file(paths) == {"kernels", "rootfs", "rootfs/small.ext4", "rootfs/small.json"}


def test_fields_of_a_package_list_are_read() -> None:
    entry = (
        "Package: linux-image-virtual\nVersion: 6.8.0.50.50\nPre-Depends: base (>= 2)\n"
        "Depends: linux-image-6.8.0-50-generic | other,\n libx:any (= 1)\nDescription: a\n b: c\n"
    )
    fields = packages.parse_fields(entry)
    assert fields["Version"] == "6.8.0.50.50"
    assert packages.depends(fields)[:2] == ("base", "linux-image-6.8.0-50-generic")
    assert packages.depends({"Depends": "libx:any (= 1), liby1 (>= 2) | libz"}) == ("libx", "liby1")
    assert packages.depends({}) == ()


def test_a_program_names_its_libraries_and_linker() -> None:
    program = shutil.which("ls")
    assert program is not None
    data = Path(program).read_bytes()
    assert "libc.so.6" in elf.needed(data)
    assert elf.interpreter(data) == "/lib64/ld-linux-x86-64.so.2"
    assert elf.needed(tiny_kernel()) == ()
    assert elf.interpreter(b"#!/bin/sh\n") == ""
