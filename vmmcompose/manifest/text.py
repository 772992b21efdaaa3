"""Bytes to text: size, encoding and characters, before any parser sees them."""

import re

from vmmcompose.model.problem import Place, Problem

MAX_BYTES = 1 << 20
"""A manifest is written by people; more than this is a mistake or an attack."""

LINE_BREAK = re.compile(r"\r\n|\r|\n")
UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What YAML 1.2 calls unprintable (section 5.1), and the three line breaks of Unicode that YAML 1.1 knew."""


def read_text(data: bytes, filename: str, what: str = "the manifest") -> str | Problem:
    """A file as text, without a byte order mark; or why it is none. `what` it is called in messages."""
    manifest = what == "the manifest"
    if len(data) > MAX_BYTES:
        hint = "put the contents of large files beside the manifest and name them with `source:`"
        return Problem(
            "too-large",
            f"{what} is {len(data) / MAX_BYTES:.1f} MiB, more than the 1 MiB that vmm reads",
            hint=hint if manifest else "keep only the variables that the manifest asks for",
            place=Place(filename, 1, 1, 1),
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(data, error.start, filename, what)
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        hint = "did another file get the manifest's name?" if manifest else "an env file has lines NAME=value"
        return Problem("binary", f"{what} is not a text file", hint=hint, place=Place(filename, 1, 1, 1))
    found = UNPRINTABLE.search(text)
    return _unprintable(text, found.start(), filename, what) if found else text


def escaped(character: str) -> str:
    """A character as double quotes hold it in YAML."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _not_utf8(data: bytes, start: int, filename: str, what: str) -> Problem:
    before = LINE_BREAK.split(data[:start].decode("utf-8").removeprefix("\ufeff"))
    rest = LINE_BREAK.split(data[start:].decode("utf-8", "backslashreplace"), maxsplit=1)[0]
    column = len(before[-1]) + 1
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return Problem(
        "encoding",
        f"{what} is not UTF-8: byte 0x{data[start]:02x}",
        hint="save it as UTF-8" + (" (it looks like UTF-16)" if utf16 else ""),
        place=Place(filename, len(before), column, column + 4, before[-1] + rest),
    )


def _unprintable(text: str, start: int, filename: str, what: str) -> Problem:
    code = ord(text[start])
    before = LINE_BREAK.split(text[:start])
    column = len(before[-1]) + 1
    hint = f'delete it, or write it as "{escaped(text[start])}" in double quotes'
    line = before[-1] + LINE_BREAK.split(text[start:], maxsplit=1)[0]
    return Problem(
        "control-character",
        f"{what} holds the control character U+{code:04X}",
        hint=hint,
        place=Place(filename, len(before), column, column + 1, line),
    )
