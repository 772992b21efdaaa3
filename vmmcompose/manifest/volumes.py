"""Volumes: which there are, where they are in a guest, and who may share one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from vmmcompose.manifest.locations import Places, target
from vmmcompose.manifest.replicas import VARIABLE, marks
from vmmcompose.manifest.report import BAD, BadValueError, Report, is_bad, quoted, shown, subject
from vmmcompose.manifest.source import At
from vmmcompose.manifest.suggest import Suggester
from vmmcompose.manifest.values import size_mib
from vmmcompose.model.desired import DISK_MIB, Attachment, Mount, Volume

_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_NAME_LENGTH = 40
_FORM = '"VOLUME:/guest/path[:ro|rw]"'
Found = list[tuple[Attachment, At]]
"""A VM's volumes, each with where it stands."""


@dataclass(frozen=True, slots=True)
class User:
    """A VM of the manifest that uses volumes."""

    vm: str
    volumes: Found
    replicas: int | None
    """None without the key; how many there are otherwise."""
    active: bool = True


def declared(entries: Mapping[str, Any], report: Report) -> dict[str, Volume]:
    """The manifest's volumes, by name."""
    found = {}
    for name, value in entries.items():
        at = ("volumes", name)
        hint = _name_hint(name)
        if hint:
            report.add("volume", at, f"volume {quoted(name)} has no valid name", hint, on_key=True)
        size = value.get("size", BAD) if isinstance(value, dict) else BAD
        mib = None if size is BAD else report.attempt((*at, "size"), size_mib, size, *DISK_MIB)
        found[name] = Volume(name) if mib is None else Volume(name, mib)
    return found


def attachments(values: list[Any], at: At, report: Report) -> Found:
    """All volumes of a VM, as they are named in the manifest."""
    found: dict[str, tuple[Attachment, At]] = {}
    for index, value in enumerate(values):
        here = (*at, index)
        if is_bad(value):
            continue
        one = report.attempt(here, _attachment, value)
        if one and one.volume in found:
            report.add("volume-twice", here, f"{subject(here)} names {quoted(one.volume)} for a second time")
        elif one:
            found[one.volume] = one, here
            report.sources.name_entry(here, one.volume)
    return list(found.values())


def check_unnumbered(values: list[Any], at: At, report: Report) -> None:
    """Reports `${VMM_INDEX}` in the name of a volume, which is numbered anyway where that makes sense."""
    for index, value in enumerate(values):
        name = value.get("volume") if isinstance(value, dict) else str(value).partition(":")[0]
        if next(marks(name, ()), None) is not None:
            here = (*at, index)
            hint = "leave it out: a writable volume of a VM with `replicas` is one for each of them"
            report.add("volume", here, f"{subject(here)} has `{VARIABLE}` in a volume's name", hint)


def check_targets(found: Found, mounts: Iterable[Mount], report: Report) -> None:
    """Reports volumes of one VM at or below each other's place, or at or below a mount's."""
    places = Places()
    for mount in mounts:
        places.take(mount.place, f"mount {quoted(mount.tag)}")
    for one, at in found:
        clash = places.take(one.target, f"volume {quoted(one.volume)}")
        if clash:
            message = f"{subject(at)} at {quoted(one.target)} {clash}"
            report.add("volume-target", at, message, "give one of them another place")


def check_use(users: Iterable[User], volumes: Mapping[str, Volume], report: Report) -> None:
    """Reports volumes that nobody declared, that several VMs would write to, and numbered ones that clash."""
    suggester = Suggester()
    first: dict[str, tuple[User, Attachment]] = {}
    for user in users:
        for one, at in user.volumes:
            if one.volume not in volumes:
                near = suggester.nearest(one.volume, volumes)
                hint = (
                    f"did you mean `{near}`?"
                    if near
                    else f"declare it: `volumes: {{{one.volume}: }}` at the top"
                )
                message = f"{subject(at)} names volume {quoted(one.volume)}, which is not declared"
                report.add("unknown-volume", at, message, hint)
                continue
            if user.replicas is not None and one.mode == "rw":
                _check_numbered(one, at, user.replicas, volumes, report)
            if not user.active:
                continue
            other, same = first.setdefault(one.volume, (user, one))
            if other is not user and "rw" in (one.mode, same.mode):
                message = f"{subject(at)} shares volume {quoted(one.volume)} with VM {quoted(other.vm)}"
                hint = "a filesystem that is written to cannot be shared: take one for each, or `:ro` for all"
                report.add("volume-shared", at, message, hint)


def existing(users: Iterable[User], volumes: Mapping[str, Volume]) -> tuple[Volume, ...]:
    """The project's volumes: those declared, or in the place of one that replicas write to, one for each of them."""
    wanted = dict(volumes)
    made: dict[str, Volume] = {}
    for user in users:
        for one, _ in user.volumes:
            if user.replicas is not None and one.mode == "rw" and one.volume in volumes:
                wanted.pop(one.volume, None)
                for number in range(1, user.replicas + 1 if user.active else 1):
                    name = _numbered(one.volume, number)
                    made[name] = replace(volumes[one.volume], name=name)
    return tuple(sorted((wanted | made).values()))


def of_replica(found: Found, number: int) -> tuple[Attachment, ...]:
    """One VM's volumes: a replica (0: none) has those that it writes to for itself."""
    return tuple(
        sorted(
            replace(one, volume=_numbered(one.volume, number)) if number and one.mode == "rw" else one
            for one, _ in found
        )
    )


def _check_numbered(
    one: Attachment, at: At, replicas: int, volumes: Mapping[str, Volume], report: Report
) -> None:
    clash = next(_clashes(one.volume, replicas, volumes), "")
    last = _numbered(one.volume, replicas)
    if clash:
        message = (
            f"{subject(at)} is volume {quoted(clash)} for one of the replicas, and that name is declared"
        )
        report.add("volume-twice", at, message, "rename one of the two")
    elif len(last) > _NAME_LENGTH:
        message = f"{subject(at)} would make a volume {quoted(last)}, more than {_NAME_LENGTH} characters"
        report.add("volume", at, message, "shorten the volume's name")


def _clashes(volume: str, replicas: int, volumes: Mapping[str, Volume]) -> Iterator[str]:
    return (name for number in range(1, replicas + 1) if (name := _numbered(volume, number)) in volumes)


def _numbered(volume: str, number: int) -> str:
    return f"{volume}-{number}"


def _name_hint(name: str) -> str:
    if len(name) > _NAME_LENGTH:
        return f"shorten it: at most {_NAME_LENGTH} characters"
    return "" if _NAME.fullmatch(name) else "use lower case letters and digits, with `-` and `_` inside"


def _attachment(value: Any) -> Attachment:  # noqa: ANN401 - both forms
    if isinstance(value, dict):
        name, place, mode = value["volume"], value["target"], value.get("mode", "rw")
    else:
        name, place, mode = _split(value)
    if name.startswith((".", "/", "~")):
        hint = f"a directory of the host goes under `mounts`, for example `{name}:data`"
        raise BadValueError(
            "volume", f"must name a volume, not the path {quoted(name)}", hint, inside="volume"
        )
    hint = _name_hint(name)
    if hint:
        raise BadValueError("volume", f"must name a volume, not {shown(name)}", hint, inside="volume")
    return Attachment(name, target(place, "volume-target"), mode)


def _split(text: str) -> tuple[str, str, Literal["ro", "rw"]]:
    name, colon, rest = text.partition(":")
    place, _, mode = rest.partition(":")
    if not colon or not place or mode not in ("", "ro", "rw") or rest.endswith(":"):
        hint = (
            "for example `pgdata:/var/lib/postgresql`; a path with `:` needs the form {volume: …, target: …}"
        )
        raise BadValueError("volume", f"must be {_FORM}, not {shown(text)}", hint)
    return name, place, "ro" if mode == "ro" else "rw"
