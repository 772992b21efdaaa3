"""File trees that become images: our own files and links, put into a tree that packages have filled."""

from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

from vmmcompose.errors import HostError

_SCRIPT = b"#!"


def install_data(name: str, tree: Path) -> None:
    """Copies our files for the image `name` into its tree, over what is there.

    A Python package loses the executable bit on its way, so a script is told by its first line.

    Raises:
        HostError: the system refused.
    """
    with as_file(files("vmmcompose.images").joinpath(f"data/{name}")) as data:
        for source in sorted(path for path in data.rglob("*") if path.is_file()):
            content = source.read_bytes()
            put(tree / source.relative_to(data), content, 0o755 if content.startswith(_SCRIPT) else 0o644)


def refuse_links(tree: Path, name: str, more: Iterable[str] = ()) -> None:
    """Makes sure that no folder on the way to our files for the image `name`, or to `more`, is a link.

    In a tree from elsewhere such a link could lead out of it, to the host's own folders.

    Raises:
        HostError: one is.
    """
    with as_file(files("vmmcompose.images").joinpath(f"data/{name}")) as data:
        ours = [str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()]
    for path in (*ours, *more):
        for folder in Path(path).parents:
            if (tree / folder).is_symlink():
                raise HostError(
                    f"/{folder} in this root filesystem is a link",
                    hint="import a file whose folders are real",
                )


def put(target: Path, content: bytes, mode: int) -> None:
    """Writes a file of a tree; a link of that name is replaced and not followed.

    Raises:
        HostError: the system refused.
    """
    try:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(content)
        target.chmod(mode)
    except OSError as error:
        raise HostError(f"cannot write {target}: {error.strerror}") from error


def put_links(tree: Path, links: Iterable[tuple[str, str]]) -> None:
    """Makes symbolic links, given by their path in the tree and their target; what has the name is replaced.

    Raises:
        HostError: the system refused.
    """
    for name, target in links:
        link = tree / name
        try:
            link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        except OSError as error:
            raise HostError(f"cannot link {link}: {error.strerror}") from error
