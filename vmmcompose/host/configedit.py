"""Changing `config.json`: judged as a whole before it is written, and written as the user whose file it is.

A lock on its folder keeps two changes at once from losing one; the folder itself is locked, so nothing is left.
"""

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from vmmcompose.errors import HostError, Refused, UsageError
from vmmcompose.host.configfile import Pairs, parse_config, read_config
from vmmcompose.host.files import failed, write_atomic
from vmmcompose.host.identity import User, acting_as, invoking_user
from vmmcompose.host.settingkeys import GROUP, KEYS, Data, nearest
from vmmcompose.host.settings import judge
from vmmcompose.model.problem import Problem

Document = dict[str, Any]


def create_config(path: str, values: Mapping[str, Data], env: Mapping[str, str], *, force: bool) -> None:
    """Writes a file with these settings alone.

    Raises:
        Refused: there is one, and `force` is not given.
        HostError: it cannot be written.
    """
    document: Document = {}
    for name, data in values.items():
        _put(document, name, data)
    with _editing(path, env) as real:
        if not force and os.path.lexists(real):
            raise Refused(
                f"{path} is there already", hint="`vmm config set` changes it; --force writes a new one"
            )
        _write(real, document)


def change_config(path: str, edits: Mapping[str, Data | None], env: Mapping[str, str]) -> None:
    """Sets some settings, or takes those out whose value is None; everything else in the file stays.

    Raises:
        UsageError: the file cannot be understood, or would not be valid; nothing is written.
        HostError: it cannot be written.
    """
    with _editing(path, env) as real:
        document = _read(path, env)
        for name, data in edits.items():
            if data is None:
                _take_out(document, name)
            else:
                _put(document, name, data)
        problems = judge(_text(document), path)
        if problems:
            others = {problem.code.removeprefix("settings.") for problem in problems} - set(edits)
            raise UsageError(
                "nothing was written: the settings would not be valid",
                hint="several are changed at once by `vmm config set KEY VALUE KEY VALUE`" if others else "",
                problems=[replace(problem, place=None) for problem in problems],
            )
        _write(real, document)


def known_key(name: str) -> str:
    """The name, if it is a setting's.

    Raises:
        UsageError: it is none.
    """
    if name in KEYS:
        return name
    short = {known.rpartition(".")[2]: known for known in KEYS}
    hint = f"did you mean {short[name]!r}?" if name in short else nearest(name, [*KEYS])
    raise UsageError(f"there is no setting {name!r}", hint=hint or "`vmm config show` lists all")


def _read(path: str, env: Mapping[str, str]) -> Document:
    problems: list[Problem] = []
    text = read_config(path, env, problems)
    if text is None and not problems:
        return {}
    pairs = parse_config(text, path, problems) if text is not None else Pairs()
    problems += [problem for problem in judge(text or "{}", path) if problem.code == "settings.duplicate"]
    if problems:
        raise UsageError(f"nothing was written: {path} must be mended first", problems=problems)
    document = _plain(pairs)
    assert isinstance(document, dict)
    return document


def _plain(value: object) -> object:
    if isinstance(value, Pairs):
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _put(document: Document, name: str, data: Data) -> None:
    group, _, short = name.rpartition(".")
    inside = document
    if group:
        if document.get(group) is None:
            document[group] = {}
        inside = document[group]
        if not isinstance(inside, dict):
            raise UsageError(f"{group!r} in the file is no JSON object", hint=f"vmm config unset {group}")
    inside[short] = list(data) if isinstance(data, tuple) else data


def _take_out(document: Document, name: str) -> None:
    if name in document:
        del document[name]
        return
    group, _, short = name.rpartition(".")
    inside = document.get(group)
    if isinstance(inside, dict) and short in inside:
        del inside[short]
        if not inside:
            del document[group]
    elif name != GROUP:
        known_key(name)


@contextmanager
def _editing(path: str, env: Mapping[str, str]) -> Iterator[str]:
    """The file's place behind any link, with its folder there and locked, and the rights of its user."""
    user = invoking_user(env)
    with acting_as(user):
        real = os.path.realpath(path)
        folder = os.path.dirname(real)
        try:
            descriptor = _open_folder(folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _tidy(real, descriptor)
                yield real
            finally:
                os.close(descriptor)
        except HostError as error:
            if isinstance(error.__cause__, PermissionError):
                error.hint = _who_may(path, real, user)
            raise


def _tidy(real: str, folder: int) -> None:
    """Removes what a killed command left; with the lock held nobody is writing."""
    left = re.compile(rf"{re.escape(os.path.basename(real))}\.tmp\.[0-9]+")
    for name in os.listdir(folder):
        if left.fullmatch(name):
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)


def _open_folder(folder: str) -> int:
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise failed(f"cannot make the folder {folder}", error) from error


def _who_may(path: str, real: str, user: User) -> str:
    """No more rights than the user's own are used; advice to give a folder away is for their own folder only."""
    if real == path and path.startswith(f"{user.home}/"):
        return f"{user.name} may not write there: sudo chown -R {user.name} {os.path.dirname(path)}"
    return f"{user.name} may not write there; {path} leads to {real}" if real != path else ""


def _text(document: Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write(real: str, document: Document) -> None:
    try:
        mode = stat.S_IMODE(os.stat(real).st_mode)
    except OSError:
        mode = 0o600
    write_atomic(real, _text(document).encode("utf-8", "surrogatepass"), mode)
