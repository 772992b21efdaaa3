"""What a shell offers for a word: names of VMs, images, kernels, tags and settings.

Each function is for the `shell_complete` of an argument or option. They read no YAML, ask no process, and offer
nothing where something is wrong: a user who is typing wants no messages.
"""

import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from vmmcompose.cli.invocation import Invocation
    from vmmcompose.model.record import Record

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
_NAME = rb"(?m)^name:[ \t]*[\"']?([a-z0-9-]+)"
_SECTION = rb"(?m)^vms:[ \t]*(?:#.*)?\r?\n((?:[ \t]+.*\n?|[ \t]*(?:#.*)?\r?\n)*)"
"""The usual spelling of a manifest's VMs: indented lines below `vms:`. Anything else offers none."""
_KEY = rb"(?m)^( +)([a-z0-9][a-z0-9-]*):(?=[ \r\n]|$)"
_PROFILES = rb"\bprofiles:[ \t]*(?:\[[^\]\n]*|(?:\r?\n[ \t]*-[ \t][^\r\n]*)+)"
"""A VM's profiles, as a list in brackets or with dashes."""
_ENTRY = rb"(?:[\[,]|\n[ \t]*-)[ \t]*[\"']?([A-Za-z0-9][A-Za-z0-9_.-]*)"


def _offering(find: Callable[["Invocation", click.Context], Iterable[str]]) -> Complete:
    """A completion out of a function that finds names; those that stand on the line already are left out."""

    @wraps(find)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        try:
            there = ctx.params.get(param.name or "")
            given = there if isinstance(there, tuple) else ()
            names = {name for name in find(_invocation(ctx), ctx) if name not in given}
        except Exception:  # noqa: BLE001 - see above
            return []
        return sorted(name for name in names if name.startswith(incomplete))

    return complete


@_offering
def vms(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """VMs: of this project by their short names, also those that the manifest alone knows, and single VMs.

    Outside any project all VMs by their names on the host.
    """
    project, manifest_vms = _project(invocation)
    return {*_recorded(invocation, project), *manifest_vms}


@_offering
def recorded_vms(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """VMs that are on this host; the manifest's others are left out."""
    return _recorded(invocation, _project(invocation)[0])


@_offering
def profiles(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """Profiles that VMs of the manifest have."""
    return {
        str(word, "ascii")
        for text in _texts(invocation)[1]
        for found in re.finditer(_PROFILES, text)
        for word in re.findall(_ENTRY, found[0])
    }


@_offering
def foreign_vms(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """VMs of baremetalvmm in the same data folder."""
    from vmmcompose.cli.project import read_all

    return (record.name for record in read_all(invocation)[1] if record.foreign)


@_offering
def images(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """Images in the store."""
    from vmmcompose.host import store

    return store.list_images(invocation.paths())


@_offering
def pullable_images(_invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """Images that can be had without asking a server: those that are built here, and the usual one."""
    from vmmcompose.images.build import RECIPES
    from vmmcompose.images.pull import DEFAULT_IMAGE

    return {*RECIPES, DEFAULT_IMAGE}


@_offering
def kernels(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """Kernels in the store, `default` included."""
    from vmmcompose.host import store

    return store.list_kernels(invocation.paths())


@_offering
def tags(invocation: "Invocation", ctx: click.Context) -> Iterable[str]:
    """Mount tags of the VM that stands before on the line, whatever its argument is called."""
    return (mount.tag for mount in _named(invocation, ctx).spec.mounts)


@_offering
def host_ports(invocation: "Invocation", ctx: click.Context) -> Iterable[str]:
    """Host ports that lead to the VM that stands before on the line."""
    spec = _named(invocation, ctx).spec
    return (str(forward.host) for forward in spec.forwards)


@_offering
def snapshots(invocation: "Invocation", ctx: click.Context) -> Iterable[str]:
    """Memory snapshots of the VM that stands before on the line."""
    from vmmcompose.host.snapshots import read_snapshots

    name = _named(invocation, ctx).spec.name
    return (found.name for found in read_snapshots(invocation.paths(), name))


@_offering
def volumes(invocation: "Invocation", _ctx: click.Context) -> Iterable[str]:
    """Volumes of this project that are on this host."""
    from vmmcompose.host.volumes import read_volumes

    return read_volumes(invocation.paths(), _project(invocation)[0])


@_offering
def settings(_invocation: "Invocation", ctx: click.Context) -> Iterable[str]:
    """Names of settings; what may follow one where it wants a word of a few."""
    from vmmcompose.host.settingkeys import HYPERVISORS, KEYS

    words: tuple[str, ...] = ctx.params.get("pairs") or ()
    if len(words) % 2:
        return HYPERVISORS if words[-1] == "hypervisor" else ()
    return [name for name in KEYS if name not in words[::2]]


def _invocation(ctx: click.Context) -> "Invocation":
    """The global options as far as they are on the line."""
    from vmmcompose.cli.invocation import Invocation

    options = ctx.find_root().params
    return Invocation(
        files=options.get("file") or (),
        project=options.get("project_name") or "",
        data_dir=options.get("data_dir"),
    )


def _recorded(invocation: "Invocation", project: str) -> list[str]:
    from vmmcompose.cli.project import read_all

    specs = [record.spec for record in read_all(invocation)[0]]
    if not project:
        return [spec.name for spec in specs]
    mine = [spec for spec in specs if spec.project in (project, "")]
    return [spec.vm for spec in mine] + [spec.replica_of for spec in mine if spec.replica_of]


def _project(invocation: "Invocation") -> tuple[str, list[str]]:
    """The project's name and the manifest's VMs, as far as they are plain to see."""
    files, texts = _texts(invocation)
    if not files:
        return invocation.project, []
    folder = re.sub(r"[^a-z0-9]+", "-", files[0].split("/")[-2].lower()).strip("-")
    names = [str(name[1], "ascii") for text in texts if (name := re.search(_NAME, text))]
    found = [name for text in texts for name in _vm_names(text)]
    return invocation.project or (names[-1] if names else folder), found


def _texts(invocation: "Invocation") -> tuple[tuple[str, ...], list[bytes]]:
    """The manifest's files and what is in them; nothing where one cannot be read."""
    from vmmcompose.errors import VmmError
    from vmmcompose.host.manifests import located, read_file

    try:
        files = located(invocation.reading()).files
        return files, [read_file(path) or b"" for path in files]
    except VmmError:
        return (), []


def _vm_names(text: bytes) -> list[str]:
    section = re.search(_SECTION, text)
    keys = re.findall(_KEY, section[1]) if section else []
    return [str(key, "ascii") for indent, key in keys if indent == keys[0][0]]


def _named(invocation: "Invocation", ctx: click.Context) -> "Record":
    from vmmcompose.cli.project import find_record

    word = next(ctx.params[key] for key in ("vm", "name", "vms") if ctx.params.get(key))
    return find_record(invocation, word if isinstance(word, str) else word[0])
