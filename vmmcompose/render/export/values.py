"""What an export is: files for another engine, and what did not come along."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from vmmcompose.model.desired import KEYS, Desired, DesiredVm
from vmmcompose.model.problem import Problem


@dataclass(frozen=True, slots=True)
class File:
    """One file of an export; `name` has no folder."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Export:
    """The files, and a note for each key that they do not carry."""

    files: tuple[File, ...]
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Installation:
    """How `vmm` is run on this host, for targets that run it."""

    program: tuple[str, ...] = ("vmm",)
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a key stays behind, and what to do about it there."""

    why: str
    hint: str = ""


_SECRET = frozenset({"env", "files", "provision"})


@dataclass(frozen=True, slots=True)
class Target:
    """An engine that a project can be taken to.

    Every field of a VM is in one of the three sets, which a test holds: nothing new in the manifest is lost silently.
    """

    write: Callable[[Desired, Installation], Export]
    carried: frozenset[str]
    """Fields of `DesiredVm` that it writes whole."""
    partly: frozenset[str]
    """Fields of which it writes what it can, and tells of the rest itself."""
    lost: Mapping[str, Loss]
    """Fields that it does not write."""
    refers: bool = False
    """Whether its files run `vmm`, which knows the VMs, and hold hardly anything of them."""

    @property
    def private(self) -> bool:
        """Whether its files hold what only root may read of a record: `env`, `files` and `provision`."""
        return not self.refers and not self.lost.keys() >= _SECRET


UNDECLARED = frozenset({"name", "power", "added_ports", "replica_of", "replica"})
"""Fields that say which VM it is, or that no manifest sets."""
_DEFAULTS = {
    field.name: field.default for field in fields(DesiredVm) if field.name not in (*UNDECLARED, "image")
}
DECLARED = frozenset({*_DEFAULTS, "image"})
"""Fields that a manifest's keys set."""


def base_name(vm: DesiredVm) -> str:
    """What the manifest calls a VM: replicas have its name together."""
    return vm.replica_of or vm.name


def losses(vm: DesiredVm, lost: Mapping[str, Loss]) -> list[Problem]:
    """A note for each field that is lost and that says anything other than the default."""
    return [
        note(vm, KEYS.get(name, name), loss)
        for name, loss in lost.items()
        if name == "image" or getattr(vm, name) != _DEFAULTS[name]
    ]


def note(vm: DesiredVm, key: str, loss: Loss, *entry: str) -> Problem:
    """A note on a VM's key, or on one entry of it."""
    at = ("vms", base_name(vm), *key.split("."), *entry)
    where = ".".join((key, *entry))
    return Problem(CODE, f"vm/{base_name(vm)}: {where}: {loss.why}", at, loss.hint, "note")


CODE = "not-exported"


def volume_note(volume: str, key: str, loss: Loss) -> Problem:
    """A note on a volume's key."""
    return Problem(CODE, f"volume/{volume}: {key}: {loss.why}", ("volumes", volume, key), loss.hint, "note")


def inactive_notes(desired: Desired) -> list[Problem]:
    """A note for each VM that is left out because its profile is not chosen."""
    names = dict.fromkeys(base_name(vm) for vm in desired.inactive)
    loss = "its profiles are not chosen, so it is left out"
    return [
        Problem(
            CODE,
            f"vm/{name}: profiles: {loss}",
            ("vms", name, "profiles"),
            "choose one with --profile",
            "note",
        )
        for name in names
    ]


def seconds(value: float) -> str:
    """A time as the engines spell it: `2s`, `500ms`."""
    return f"{value:.0f}s" if value == int(value) else f"{value * 1000:.0f}ms"


PLACEHOLDER = "replace-me"
"""Where a container's image is to be fetched from: nobody here knows."""


def placeholder(vm: DesiredVm) -> str:
    """A name in the place of the container image that takes a VM's root filesystem's place."""
    return f"{PLACEHOLDER}/{slug(vm.image) or 'image'}"


def file_name(text: str) -> str:
    """An image's or a kernel's name in the store, or that of the file that a path names."""
    return text.rstrip("/").rpartition("/")[2].removesuffix(".ext4")


def slug(text: str) -> str:
    """The end of a path or a name, with nothing in it that the name of a container's image may not have."""
    last = file_name(text)
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in last.lower()).strip(".-")
