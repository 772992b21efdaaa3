"""`config.json` as text: where it lies, what its text says, and on which line."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vmmcompose.host.identity import acting_as, invoking_user, read_regular
from vmmcompose.model.problem import Place, Problem

LIMIT = 1 << 20
"""Bytes read of it."""
_PART = r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+'


def config_path(env: Mapping[str, str]) -> str:
    """Where `config.json` is looked for: the user's own, also when the command runs under sudo."""
    base = env.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{invoking_user(env).home}/.config"
    return f"{base}/vmm/config.json"


def read_config(path: str, env: Mapping[str, str], problems: list[Problem]) -> str | None:
    """The file's text, read with the invoking user's rights; None where there is none, or a problem."""
    try:
        with acting_as(invoking_user(env)):
            return read_regular(path, LIMIT).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(Problem("settings.unreadable", f"{path} cannot be read: {why}"))
        return None


class Pairs(list[tuple[str, object]]):
    """A JSON object with its duplicates."""


def parse_config(text: str, path: str, problems: list[Problem]) -> Pairs:
    """The file's content; empty, and a problem, where that is no JSON object."""
    try:
        value = json.loads(text, object_pairs_hook=Pairs)
    except json.JSONDecodeError as error:
        lines = text.split("\n")
        line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        place = Place(path, error.lineno, error.colno, error.colno + 1, line)
        problems.append(Problem("settings.json", f"not valid JSON: {error.msg}", place=place))
    except (ValueError, RecursionError) as error:
        problems.append(Problem("settings.json", f"{path} is not valid JSON: {error}"))
    else:
        if isinstance(value, Pairs):
            return value
        hint = 'e.g. {"data_dir": "/srv/vmm"}'
        problems.append(Problem("settings.shape", f"{path} must hold a JSON object", hint=hint))
    return Pairs()


def place_of(text: str, path: str, at: tuple[str, ...]) -> Place | None:
    """Where a value stands in valid JSON: the last one of that name, which is the one that is at fault."""
    found: Place | None = None
    for where, start, end in _values(text):
        if where == at:
            line = text.count("\n", 0, start) + 1
            begin = text.rfind("\n", 0, start) + 1
            whole = text[begin:].split("\n", 1)[0]
            column = start - begin + 1
            found = Place(path, line, column, min(column + end - start, len(whole) + 1), whole)
    return found


def _values(text: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Every value in an object: its names from the outermost, and its first token's span."""
    names: list[str] = []
    depth_in_list = 0
    key = ""
    for token in re.finditer(_PART, text):
        word = token.group()
        if word == "[":
            depth_in_list += 1
        if word == "]":
            depth_in_list -= 1
        elif word == ":" or depth_in_list > 1 or (depth_in_list and word != "["):
            continue
        elif word == "}":
            del names[-1:]
        elif word == ",":
            key = ""
        elif word[0] == '"' and not key:
            key = word
        elif key:
            name: Any = json.loads(key)
            yield (*names, name), token.start(), token.end()
            key = ""
            if word == "{":
                names.append(name)
