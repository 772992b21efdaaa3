"""Several files to one manifest: read, filled in, extended, merged, with what they include."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vmmcompose.manifest import includes
from vmmcompose.manifest.documents import Documents, Read, TooLargeError, folder, joined
from vmmcompose.manifest.envfile import EnvFile
from vmmcompose.manifest.extends import Extending
from vmmcompose.manifest.includes import Included
from vmmcompose.manifest.merge import merge_manifests, without_reset
from vmmcompose.manifest.nodes import Node, mapping, without
from vmmcompose.manifest.rebase import rebase
from vmmcompose.manifest.report import shown as value_shown
from vmmcompose.manifest.variables import Variables
from vmmcompose.manifest.wanted import give_types
from vmmcompose.model.problem import Problem

ENV_FILE = ".env"
MAX_NESTED = 32
"""How deep manifests may include each other."""
_Asked = tuple[str, Node | None]
"""A file's absolute path, and the value that names it."""


@dataclass(slots=True)
class Assembled:
    """What the files hold together. `root` is None where they hold nothing."""

    root: Node | None
    problems: list[Problem]
    order: list[str]
    """How the files are called, in the order they were read."""
    asked: set[str]
    """Variables that the environment was asked for."""
    broken: bool = False
    """Whether a file is missing in it, so that what is left says little."""
    indexed: bool = False
    """Whether values wait for a replica's number."""


def assemble(
    paths: Sequence[str],
    read: Read,
    *,
    shown: Callable[[str], str],
    environ: Mapping[str, str],
    env_files: Sequence[str] = (),
) -> Assembled:
    """Makes one manifest of the files at these absolute paths, each merged onto those before it.

    `env_files` take the place of the `.env` beside the first. Messages call a file as `shown` says.
    """
    problems: list[Problem] = []
    documents = Documents(read, shown, problems)
    variables = Variables(environ, problems)
    assembly = _Assembly(documents)
    root: Node | None = None
    try:
        within = assembly.scope(variables, folder(paths[0]), [(path, None) for path in env_files])
        if within:
            root = assembly.model([(path, None) for path in paths], within, "", ())
    except TooLargeError:
        assembly.broken = True
    if root is not None and documents.tagged:
        root = without_reset(root)
    varied = root is not None and any(one.varied for one in documents.varied)
    indexed = varied and root is not None and give_types(root)
    if root is not None and documents.base_dirs != {folder(paths[0])}:
        root = rebase(root, folder(paths[0]))
    return Assembled(root, problems, documents.order, variables.asked, assembly.broken, indexed)


@dataclass(slots=True)
class _Assembly:
    documents: Documents
    broken: bool = False

    def model(
        self, files: Sequence[_Asked], variables: Variables, base_dir: str, above: tuple[str, ...]
    ) -> Node | None:
        """These files as one manifest, with what they include.

        `base_dir` is where relative paths count from, if not from each file's directory; `above` are the files that
        include these.
        """
        extending = Extending(self.documents, variables)
        whole: Node | None = None
        included: list[Included] = []
        for path, asker in files:
            document = self.documents.document(path, base_dir or folder(path), variables, asker)
            self.broken |= document.broken
            root = document.root
            if root is None or root.is_null():
                continue
            document.filled(root)
            if root.kind != "map" and (len(files) > 1 or above):
                self.documents.note(
                    "wrong-type", f"a manifest must be a mapping, not {value_shown(root.data)}", root, ""
                )
                continue
            root = extending.document(document, root)
            included.extend(includes.entries(root, self.documents.problems))
            root = without(root, includes.KEY)
            whole = root if whole is None else merge_manifests(whole, root)
        chain = (*above, *(path for path, _ in files))
        for one in included:
            whole = self._with(whole, one, variables, chain)
        return whole

    def scope(self, variables: Variables, base_dir: str, files: Sequence[_Asked]) -> Variables | None:
        """The variables with those of these env files, or of the directory's `.env`; None if one is not there."""
        if not files:
            file = self.documents.env_file(joined(base_dir, ENV_FILE), variables, needed=False)
            return variables.with_files([file] if file else [])
        found: list[EnvFile] = []
        for path, asker in files:
            file = self.documents.env_file(path, variables.with_files(found), asker=asker, needed=True)
            if file is None:
                self.broken = True
                return None
            found.append(file)
        return variables.with_files(found)

    def _with(
        self, whole: Node | None, one: Included, variables: Variables, above: tuple[str, ...]
    ) -> Node | None:
        """A manifest with another one included."""
        files = [(one.path(node), node) for node in one.paths]
        for path, node in files:
            if path in above:
                circle = (*above[above.index(path) :], path)
                names = " → ".join(map(self.documents.shown, circle))
                self.documents.note(
                    "include-cycle", f"these manifests include each other: {names}", node, "take one out"
                )
                return whole
        if len(above) > MAX_NESTED:
            message = f"manifests include each other more than {MAX_NESTED} levels deep"
            self.documents.note("too-many-files", message, one.paths[0])
            return whole
        base_dir = one.path(one.directory) if one.directory else ""
        env_files = [(one.path(node), node) for node in one.env_files]
        within = self.scope(variables, base_dir or folder(files[0][0]), env_files)
        part = self.model(files, within, base_dir, above) if within else None
        if part is None or part.kind != "map":
            return whole
        if whole is None:
            whole = mapping(part, {})
        return includes.with_included(whole, part, self.documents.problems)
