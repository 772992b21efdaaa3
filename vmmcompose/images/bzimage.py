"""What lies in an x86 kernel file: tells the kinds apart and finds the compressed ELF kernel in a bzImage.

Facts: https://docs.kernel.org/arch/x86/boot.html (header fields and their offsets, `payload_offset` from the
protected-mode code on, four bytes of uncompressed size at the payload's end) and elf(5).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_HEADER_MAGIC = (0x202, b"HdrS")
_PAYLOAD_PROTOCOL = 0x0208
"""The boot protocol that brought `payload_offset` and `payload_length`."""
_FORMATS: Sequence[tuple[bytes, str]] = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x89LZO", "lzop"),
    (b"\x5d\x00\x00", "lzma"),
)
_EM_X86_64 = 62
_ELF64_LITTLE = b"\x7fELF\x02\x01"
_EXECUTABLE = {2, 3}
"""`ET_EXEC` and `ET_DYN`."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The compressed kernel in a bzImage."""

    compression: str
    """Name of the program that decompresses it: gzip, xz, zstd, lz4, bzip2, lzop or lzma."""
    data: bytes
    size: int
    """Bytes after decompression, as the build noted them."""


def is_elf_kernel(data: bytes) -> bool:
    """Whether this is an x86-64 ELF executable, the `vmlinux` form."""
    if not data.startswith(_ELF64_LITTLE) or len(data) < 64:
        return False
    kind, machine = struct.unpack_from("<HH", data, 16)
    return kind in _EXECUTABLE and machine == _EM_X86_64


def is_bzimage(data: bytes) -> bool:
    """Whether this is an x86 boot image, the `bzImage` form."""
    offset, magic = _HEADER_MAGIC
    return len(data) > 0x250 and data[offset : offset + 4] == magic and data[0x1FE:0x200] == b"\x55\xaa"


def payload(data: bytes) -> Payload | None:
    """The compressed kernel in a bzImage; None where there is none or its compression is unknown."""
    if not is_bzimage(data):
        return None
    (protocol,) = struct.unpack_from("<H", data, 0x206)
    if protocol < _PAYLOAD_PROTOCOL:
        return None
    setup_sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    body = data[start : start + length]
    if len(body) < length or length < 8:
        return None
    for magic, name in _FORMATS:
        if body.startswith(magic):
            (size,) = struct.unpack_from("<I", body, length - 4)
            # gzip ends with the size by itself; the others have it appended by the kernel's build.
            return Payload(name, body if name == "gzip" else body[:-4], size)
    return None
