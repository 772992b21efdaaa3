"""What is a kernel and what is not, with real files; kernels in the store."""

import gzip
import os
import shutil
from pathlib import Path, PurePosixPath

import pytest
from tiny_kernel import tiny_kernel

from vmmcompose.errors import Refused, UsageError
from vmmcompose.host import store
from vmmcompose.images import kernels, kernelstore
from vmmcompose.images.kernelfile import parts_of_file
from vmmcompose.model.paths import Paths

X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="an x86-64 host is missing")


def quiet(_words: str) -> None:
    pass


def read(data: bytes) -> kernelstore.Parts:
    return parts_of_file(data, Path("file"), b"", quiet)


@X86
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"#!/bin/sh\n", "neither an ELF nor"),
        (b"\xfd7zXZ\x00" + bytes(100), "compressed"),
        (Path("/bin/sh").read_bytes(), "a program or a module"),
        (bytes(56) + b"ARM\x64" + bytes(100), "a kernel for aarch64"),
        (b"\x1f\x8b" + b"not really", "damaged"),
        (gzip.compress(b"#!/bin/sh\n"), "neither an ELF nor"),
    ],
)
def test_what_is_no_kernel_for_this_host_is_refused_with_a_reason(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(data)


@X86
def test_a_static_program_is_no_kernel() -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is missing")
    with pytest.raises(UsageError, match="a program or a module"):
        read(Path(busybox).read_bytes())


@X86
def test_a_kernel_is_taken_as_it_is_and_gzipped() -> None:
    kernel = tiny_kernel()
    assert read(kernel).vmlinux == kernel
    assert read(gzip.compress(kernel)).vmlinux == kernel


@X86
def test_a_bomb_is_not_unpacked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmmcompose.images.kernelfile._LIMIT", 1 << 20)
    with pytest.raises(UsageError, match="more than a kernel"):
        read(gzip.compress(bytes(1 << 22)))


@X86
def test_kernels_are_deleted_unless_a_vm_boots_them(tmp_path: Path) -> None:
    paths = Paths(PurePosixPath(tmp_path))
    file = tmp_path / "vmlinux"
    file.write_bytes(tiny_kernel())
    for name in ("one", "two"):
        kernels.import_file(paths, file, quiet, name=name)
    assert store.default_kernel(paths) == "one"
    kernelstore.set_default(paths, "two", quiet)
    assert store.default_kernel(paths) == "two"
    kernelstore.delete_kernel(paths, "two", quiet)
    assert store.default_kernel(paths) == ""
    assert sorted(store.list_kernels(paths)) == ["one"]
    with pytest.raises(UsageError, match="there is no kernel 'two'"):
        kernelstore.delete_kernel(paths, "two", quiet)
    with pytest.raises(UsageError, match="there is no kernel 'default'"):
        kernelstore.set_default(paths, "default", quiet)


@X86
def test_a_kernel_that_a_vm_boots_as_the_default_is_in_use(tmp_path: Path) -> None:
    from guest_spec import SPEC

    from vmmcompose.host.records import write_record
    from vmmcompose.model.record import Record

    paths = Paths(PurePosixPath(tmp_path))
    file = tmp_path / "vmlinux"
    file.write_bytes(tiny_kernel())
    kernels.import_file(paths, file, quiet, name="one")
    write_record(paths, Record(SPEC, "stopped"))
    with pytest.raises(Refused, match="is booted by"):
        kernelstore.delete_kernel(paths, "one", quiet)
