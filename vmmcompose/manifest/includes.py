"""`include`: other manifests whose VMs and volumes belong to this project too."""

from collections.abc import Iterator
from dataclasses import dataclass

from vmmcompose.manifest.documents import joined
from vmmcompose.manifest.listmerge import RULES
from vmmcompose.manifest.nodes import Node, mapping
from vmmcompose.manifest.report import quoted, shown
from vmmcompose.manifest.schema import keys_of
from vmmcompose.model.problem import Problem

KEY = "include"
_KEYS = ("path", "project_directory", "env_file")
_SHARED = ("vms", "volumes")
"""What an included manifest gives to the one that includes it."""
_FORM = "for example `include: [../db/vmm.yaml]`"


@dataclass(frozen=True, slots=True)
class Included:
    """One entry of `include`. The nodes hold paths as they are written."""

    paths: tuple[Node, ...]
    directory: Node | None
    env_files: tuple[Node, ...]

    def path(self, node: Node) -> str:
        """An absolute path; a relative one counts from the file that it stands in."""
        return joined(node.file.base_dir, node.data)


def entries(root: Node, problems: list[Problem]) -> Iterator[Included]:
    """What a manifest includes."""
    listed = root.children.get(KEY)
    if listed is None or listed.is_null() or listed.tag == "reset":
        return
    if listed.kind != "list":
        message = f"`include` must be a list of manifests, not {shown(listed.data)}"
        problems.append(Problem("wrong-type", message, hint=_FORM, place=listed.place))
        return
    for node in listed.children.values():
        found = _entry(node, problems)
        if found:
            yield found


def _entry(node: Node, problems: list[Problem]) -> Included | None:
    if node.kind != "map":
        paths = _paths(node, "include", problems)
        return Included(paths, None, ()) if paths else None
    unknown = next((key for key in node.keys if key not in _KEYS), None)
    if unknown:
        message = f"an `include` entry has no key {quoted(unknown)}"
        hint = f"keys here: {', '.join(_KEYS)}"
        problems.append(Problem("unknown-key", message, hint=hint, place=node.keys[unknown].place))
        return None
    if "path" not in node.keys:
        problems.append(
            Problem("missing-key", "an `include` entry has no `path`", hint=_FORM, place=node.place)
        )
        return None
    before = len(problems)
    parts = {key: _paths(child, key, problems) for key, _, child in node.items()}
    if len(problems) > before or not parts["path"]:
        return None
    directory = parts.get("project_directory", ())
    return Included(parts["path"], directory[0] if directory else None, parts.get("env_file", ()))


def _paths(node: Node, key: str, problems: list[Problem]) -> tuple[Node, ...]:
    """One path or, but for a directory, several."""
    several = node.kind == "list" and key in ("path", "env_file")
    found = tuple(node.children.values()) if several else (node,)
    for one in found:
        if one.kind != "scalar" or not isinstance(one.data, str) or not one.data.strip():
            message = f"`{key}` must be a path, not {shown(one.data)}"
            problems.append(Problem("wrong-type", message, hint=_FORM, place=one.place))
            return ()
    return () if any(one.spoilt for one in found) else found


def with_included(root: Node, part: Node, problems: list[Problem]) -> Node:
    """A manifest and an included one. What both have is a problem, unless it is the very same place."""
    part = _settled(part, problems)
    result = root.entries()
    for key in _SHARED:
        added = part.children.get(key)
        if added is None or added.kind != "map":
            continue
        own = result.get(key)
        if own is None or own[1].is_null():
            result[key] = part.keys[key], added
        elif own[1].kind == "map":
            result[key] = own[0], _both(own[1], added, "VM" if key == "vms" else "volume", problems)
    return mapping(root, result)


def _both(own: Node, added: Node, what: str, problems: list[Problem]) -> Node:
    found = own.entries()
    for key, name, child in added.items():
        mine = found.setdefault(key, (name, child))
        if mine[0].place == name.place and mine[1].data == child.data:
            continue  # two included manifests include one and the same
        place = name.place
        message = f"{what} {quoted(key)} is also in {place.file}, which is included, on line {place.line}"
        hint = (
            f"rename one of them; to change an included {what}, let `path` list its file and one on top of it"
        )
        problems.append(Problem("include-conflict", message, hint=hint, place=mine[0].place))
    return mapping(own, found)


def _settled(part: Node, problems: list[Problem]) -> Node:
    """An included manifest with its `defaults` written into its VMs: they are for these alone."""
    defaults, vms = part.children.get("defaults"), part.children.get("vms")
    if defaults is None or vms is None or defaults.kind != "map" or vms.kind != "map":
        return part
    known = keys_of("defaults")
    given = {}
    for key, name, child in defaults.items():
        if key in known:
            given[key] = name, child
        elif not key.startswith("x-"):
            message = f"`defaults` has no key {quoted(key)}"
            hint = (
                f"`{key}` belongs to a single VM"
                if key in keys_of("vm")
                else f"keys here: {', '.join(known)}"
            )
            problems.append(Problem("unknown-key", message, hint=hint, place=name.place))
    filled = {key: (name, _with_defaults(vm, given)) for key, name, vm in vms.items()}
    return mapping(part, {**part.entries(), "vms": (part.keys["vms"], mapping(vms, filled))})


def _with_defaults(vm: Node, defaults: dict[str, tuple[Node, Node]]) -> Node:
    if vm.kind != "map" and not vm.is_null():
        return vm
    found = {**defaults, **vm.entries()}
    for key in ("env", "labels"):
        own = vm.children.get(key)
        if own and key in defaults:
            found[key] = vm.keys[key], RULES[key](defaults[key][1], own) or own
    return mapping(vm, found)
