"""Mounts and files."""

import re
from collections.abc import Iterable
from typing import Any, Literal

from vmmcompose.manifest.locations import Places, guest_path, host_path, own_path, target
from vmmcompose.manifest.report import (
    BAD,
    BadValueError,
    Report,
    has_control,
    is_bad,
    quoted,
    shown,
    subject,
)
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import GuestFile, Mount

_TAG = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_TAG_LENGTH = 16
"""Bytes of an ext4 label, by which the guest finds the mount."""
_OWNER = re.compile(r"([0-9]{1,10}):([0-9]{1,10})")
_MODE = re.compile(r"[0-7]{3,4}")
_MAX_ID = (1 << 32) - 2
FILE_KEYS = frozenset(("path", "content", "source", "mode", "owner"))


def mount(value: Any, base_dir: str) -> Mount:  # noqa: ANN401 - both forms
    """One mount, from either form.

    Raises:
        BadValueError: it is none.
    """
    more: dict[str, Any] = {}
    if isinstance(value, dict):
        source, tag, mode = value["source"], value["tag"], value.get("mode", "rw")
        more = _kept_in_step(value, mode)
        place = target(value["target"], "mount-target") if "target" in value else ""
        more["target"] = "" if place == f"/mnt/{tag}" else place
    else:
        source, tag, mode = _split(value)
    if not _TAG.fullmatch(tag) or len(tag) > _TAG_LENGTH:
        hint = f"at most {_TAG_LENGTH} lower case letters, digits, `-` and `_`: the name below `/mnt`"
        if tag.startswith("/"):
            there = f"`{{source: {source}, tag: NAME, target: {tag}}}`"
            hint = f"write {there}; a disk of the project goes under `volumes`"
        raise BadValueError("mount-tag", f"has the tag {shown(tag)}, which will not do", hint, inside="tag")
    if tag.startswith("vmm-"):
        message = f"has the tag {quoted(tag)}; those with `vmm-` belong to vmm itself"
        raise BadValueError("mount-tag", message, inside="tag")
    path = own_path(source, base_dir, "mount-source", "mount a directory of your own")
    return Mount(tag, path, mode, **more)


def _kept_in_step(value: dict[str, Any], mode: str) -> dict[str, Any]:
    """The keys that only the long form has."""
    sync = value.get("sync", "none")
    if sync != "none" and mode == "ro":
        hint = "leave `mode` out; what the guest writes there goes when the host's side changes"
        hint = "leave `mode` out" if sync == "two-way" else hint
        raise BadValueError("mount-sync", f"has `sync: {sync}`, which needs `mode: rw`", hint, inside="sync")
    ignore = patterns(value.get("ignore", ()), "mount-ignore")
    owner = value.get("owner", "")
    if owner:
        _owner(owner)
    return {"sync": sync, "ignore": ignore, "owner": owner}


def patterns(values: Iterable[Any], code: str) -> tuple[str, ...]:
    """Patterns as in gitignore(5), in their order.

    Raises:
        BadValueError: one of them is none.
    """
    found = tuple(pattern for pattern in values if pattern is not BAD)
    for pattern in found:
        if has_control(pattern):
            message = f"has the pattern {shown(pattern)} with a control character"
            raise BadValueError(code, message, inside="ignore")
        if not pattern.strip() or pattern in ("!", "/"):
            message = f"has the pattern {shown(pattern)}, which matches nothing"
            raise BadValueError(code, message, inside="ignore")
    return found


def mounts(values: list[Any], at: At, report: Report, base_dir: str) -> tuple[Mount, ...]:
    """All mounts of a list, by tag."""
    found: dict[str, Mount] = {}
    places = Places()
    for index, value in enumerate(values):
        if is_bad(value):
            continue
        here = (*at, index)
        one = report.attempt(here, mount, value, base_dir)
        if one and one.tag in found:
            hint = f"{quoted(found[one.tag].place)} can be one directory only"
            report.add(
                "mount-twice", here, f"{subject(here)} has the tag {quoted(one.tag)} for a second time", hint
            )
        elif one:
            clash = places.take(one.place, f"mount {quoted(one.tag)}")
            if clash:
                message = f"{subject(here)} at {quoted(one.place)} {clash}"
                report.add("mount-target", here, message, "give one of them another place")
            found[one.tag] = one
            report.sources.name_entry(here, one.tag)
    return tuple(sorted(found.values()))


def files(value: Any, at: At, report: Report, base_dir: str) -> list[tuple[GuestFile, At]]:  # noqa: ANN401
    """All files, from a list or a mapping of paths, each with where it stands."""
    entries: list[tuple[str | int, Any]]
    if isinstance(value, dict):
        entries = [(path, entry if _is_long(entry) else {"content": entry}) for path, entry in value.items()]
    else:
        entries = list(enumerate(value))
    found = []
    for key, entry in entries:
        if not is_bad(entry):
            here = (*at, key)
            path = key if isinstance(key, str) else None
            one = report.attempt(here, _file, entry, path, base_dir, report.written((*here, "mode")))
            if one:
                found.append((one, here))
                report.sources.name_entry(here, one.path)
    return found


def check_files(
    found: list[tuple[GuestFile, At]], taken: frozenset[str], report: Report
) -> tuple[GuestFile, ...]:
    """The files whose paths are good, by path; `taken` are the places of the VM's mounts and volumes."""
    kept: dict[str, GuestFile] = {}
    for one, at in found:
        is_key = isinstance(at[-1], str)
        inner = (*at, "path")
        here = inner if inner in report.sources else at
        if report.attempt(here, guest_path, one.path, taken, on_key=is_key) is None:
            continue
        if one.path in kept:
            report.add(
                "file-twice", at, f"{subject(at)} is {quoted(one.path)} for a second time", on_key=is_key
            )
        kept.setdefault(one.path, one)
    for one, at in found:
        parts = one.path.split("/")
        above = next((path for i in range(2, len(parts)) if (path := "/".join(parts[:i])) in kept), None)
        if above and one.path in kept:
            report.add(
                "file-twice", at, f"{subject(at)} needs a directory {quoted(above)}, which is a file here"
            )
    return tuple(sorted(kept.values()))


def _split(text: str) -> tuple[str, str, Literal["ro", "rw"]]:
    rest, mode = text, "rw"
    head, colon, last = text.rpartition(":")
    if colon and last in ("ro", "rw") and ":" in head:
        rest, mode = head, last
    source, colon, tag = rest.rpartition(":")
    if not colon or ":" in source:
        hint = "for example `./site:site:ro`; a path with `:` needs the form {source: …, tag: …}"
        raise BadValueError("mount", f'must be "HOST:TAG[:ro|rw]", not {shown(text)}', hint)
    return source, tag, "ro" if mode == "ro" else "rw"


def _file(entry: dict[str, Any], path: str | None, base_dir: str, mode: str) -> GuestFile:
    if path is not None and "path" in entry:
        raise BadValueError("file", "has a `path`, but its key is the path already", "delete `path`")
    if len(entry.keys() & {"content", "source"}) != 1 and entry.keys() <= FILE_KEYS:
        both = "content" in entry
        raise BadValueError("file", f"must have {'only one' if both else 'one'} of `content` and `source`")
    uid, gid = _owner(entry.get("owner", "0:0"))
    return GuestFile(
        path=path if path is not None else entry["path"],
        content=entry.get("content", ""),
        source=host_path(entry["source"], base_dir) if "source" in entry else "",
        mode=_mode(entry.get("mode", "0644"), mode),
        uid=uid,
        gid=gid,
    )


def _mode(value: str | int, written: str) -> int:
    if isinstance(value, int):
        if not written.startswith("0o"):
            hint = f'did you mean "{written}"? Without quotes it is a decimal number'
            raise BadValueError(
                "file-mode", f"has the mode {quoted(written)}, which is not octal", hint, inside="mode"
            )
        if value > 0o7777:
            raise BadValueError(
                "file-mode", f"has the mode {quoted(written)}, more than 0o7777", inside="mode"
            )
        return value
    if not _MODE.fullmatch(value):
        message = f"has the mode {shown(value)}, which is not octal"
        raise BadValueError("file-mode", message, 'for example "0644"', inside="mode")
    return int(value, 8)


def _owner(text: str) -> tuple[int, int]:
    found = _OWNER.fullmatch(text)
    if not found or max(int(found[1]), int(found[2])) > _MAX_ID:
        hint = 'numbers, for example "1000:1000"'
        raise BadValueError(
            "file-owner", f"has the owner {shown(text)}, which is not UID:GID", hint, inside="owner"
        )
    return int(found[1]), int(found[2])


def _is_long(entry: object) -> bool:
    return isinstance(entry, dict) or entry is BAD
