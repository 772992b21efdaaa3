"""Where in the files a part of the manifest stands."""

from collections.abc import Iterable
from dataclasses import replace

from vmmcompose.manifest.nodes import Node
from vmmcompose.model.problem import Place, Problem

At = tuple[str | int, ...]


class SourceMap:
    """Turns a manifest path such as `("vms", "web", "cpus")` into a place in a file.

    A list's entry has its index in the manifest, and a name for those who know `Desired` only: a mount its tag, a
    forward `*:8080/tcp` (or with its bind address), a file its path, a dependency, a volume, a script its name.
    A replica is found where its VM stands.
    """

    __slots__ = ("_entries", "_replicas", "_root")

    def __init__(self, root: Node | None) -> None:
        self._root = root
        self._entries: dict[At, str | int] = {}
        self._replicas: dict[str, str] = {}

    def name_entry(self, at: At, name: str) -> None:
        """Lets an entry of a list be found by a name too; the first of a name keeps it."""
        if isinstance(at[-1], int):
            self._entries.setdefault((*at[:-1], name), at[-1])

    def name_replica(self, replica: str, vm: str) -> None:
        """Lets what is said about a replica be found at the VM that has `replicas`."""
        self._replicas[replica] = vm

    def locate(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """The problems with their places filled in, where they have none and say what they are about."""
        return tuple(
            replace(problem, place=self.place(problem.at)) if problem.at and not problem.place else problem
            for problem in problems
        )

    def __contains__(self, at: At) -> bool:
        """Whether the manifest has this part."""
        return len(self._walk(at)) > len(at)

    def place(self, at: At) -> Place | None:
        """The nearest enclosing place: a scalar's own span, a mapping's or a list's key.

        A setting that a VM has from `defaults` is found there. None only for an empty file.
        """
        trail = self._walk(at)
        if at[:1] == ("vms",) and len(trail) == 3 and len(at) > 2:
            inherited = self._walk(("defaults", *at[2:]))
            trail = inherited if len(inherited) > 2 else trail
        if not trail:
            return None
        key, node = trail[-1]
        empty = node.span[:2] == node.span[2:]
        return (key if key and (node.kind != "scalar" or empty) else node).place

    def key(self, at: At) -> Place | None:
        """Like `place`, but the key's span even where the value is a scalar."""
        trail = self._walk(at)
        if len(trail) <= len(at):
            return self.place(at)
        key, node = trail[-1]
        return (key or node).place

    def written(self, at: At) -> str:
        """A scalar's text as it stands in the file; empty where there is none."""
        trail = self._walk(at)
        return trail[-1][1].text if len(trail) > len(at) else ""

    def spoilt(self, at: At) -> bool:
        """Whether a problem about just this scalar has been told already."""
        trail = self._walk(at)
        return bool(trail) and trail[-1][1].spoilt

    def _walk(self, at: At) -> list[tuple[Node | None, Node]]:
        """(key, value) of every part of `at` that exists, the root first."""
        node, trail = self._root, list[tuple[Node | None, Node]]()
        if node is None:
            return trail
        trail.append((None, node))
        if len(at) > 1 and at[0] == "vms":
            at = ("vms", self._replicas.get(str(at[1]), at[1]), *at[2:])
        for index, part in enumerate(at):
            child = node.children.get(
                self._entries.get(at[: index + 1], part) if node.kind == "list" else part
            )
            if child is None:
                break
            trail.append((node.keys.get(part) if isinstance(part, str) else None, child))
            node = child
        return trail
