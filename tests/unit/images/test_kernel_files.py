"""Kernel files: told apart by their headers, and the ELF kernel found in a bzImage."""

import bz2
import gzip
import lzma
import shutil
import struct
import subprocess

import pytest
from tiny_bzimage import tiny_bzimage
from tiny_kernel import tiny_kernel

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.images import bzimage
from vmmcompose.images.bzimage import Payload
from vmmcompose.images.compression import decompress_payload

SETUP_SECTORS = 3


def make_bzimage(body: bytes, *, protocol: int = 0x020F, offset: int = 64) -> bytes:
    setup = bytearray(512 * (SETUP_SECTORS + 1))
    setup[0x1F1] = SETUP_SECTORS
    setup[0x1FE:0x200] = b"\x55\xaa"
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<II", setup, 0x248, offset, len(body))
    return bytes(setup) + b"\x90" * offset + body + b"behind the payload"


def compressed(name: str, data: bytes) -> bytes:
    size = struct.pack("<I", len(data))
    if name == "gzip":
        return gzip.compress(data)
    if name == "xz":
        return lzma.compress(data, check=lzma.CHECK_CRC32) + size
    if name == "lzma":
        return lzma.compress(data, format=lzma.FORMAT_ALONE) + size
    if name == "bzip2":
        return bz2.compress(data) + size
    argv = ["lz4", "-lc"] if name == "lz4" else [name, "-qc"]
    return subprocess.run(argv, input=data, capture_output=True, check=True).stdout + size


@pytest.mark.parametrize("name", ["gzip", "xz", "lzma", "bzip2", "zstd", "lz4"])
def test_the_elf_kernel_comes_out_of_a_bzimage(name: str) -> None:
    tool = "xz" if name == "lzma" else name
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing")
    kernel = tiny_kernel() + bytes(range(256)) * 64
    found = bzimage.payload(make_bzimage(compressed(name, kernel)))
    assert found is not None
    assert (found.compression, found.size) == (name, len(kernel))
    assert decompress_payload(found) == kernel


def test_a_payload_that_is_no_kernel_is_refused() -> None:
    found = bzimage.payload(make_bzimage(compressed("gzip", b"no kernel" * 100)))
    assert found is not None
    with pytest.raises(HostError, match="no x86-64 ELF"):
        decompress_payload(found)


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostUnfit) as caught:
        decompress_payload(Payload("no-such-tool", b"", 0))
    assert "no-such-tool is not installed" in caught.value.message
    assert caught.value.hint == "apt-get install no-such-tool"


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(make_bzimage(b"\0" * 64), id="unknown compression"),
        pytest.param(make_bzimage(gzip.compress(b"x"), protocol=0x0207), id="old protocol"),
        pytest.param(make_bzimage(b"\x1f\x8b", offset=1 << 20)[:4096], id="cut short"),
        pytest.param(tiny_bzimage(), id="nothing compressed"),
        pytest.param(b"", id="empty"),
    ],
)
def test_no_payload_is_found_where_there_is_none(image: bytes) -> None:
    assert bzimage.payload(image) is None


def test_the_kinds_are_told_apart() -> None:
    arm = bytearray(tiny_kernel())
    struct.pack_into("<H", arm, 18, 183)
    cases = {
        "elf": tiny_kernel(),
        "bzimage": tiny_bzimage(),
        "arm": bytes(arm),
        "text": b"#!/bin/sh\n" * 100,
        "short elf": tiny_kernel()[:40],
        "short bzimage": tiny_bzimage()[:0x210],
    }
    assert {name for name, data in cases.items() if bzimage.is_elf_kernel(data)} == {"elf"}
    assert {name for name, data in cases.items() if bzimage.is_bzimage(data)} == {"bzimage"}
