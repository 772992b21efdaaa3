"""Which shared libraries an ELF program asks for, read from its file as the dynamic linker does (elf(5))."""

import struct
from collections.abc import Iterator

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


def needed(data: bytes) -> tuple[str, ...]:
    """Names of the libraries that a 64-bit little-endian ELF file needs; none for a static one or another file."""
    segments = list(_segments(data))
    tags = [
        pair for kind, start, _, size in segments if kind == _PT_DYNAMIC for pair in _tags(data, start, size)
    ]
    table = next((value for tag, value in tags if tag == _DT_STRTAB), None)
    if table is None:
        return ()
    base = _file_offset(segments, table)
    return tuple(_string(data, base + value) for tag, value in tags if tag == _DT_NEEDED)


def interpreter(data: bytes) -> str:
    """Path of the dynamic linker that starts this program; empty for a static one, a library or another file."""
    return next((_string(data, start) for kind, start, _, _ in _segments(data) if kind == _PT_INTERP), "")


def with_interpreter(data: bytes, path: str) -> bytes:
    """The program with another dynamic linker, whose path must be no longer than the one it has.

    Raises:
        ValueError: it is longer, or the program has none.
    """
    new = path.encode("ascii")
    for kind, start, _, size in _segments(data):
        if kind == _PT_INTERP and len(new) < size:
            return data[:start] + new.ljust(size, b"\0") + data[start + size :]
    raise ValueError(path)


def _segments(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(type, offset in the file, address, size in the file) of each program header."""
    if not data.startswith(b"\x7fELF\x02\x01"):
        return
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, table + index * size)
        yield kind, offset, address, length


def _tags(data: bytes, start: int, size: int) -> Iterator[tuple[int, int]]:
    for offset in range(start, start + size, 16):
        tag, value = struct.unpack_from("<qQ", data, offset)
        if tag == _DT_NULL:
            return
        yield tag, value


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    for kind, offset, start, size in segments:
        if kind == _PT_LOAD and start <= address < start + size:
            return offset + address - start
    return address


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("ascii", "replace")
