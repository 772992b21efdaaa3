"""The variables that a manifest can ask for, and the values in its nodes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vmmcompose.manifest.envfile import EnvFile
from vmmcompose.manifest.interpolate import Fault, interpolate
from vmmcompose.manifest.nodes import Node
from vmmcompose.manifest.replicas import INDEX, NAME
from vmmcompose.manifest.scalars import plain_value
from vmmcompose.manifest.spots import spot
from vmmcompose.manifest.suggest import Suggester
from vmmcompose.model.problem import Place, Problem

_BLOCK = re.compile(r"(?:[&!]\S*[ \t]+)*[|>]")
"""How a block scalar begins."""
_FOR_THE_GUEST = ("provision", "run", "command", "content")
"""Keys of what a shell or a program in the guest reads; a file's contents may also stand under its path."""


@dataclass(slots=True)
class Variables:
    """Where values come from: the environment first, then env files, of which later ones win.

    `asked` gathers what the environment was asked for. A fault of an env file's value is told when it is needed.
    """

    environ: Mapping[str, str]
    problems: list[Problem]
    asked: set[str] = field(default_factory=set)
    _layers: tuple[tuple[EnvFile, ...], ...] = ()
    """Env files of the project, then those of the manifests included on the way; the earlier layer wins."""

    def get(self, name: str) -> str | None:
        """A variable's value; None where it is not set. A replica's number is not known yet and stays a mark.

        Raises:
            BrokenValueError: an env file sets it to something that will not do.
        """
        if name == NAME:
            return INDEX
        self.asked.add(name)
        value = self.environ.get(name)
        if value is not None:
            return value
        for layer in self._layers:
            for file in reversed(layer):
                entry = file.values.get(name)
                if entry is not None:
                    self.problems.extend(entry.problems)
                    return entry.needed()
        return None

    def with_files(self, files: Sequence[EnvFile]) -> "Variables":
        """The same with a layer of env files below those that are there."""
        return replace(self, _layers=(*self._layers, tuple(files)))

    def names(self) -> set[str]:
        """All names that are set."""
        return {*self.environ, *(name for layer in self._layers for file in layer for name in file.values)}


@dataclass(slots=True)
class Substitution:
    """Puts values for the variables into nodes, in place and once for each node."""

    variables: Variables
    varied: bool = False
    """Whether there were any."""
    _seen: set[int] = field(default_factory=set)
    _suggester: Suggester = field(default_factory=Suggester)

    def run(self, node: Node, above: str = "") -> None:
        """Every value in and below the node, which stands under the key `above`; keys are left alone."""
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        if node.kind == "scalar":
            if "$" in node.text:
                self._fill(node, above)
            return
        for key, child in node.children.items():
            self.run(child, key if isinstance(key, str) else above)
            if child.kind == "scalar":
                node.data[key] = child.data

    def _fill(self, node: Node, key: str) -> None:
        text, faults = interpolate(node.text, self.variables.get)
        self.variables.problems.extend(self._problem(node, key, fault) for fault in faults if fault.code)
        node.spoilt = bool(faults)
        if not faults:
            node.data = plain_value(text) if node.plain else text
            node.text, node.varied, self.varied = text, True, True

    def _problem(self, node: Node, key: str, fault: Fault) -> Problem:
        hint = fault.hint
        if fault.code == "unset-variable":
            name = fault.message.split("`")[1]
            near = self._suggester.nearest(name, self.variables.names())
            hint = f"did you mean `{near}`?" if near else hint
            if key in _FOR_THE_GUEST or key.startswith("/"):
                hint = f"write `${node.text[fault.start : fault.end]}` if the guest is to look it up; or {fault.hint}"
        return Problem(fault.code, fault.message, hint=hint, place=_place(node, fault))


def _place(node: Node, fault: Fault) -> Place:
    first, column, last, end = node.span
    line = node.file.lines[first]
    block = not node.plain and _BLOCK.match(line, column) is not None
    # What stands behind `|` is a comment.
    span = (first, len(line) if block else column, last, end)
    found = spot(node.file, span, node.text, (fault.start, fault.end))
    return node.place if block and found.line == first + 1 else found
