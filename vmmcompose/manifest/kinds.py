"""The entries of `vms`: each is one VM, or with `replicas` several of a kind."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmmcompose.manifest import network
from vmmcompose.manifest.replicas import VARIABLE, filled, marks, replica_name, split
from vmmcompose.manifest.report import Report, subject
from vmmcompose.manifest.sections import Section, SectionReader, merged, placed
from vmmcompose.manifest.source import At
from vmmcompose.manifest.volumes import User, check_unnumbered
from vmmcompose.model.desired import Forward

_MERGED = ("env", "labels")
"""Keys of `defaults` that a VM's own do not replace."""
_PLACED = frozenset(("files", "mounts", "volumes", "watch"))
"""Keys about places in the guest, which must not overlap."""
_OF_ALL = ("replicas", "profiles", "extends", "update", "lifecycle")
"""Keys about all replicas together."""


@dataclass(slots=True)
class One:
    """One VM of a kind."""

    number: int
    """Of the replica; 0 without `replicas`."""
    own: Section
    fields: dict[str, Any]
    """Those of `DesiredVm` that are complete."""


@dataclass(slots=True)
class Kind:
    """One entry of `vms`."""

    name: str
    replicas: int | None
    """None without the key."""
    pattern: One
    """The first of them; also there where there are to be none."""
    ones: list[One] = field(default_factory=list)

    @property
    def at(self) -> At:
        """Where it stands."""
        return ("vms", self.name)

    @property
    def names(self) -> tuple[str, ...]:
        """What its VMs are called."""
        return tuple(replica_name(self.name, number) for number in self.numbers)

    @property
    def numbers(self) -> Iterable[int]:
        """Those of its replicas; 0 where the VM is no replica."""
        return (0,) if self.replicas is None else range(1, self.replicas + 1)

    def user(self, *, active: bool) -> User:
        """The kind as one that uses volumes."""
        return User(self.name, self.pattern.own.volumes, self.replicas, active)

    def forwards(self, report: Report) -> Iterator[tuple[str, Forward, At]]:
        """The forwards of all its VMs, each with the VM and where it stands."""
        for one in self.ones:
            name = replica_name(self.name, one.number)
            for forward, at in network.forwards(one.own.ports, one.number, report):
                yield name, forward, at

    def addresses(self) -> Iterator[tuple[str, str, At]]:
        """The addresses that its VMs ask for."""
        for one in self.ones:
            ip = one.own.fields.get("ip")
            if ip:
                yield replica_name(self.name, one.number), ip, (*self.at, "ip")


class KindReader:
    """Reads the entries of `vms` over the same `defaults`."""

    def __init__(
        self, reader: SectionReader, report: Report, defaults: Mapping[str, Any], host: Mapping[str, Any]
    ) -> None:
        self._reader = reader
        self._report = report
        self._host = host
        common, self._numbered = split(defaults)
        self._defaults = reader.read(common, ("defaults",))
        self._by_number: dict[int, Section] = {}

    def kind(self, name: str, entries: Mapping[str, Any], replicas: int | None) -> Kind:
        """One entry with all its VMs. What is the same for all of them is read once."""
        at: At = ("vms", name)
        report = self._report
        common, numbered = split({key: item for key, item in entries.items() if not key.startswith("x-")})
        unread = [key for key in self._numbered if key not in entries or key in _MERGED]
        self._check_marks(entries, numbered, unread, at, replicas)
        if replicas is None:
            numbered = {}
        shared = self._reader.read(common, at)
        check_unnumbered(numbered.get("volumes") or [], (*at, "volumes"), report)
        before = len(report.problems)
        pattern = self._one(0 if replicas is None else 1, shared, numbered, unread, at)
        found = Kind(name, replicas, pattern)
        network.check_ranges(pattern.own.ports, replicas, report)
        for number in found.numbers:
            one = pattern
            if number > 1:
                # Behind a mistake in what has the number, only what is the same for all is looked at.
                one = One(number, shared, pattern.fields)
                if (numbered or unread) and len(report.problems) == before:
                    one = self._one(number, shared, numbered, unread, at, pattern)
            found.ones.append(one)
        return found

    def _one(
        self,
        number: int,
        shared: Section,
        numbered: Mapping[str, Any],
        inherited: list[str],
        at: At,
        like: One | None = None,
    ) -> One:
        """One VM; `like` is one of the kind that has been looked at already."""
        self._report.replica = number
        own = self._reader.read(filled(numbered, number), at, shared.copy()) if numbered else shared
        defaults = self._numbered_defaults(number) if inherited else self._defaults
        fields = merged([self._host], own, defaults)
        if like is None or _PLACED.intersection((*numbered, *inherited)):
            fields |= placed(fields, own, defaults, self._report)
        else:
            fields |= {key: like.fields[key] for key in ("files", "watch")}
        self._report.replica = 0
        return One(number, own, fields)

    def _numbered_defaults(self, number: int) -> Section:
        if number not in self._by_number:
            values = filled(self._numbered, number)
            self._by_number[number] = self._reader.read(values, ("defaults",), self._defaults.copy())
        return self._by_number[number]

    def _check_marks(
        self,
        entries: Mapping[str, Any],
        numbered: Mapping[str, Any],
        inherited: list[str],
        at: At,
        replicas: int | None,
    ) -> None:
        """Reports `${VMM_INDEX}` where there is no number for it."""
        report = self._report
        wrong = list(numbered) if replicas is None else [key for key in numbered if key in _OF_ALL]
        for place in (place for key in wrong for place in marks(entries[key], (*at, key))):
            if replicas is None:
                hint = f"add `replicas` to the VM, or write `${VARIABLE}` for the text itself"
                report.add(
                    "index", place, f"{subject(place)} has `{VARIABLE}`, but no replica's number", hint
                )
            else:
                report.add(
                    "index", place, f"{subject(place)} is for all replicas: `{VARIABLE}` cannot be in it"
                )
        for place in self._inherited_marks(entries, inherited) if replicas is None else ():
            message = f"{subject(place)} has `{VARIABLE}`, but VM `{at[1]}` takes it and has no `replicas`"
            report.add("index", place, message, "give the VM `replicas`, or a value of its own")

    def _inherited_marks(self, entries: Mapping[str, Any], inherited: list[str]) -> Iterator[At]:
        """Marks in `defaults` that a VM takes with the value."""
        for key in inherited:
            own = entries.get(key)
            for place in marks(self._numbered[key], ("defaults", key)):
                if not (isinstance(own, dict) and place[2] in own):
                    yield place
