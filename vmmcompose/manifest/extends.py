"""`extends`: a VM that begins with another one's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmmcompose.manifest.documents import Document, Documents, TooLargeError, folder, joined
from vmmcompose.manifest.merge import merge_vms
from vmmcompose.manifest.nodes import Node, mapping, without
from vmmcompose.manifest.report import quoted
from vmmcompose.manifest.suggest import Suggester
from vmmcompose.manifest.variables import Variables

MAX_EXTENDED = 1_000_000
"""Values that VMs may have from others."""
_KEY = "extends"
_KEYS = ("vm", "file")
_LONGEST = 12
"""VMs of a circle that a message shows."""
_Step = tuple[Document, str]


@dataclass(slots=True)
class Extending:
    """Resolves `extends` in the files of one model, each VM once."""

    documents: Documents
    variables: Variables
    _size: int = 0
    _done: dict[tuple[int, str], Node] = field(default_factory=dict)
    _suggester: Suggester = field(default_factory=Suggester)

    def document(self, document: Document, root: Node) -> Node:
        """A file's root with all its VMs resolved; the same where none extends another."""
        vms = root.children.get("vms")
        if vms is None or vms.kind != "map":
            return root
        if not any(vm.kind == "map" and _KEY in vm.keys for vm in vms.children.values()):
            return root
        found = {key: (name, self._vm(document, key)) for key, name, _ in vms.items()}
        entries = root.entries()
        entries["vms"] = root.keys["vms"], mapping(vms, found)
        return mapping(root, entries)

    def _vm(self, document: Document, name: str) -> Node:
        """Follows the chain down to a VM that extends nothing, then merges upwards."""
        chain: dict[tuple[int, str], Node] = {}
        step: _Step | None = (document, name)
        result: Node | None = None
        while step:
            key = (id(step[0]), step[1])
            result = self._done.get(key)
            if result:
                break
            if key in chain:
                self._circle(chain, key)
                break
            chain[key] = step[0].filled(_vms(step[0])[step[1]])
            step = self._target(step, chain[key])
        for key, node in reversed(chain.items()):
            own = without(node, _KEY)
            result = own if result is None else merge_vms(result, own)
            self._done[key] = result
            self._count(result)
        assert result is not None
        return result

    def _count(self, vm: Node) -> None:
        """Refuses chains in which each VM hands a longer list to the next."""
        self._size += sum(len(child.children) for child in vm.children.values())
        if self._size > MAX_EXTENDED:
            message = f"`extends` blows this manifest up to more than {MAX_EXTENDED} values"
            self.documents.note(
                "too-large", message, vm, "`ports: !reset []` leaves a list of the other VM behind"
            )
            raise TooLargeError

    def _target(self, step: _Step, node: Node) -> _Step | None:
        """Which VM a VM extends; None if none, or if it is not there."""
        asked = node.children.get(_KEY) if node.kind == "map" else None
        if asked is None or asked.tag == "reset":
            return None
        document, name = step
        vm, file = (
            (asked.children.get("vm"), asked.children.get("file")) if asked.kind == "map" else (asked, None)
        )
        if not self._well_formed(name, asked, vm, file):
            return None
        assert vm is not None
        if file is not None:
            path = joined(file.file.base_dir, file.data)
            if path != document.path:
                document = self.documents.document(path, folder(path), self.variables, file)
        if vm.data in _vms(document):
            return document, vm.data
        if not document.broken:
            known = _vms(document)
            near = self._suggester.nearest(vm.data, [str(key) for key in known])
            here = document is step[0]
            where = "this file" if here else document.name
            elsewhere = "a VM of another file needs `{vm: …, file: …}`" if here else ""
            hint = f"did you mean `{near}`?" if near else elsewhere
            message = f"VM {quoted(name)} extends {quoted(vm.data)}, which {where} does not have"
            self.documents.note("unknown-vm", message, vm, hint)
        return None

    def _well_formed(self, name: str, asked: Node, vm: Node | None, file: Node | None) -> bool:
        who = f"VM {quoted(name)}: `extends`"
        if asked.spoilt:
            return False
        unknown = next((key for key in asked.keys if key not in _KEYS), None)
        if unknown:
            near = "vm" if unknown == "service" else self._suggester.nearest(unknown, _KEYS)
            hint = f"did you mean `{near}`?" if near else f"keys here: {', '.join(_KEYS)}"
            self.documents.note(
                "unknown-key", f"{who} has no key {quoted(unknown)}", asked.keys[unknown], hint
            )
            return False
        for part in (vm, file):
            if part is not None and not (part.kind == "scalar" and isinstance(part.data, str) and part.data):
                what = "the name of a VM" if part is vm else "the path of a manifest"
                self.documents.note(
                    "wrong-type", f"{who} must be {what}", part, "`extends: base`, or `{vm: base, file: …}`"
                )
                return False
        if vm is None:
            self.documents.note(
                "missing-key", f"{who} names no `vm`", asked, "`extends: base`, or `{vm: base, file: …}`"
            )
        return vm is not None and not vm.spoilt and not (file and file.spoilt)

    def _circle(self, chain: dict[tuple[int, str], Node], begin: tuple[int, str]) -> None:
        circle = list(chain)[list(chain).index(begin) :]
        names = [quoted(vm) for _, vm in circle]
        shown = [*names[:_LONGEST], *(["…"] if len(names) > _LONGEST else []), names[0]]
        message = f"these VMs extend each other: {' → '.join(shown)}"
        if len(circle) == 1:
            message = f"VM {names[0]} extends itself"
        asked = chain[circle[-1]].children[_KEY]
        self.documents.note("extends-cycle", message, asked, "one of them must stand for itself")


def _vms(document: Document) -> Mapping[str | int, Node]:
    root = document.root
    vms = root.children.get("vms") if root else None
    return vms.children if vms and vms.kind == "map" else {}
