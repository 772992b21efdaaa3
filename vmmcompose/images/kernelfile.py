"""Which kind of kernel a file is, if any: x86-64 `vmlinux` or `bzImage`, arm64 `Image`, each also gzipped.

Facts: elf(5); https://docs.kernel.org/arch/arm64/booting.html (an Image has its magic at byte 56).
"""

import gzip
import os
import struct
import zlib
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.images import bzimage
from vmmcompose.images.compression import decompress_payload
from vmmcompose.images.kernelstore import Parts
from vmmcompose.images.packages import Progress

_LIMIT = 1 << 30
"""Bytes of an unpacked kernel; the largest, with debug information, have about 700 MB."""
_GZIP = b"\x1f\x8b"
_ARM64_MAGIC = (56, b"ARM\x64")
_PROGRAM_SEGMENTS = {2, 3, 7, 0x6474E550, 0x6474E551, 0x6474E552}
"""PT_DYNAMIC, PT_INTERP, PT_TLS, PT_GNU_EH_FRAME, PT_GNU_STACK, PT_GNU_RELRO: what programs have."""
_KERNEL_HALF = 1 << 63
"""Where Linux runs (x86/x86_64/mm.rst): a program's addresses are below."""


def parts_of_file(data: bytes, file: Path, initrd: bytes, on_progress: Progress) -> Parts:
    """What a kernel file gives to the store.

    Raises:
        UsageError: it is no kernel, or one for another machine.
    """
    if data.startswith(_GZIP):
        data = _gunzip(data, file)
    if bzimage.is_elf_kernel(data) and not _is_program(data):
        _require_machine(file, "x86_64")
        return Parts(vmlinux=data, initrd=initrd)
    if _is_arm64_image(data):
        _require_machine(file, "aarch64")
        return Parts(vmlinux=data, initrd=initrd)
    if not bzimage.is_bzimage(data):
        raise UsageError(f"{file} is no kernel: {_what_it_is(data)}", hint=_HINT)
    _require_machine(file, "x86_64")
    payload = bzimage.payload(data)
    vmlinux = b""
    try:
        vmlinux = decompress_payload(payload) if payload else b""
    except (HostUnfit, HostError) as error:
        on_progress(f"no ELF form, so it runs under qemu only: {error.message}; {error.hint}")
    return Parts(data, vmlinux, initrd)


_HINT = "it must be an x86-64 ELF vmlinux, a bzImage, or an arm64 Image, as it is or gzipped"


def _gunzip(data: bytes, file: Path) -> bytes:
    try:
        decompressor = zlib.decompressobj(wbits=31)
        unpacked = decompressor.decompress(data, _LIMIT)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{file} is damaged: {error}", hint="get the file again") from error
    if not decompressor.eof:
        raise UsageError(f"{file} is no kernel: it is cut short, or holds more than a kernel", hint=_HINT)
    return unpacked


def _is_arm64_image(data: bytes) -> bool:
    offset, magic = _ARM64_MAGIC
    return data[offset : offset + len(magic)] == magic


def _is_program(data: bytes) -> bool:
    """Whether an x86-64 ELF file is something to be run under a kernel, as `/bin/busybox` is."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds, high = set(), False
    for number in range(count):
        at = start + number * size
        if at + 56 > len(data):
            return True
        kind, _, _, address = struct.unpack_from("<IIQQ", data, at)
        kinds.add(kind)
        high = high or address >= _KERNEL_HALF
    return not high and bool(kinds & _PROGRAM_SEGMENTS)


def _what_it_is(data: bytes) -> str:
    if not data:
        return "it is empty"
    if data.startswith(b"\x7fELF"):
        return "it is an ELF file for something else, such as a program or a module"
    if data.startswith((b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh")):
        return "it is compressed; unpack it first"
    return "it begins with neither an ELF nor a boot header"


def _require_machine(file: Path, machine: str) -> None:
    here = os.uname().machine
    if here != machine:
        raise UsageError(
            f"{file} is a kernel for {machine}, and this host is {here}", hint="VMs run on the host's own CPU"
        )
