"""The files of a manifest, each read once, with their variables filled in."""

from collections.abc import Callable
from dataclasses import dataclass, field

from vmmcompose.errors import VmmError
from vmmcompose.manifest.envfile import EnvFile, read_env_file
from vmmcompose.manifest.loader import Loader, LoadError
from vmmcompose.manifest.locations import normalised
from vmmcompose.manifest.nodes import Node
from vmmcompose.manifest.report import quoted
from vmmcompose.manifest.text import read_text
from vmmcompose.manifest.variables import Substitution, Variables
from vmmcompose.model.problem import Place, Problem

Read = Callable[[str], bytes | None]
"""The bytes of the file at an absolute path; None if there is none. May raise a `VmmError`."""

MAX_FILES = 256
"""Manifests that one project may be made of."""


class TooLargeError(Exception):
    """There are more files or settings than anybody needs: a mistake or an attack. The problem has been told."""


@dataclass(slots=True)
class Document:
    """One file. `root` is None where it is empty, or could not be read at all (`broken`)."""

    path: str
    name: str
    base_dir: str
    variables: Variables
    """Held, so that no other ones come to have their identity, by which the file is known."""
    root: Node | None = None
    broken: bool = False
    substitution: Substitution | None = None

    def filled(self, node: Node) -> Node:
        """A node of this file, with the values of its variables."""
        if self.substitution:
            self.substitution.run(node)
        return node


@dataclass(slots=True)
class Documents:
    """Reads files and gathers what is wrong with each as it stands."""

    read: Read
    shown: Callable[[str], str]
    """How messages call a file."""
    problems: list[Problem]
    order: list[str] = field(default_factory=list)
    """How the files are called, in the order they were read."""
    tagged: bool = False
    """Whether `!reset` or `!override` stands in one."""
    base_dirs: set[str] = field(default_factory=set)
    varied: list[Substitution] = field(default_factory=list)
    _known: dict[tuple[str, str, int], Document] = field(default_factory=dict)

    def document(self, path: str, base_dir: str, variables: Variables, asker: Node | None = None) -> Document:
        """The file at a path. `asker` is the value that names it, for the message if it is not there.

        Raises:
            TooLargeError: this is one too many.
        """
        known = self._known.get((path, base_dir, id(variables)))
        if known:
            return known
        if len(self._known) >= MAX_FILES:
            hint = "does one include or extend others without end?"
            message = f"the manifest is made of more than {MAX_FILES} files"
            place = asker.place if asker else None
            self.problems.append(Problem("too-many-files", message, hint=hint, place=place))
            raise TooLargeError
        document = Document(path, self.shown(path), base_dir, variables)
        self._known[path, base_dir, id(variables)] = document
        data = self._bytes(path, asker)
        if data is None:
            document.broken = True
        else:
            self.order.append(document.name)
            self.base_dirs.add(base_dir)
            self._load(document, data, variables)
        return document

    def env_file(
        self, path: str, variables: Variables, *, asker: Node | None = None, needed: bool
    ) -> EnvFile | None:
        """The env file at a path; None where there is none, which is a problem if it is `needed`."""
        data = self._bytes(path, asker, needed=needed, what="env file")
        if data is None:
            return None
        name = self.shown(path)
        self.order.append(name)
        file = read_env_file(data, name, variables.get)
        self.problems.extend(file.problems)
        return file

    def note(self, code: str, message: str, node: Node, hint: str = "") -> None:
        """A problem about a value of one of the files."""
        self.problems.append(Problem(code, message, hint=hint, place=node.place))

    def _bytes(
        self, path: str, asker: Node | None, *, needed: bool = True, what: str = "manifest"
    ) -> bytes | None:
        place = asker.place if asker else Place(self.shown(path), 1, 1, 1)
        try:
            data = self.read(path)
        except VmmError as error:
            self.problems.append(Problem("file", error.message, hint=error.hint, place=place))
            return None
        if data is None and needed:
            written = asker.text if asker and "://" in asker.text else self.shown(path)
            said = f"there is no {what} {quoted(written)}"
            hint = _missing_hint(asker.text, what) if asker else ""
            self.problems.append(Problem("no-file", said, hint=hint, place=place))
        return data

    def _load(self, document: Document, data: bytes, variables: Variables) -> None:
        text = read_text(data, document.name)
        if isinstance(text, Problem):
            self.problems.append(text)
            document.broken = True
            return
        loader = Loader(text, document.name, document.base_dir)
        try:
            document.root = loader.load()
        except LoadError as error:
            self.problems.append(error.problem)
            document.broken = True
        self.problems.extend(loader.problems)
        self.tagged |= loader.tagged
        if "$" in text:
            document.substitution = Substitution(variables)
            self.varied.append(document.substitution)


def _missing_hint(written: str, what: str) -> str:
    if "://" in written:
        return "only files of this host are read: fetch it first"
    if what == "manifest" and not written.endswith((".yaml", ".yml")):
        inside = f"{written.rstrip('/')}/vmm.yaml"
        return (
            f"a relative path counts from this file's directory; of a folder name the file: {quoted(inside)}"
        )
    return "a relative path counts from this file's directory"


def joined(base_dir: str, path: str) -> str:
    """The absolute path of one that may be relative."""
    return normalised(path if path.startswith("/") else f"{base_dir}/{path}")


def folder(path: str) -> str:
    """The directory that an absolute path is in."""
    return path.rpartition("/")[0] or "/"
