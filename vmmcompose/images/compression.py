"""Decompression by the system's tools, which exist wherever kernels are unpacked."""

from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.images.bzimage import Payload, is_elf_kernel
from vmmcompose.images.packages import run

_MODULE_TOOLS = {".xz": "xz", ".zst": "zstd", ".gz": "gzip"}


def decompress_payload(payload: Payload) -> bytes:
    """The ELF kernel in a bzImage.

    Raises:
        HostUnfit: the tool for this compression is not installed.
        HostError: what came out is no ELF kernel.
    """
    tool = payload.compression
    argv = ("xz", "--format=lzma", "-dc") if tool == "lzma" else (tool, "-dc")
    kernel = run(argv, "decompress the kernel", stdin=payload.data)
    if not is_elf_kernel(kernel) or len(kernel) != payload.size:
        raise HostError(
            f"the kernel's {tool} payload holds no x86-64 ELF file", hint="the file may be damaged"
        )
    return kernel


def decompress_module(path: Path) -> bytes:
    """A kernel module's content; its suffix says how it is compressed.

    Raises:
        HostUnfit: the tool for its compression is not installed.
    """
    tool = _MODULE_TOOLS.get(path.suffix)
    if tool is None:
        return path.read_bytes()
    return run((tool, "-dc", str(path)), f"decompress {path.name}")
