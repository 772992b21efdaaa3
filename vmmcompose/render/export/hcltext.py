"""HCL 2 (https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md): blocks, attributes and quoted texts."""

from collections.abc import Iterable
from dataclasses import dataclass

_DEPTH = "  "
_WIDE = 90
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Word:
    """An expression written as it is: `list(string)`."""

    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `${…}` in it, made of pieces: a `Word` is what is put in."""

    pieces: tuple[str | Word, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class Block:
    """`type "label" { … }`."""

    kind: str
    labels: tuple[str, ...]
    body: tuple["Attribute | Block", ...]


def text_of(blocks: Iterable[Block]) -> str:
    """The blocks as a file."""
    return "\n".join("\n".join(_block(block)) + "\n" for block in blocks)


def _block(block: Block) -> list[str]:
    head = " ".join([block.kind, *map(_quoted, block.labels)])
    if not block.body:
        return [f"{head} {{}}"]
    wide = max((len(part.name) for part in block.body if isinstance(part, Attribute)), default=0)
    lines = [f"{head} {{"]
    for number, part in enumerate(block.body):
        if isinstance(part, Block):
            lines += [""] if number else []
            lines += [f"{_DEPTH}{line}" if line else "" for line in _block(part)]
        else:
            lines += _attribute(part, wide)
    return [*lines, "}"]


def _attribute(part: Attribute, wide: int) -> list[str]:
    """On one line where it fits; the entries of a longer list on lines of their own."""
    line = f"{_DEPTH}{part.name:<{wide}} = {_value(part.value)}"
    if not isinstance(part.value, list) or len(line) <= _WIDE:
        return [line]
    entries = (f"{_DEPTH * 2}{_value(entry)}," for entry in part.value)
    return [f"{_DEPTH}{part.name:<{wide}} = [", *entries, f"{_DEPTH}]"]


def _value(value: object) -> str:
    match value:
        case bool():
            written = "true" if value else "false"
        case int():
            written = str(value)
        case str():
            written = _quoted(value)
        case Word(text=text):
            written = text
        case Template(pieces=pieces):
            inside = (f"${{{p.text}}}" if isinstance(p, Word) else _inside(p) for p in pieces)
            written = f'"{"".join(inside)}"'
        case list():
            written = f"[{', '.join(map(_value, value))}]"
        case dict():
            written = (
                f"{{ {', '.join(f'{_quoted(key)} = {_value(entry)}' for key, entry in value.items())} }}"
            )
        case _:
            raise TypeError(f"no HCL value: {value!r}")
    return written


def _quoted(text: str) -> str:
    return f'"{_inside(text)}"'


def _inside(text: str) -> str:
    escaped = "".join(_escaped(character) for character in text)
    return escaped.replace("${", "$${").replace("%{", "%%{")


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0:
        return f"\\u{ord(character):04x}"
    return character
