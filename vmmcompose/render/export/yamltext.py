"""YAML that readers of version 1.1 and of 1.2 take alike: what might be a number or a word to one of them is quoted."""

import re
from collections.abc import Iterable
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@ -]*[A-Za-z0-9_./]|[A-Za-z]")
_WIDE = 110


class _Dumper(yaml.SafeDumper):
    """Literal blocks for texts of several lines, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - as PyYAML has it
        """Whether a value that is there twice is written twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else "'"
    if "\n" in text:
        style = "|"
    if not all(character.isprintable() or character == "\n" for character in text):
        style = '"'  # the only one with escapes
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def documents(values: Iterable[Any]) -> str:
    """The values as documents of one file."""
    return "---\n".join(document(value) for value in values)


def document(value: Any) -> str:  # noqa: ANN401 - whatever YAML can hold
    """One value as a document; keys stay in their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE)
    return text
