"""A guest kernel of one kilobyte in the form QEMU boots: a `bzImage` whose real-mode part does everything.

Layout after Documentation/arch/x86/boot.rst of the Linux kernel: a boot sector with the setup header at
0x1f1, then the setup code, entered at 0x200 with CS = DS + 0x20, then the protected-mode part, which this
guest never enters. It prints a line on the first serial port, then does what a test of a VMM needs: halt for
ever, or sleep until Delete of a Ctrl+Alt+Del arrives at the keyboard controller and then reset, or reset
at once.
"""

import struct
from pathlib import Path
from typing import Literal

Behaviour = Literal["obeys", "deaf", "resets"]

_SETUP_SECTORS = 1
_ENTRY = 0x200
_CODE = 0x280
_TEXT = 0x300

_PRINT = bytes.fromhex(
    "fa"  # cli
    "fc"  # cld
    "be0003"  # mov si, _TEXT
    "baf803"  # mov dx, 0x3f8
    "ac"  # next: lodsb
    "84c0"  # test al, al
    "7403"  # jz done
    "ee"  # out dx, al
    "ebf8"  # jmp next
)
_DEAF = bytes.fromhex(
    "fa"  # cli
    "f4"  # hlt
    "ebfd"  # jmp to the hlt
)
_RESET = bytes.fromhex(
    "b0fe"  # mov al, 0xfe     pulse the reset line
    "e664"  # out 0x64, al
    "ebfe"  # jmp here
)
_OBEY = bytes.fromhex(
    "e421"  # in al, 0x21
    "0c02"  # or al, 2         keep the keyboard's interrupt from the BIOS
    "e621"  # out 0x21, al
    "fb"  # again: sti
    "f4"  # hlt                until the timer ticks
    "e464"  # in al, 0x64      status of the keyboard controller
    "a801"  # test al, 1       does it hold a byte?
    "74f8"  # jz again
    "e460"  # in al, 0x60
    "3c53"  # cmp al, 0x53     Delete in scan code set 1
    "75f2"  # jne again
)


def tiny_bzimage(behaviour: Behaviour = "obeys", text: str = "tiny kernel: up\n") -> bytes:
    """The file's bytes."""
    rest = {"obeys": _OBEY + _RESET, "deaf": _DEAF, "resets": _RESET}[behaviour]
    image = bytearray(512 * (1 + _SETUP_SECTORS) + 16)
    image[0x1F1] = _SETUP_SECTORS
    struct.pack_into("<H", image, 0x1FE, 0xAA55)
    image[_ENTRY : _ENTRY + 2] = bytes([0xEB, _CODE - _ENTRY - 2])  # jmp over the header
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x0204)  # version of the boot protocol
    image[0x211] = 1  # the protected-mode part is loaded at 1 MiB
    struct.pack_into("<I", image, 0x214, 0x100000)
    image[_CODE : _CODE + len(_PRINT) + len(rest)] = _PRINT + rest
    said = text.encode("ascii") + b"\0"
    assert _TEXT + len(said) <= 512 * (1 + _SETUP_SECTORS)
    image[_TEXT : _TEXT + len(said)] = said
    return bytes(image)


def write_tiny_bzimage(path: Path, behaviour: Behaviour = "obeys", text: str = "tiny kernel: up\n") -> Path:
    """Write such a kernel to a file and give its path back."""
    path.write_bytes(tiny_bzimage(behaviour, text))
    return path
