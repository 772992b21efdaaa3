"""Guest kernels of a few dozen bytes, written straight as ELF64 files.

They do just what a test of a VMM needs: print a line on the serial console, then either halt for ever, as a
guest that never reacts to Ctrl+Alt+Del, or read the keyboard controller and reset the machine when Delete
comes, as one that shuts down when asked. No assembler and no kernel source is needed; the machine code stands
below.
"""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BASE = 0x0100_0000
"""Guest-physical address of the one segment: 16 MiB, above everything a VMM puts low."""
_HEADERS = 64 + 56
"""ELF header and one program header."""

_PRINT = bytes.fromhex(
    "66baf803"  # mov dx, 0x3f8        the first serial port
    "488d3500000000"  # lea rsi, [rip + ...]  the text; the distance is filled in
    "ac"  # next: lodsb
    "84c0"  # test al, al
    "7403"  # jz done
    "ee"  # out dx, al
    "ebf8"  # jmp next
)
_HALT = bytes.fromhex(
    "fa"  # cli
    "f4"  # hlt
    "ebfd"  # jmp to the hlt
)
_OBEY = bytes.fromhex(
    "e464"  # again: in al, 0x64    status of the keyboard controller
    "a801"  # test al, 1           does it hold a byte?
    "7502"  # jnz read
    "ebf8"  # jmp again
    "e460"  # read: in al, 0x60
    "3c71"  # cmp al, 0x71         Delete in scan code set 2, the last key of the three
    "75f2"  # jne again
    "b0fe"  # mov al, 0xfe         pulse the reset line
    "e664"  # out 0x64, al
    "ebfe"  # jmp here
)


def tiny_kernel(text: str = "tiny kernel: up\n", *, obeys: bool = False) -> bytes:
    """An ELF64 kernel that prints `text` and then halts, or with `obeys` ends on Ctrl+Alt+Del.

    The obedient one spins on the keyboard controller, so it costs a whole core while it runs.
    """
    rest = _OBEY if obeys else _HALT
    distance = len(_PRINT) - 11 + len(rest)  # from behind the lea (11 bytes in) to behind the code
    printing = _PRINT[:7] + struct.pack("<i", distance) + _PRINT[11:]
    body = printing + rest + text.encode() + b"\0"
    return _elf_header() + _program_header(_HEADERS + len(body)) + body


def write_tiny_kernel(path: "Path", text: str = "tiny kernel: up\n", *, obeys: bool = False) -> "Path":
    """Write such a kernel to a file and give its path back."""
    path.write_bytes(tiny_kernel(text, obeys=obeys))
    return path


def play(kernel: bytes) -> tuple[str, bool] | None:
    """What such a kernel prints and whether it obeys, for a stand-in that runs no guest; None for another kernel."""
    code = kernel[_HEADERS:]
    if code[:7] != _PRINT[:7] or code[11 : len(_PRINT)] != _PRINT[11:]:
        return None
    obeys = code[len(_PRINT) :].startswith(_OBEY)
    text = code[len(_PRINT) + len(_OBEY if obeys else _HALT) :]
    return text.rstrip(b"\0").decode(), obeys


def _elf_header() -> bytes:
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)  # 64 bits, little endian, version 1
    executable, amd64, version, flags = 2, 62, 1, 0
    entry, program_headers, section_headers = BASE + _HEADERS, 64, 0
    sizes = (64, 56, 1, 0, 0, 0)  # this header, a program header, how many of them; no sections
    return ident + struct.pack(
        "<HHIQQQI6H", executable, amd64, version, entry, program_headers, section_headers, flags, *sizes
    )


def _program_header(size: int) -> bytes:
    load, read_write_execute = 1, 7
    return struct.pack("<IIQQQQQQ", load, read_write_execute, 0, BASE, BASE, size, size, 0x1000)
