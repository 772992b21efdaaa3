"""Paths of the host and of the guest, joined and checked as text: nothing is looked up."""

from collections.abc import Iterator

from vmmcompose.manifest.report import BadValueError, has_control, quoted, shown
from vmmcompose.manifest.values import store_name

_SPECIAL = frozenset(("/dev", "/proc", "/sys"))


def normalised(path: str) -> str:
    """An absolute path without `.`, `..` and doubled slashes."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def host_path(text: str, base_dir: str) -> str:
    """The absolute path of a file or directory of the host; a relative one counts from `base_dir`.

    Raises:
        BadValueError: it is empty, needs a shell to read it, or holds control characters.
    """
    if not text.strip():
        raise BadValueError("path", "has an empty path")
    if text.startswith("~"):
        raise BadValueError(
            "path", f"begins with `~`, which vmm does not expand: {quoted(text)}", "write the path out"
        )
    if has_control(text):
        raise BadValueError("path", "holds a line break or another control character")
    if len(text.encode()) > 4000:
        raise BadValueError("path", "is longer than Linux allows")
    return normalised(text if text.startswith("/") else f"{base_dir}/{text}")


def store_item(text: str, base_dir: str) -> str:
    """An image or a kernel: a name in the store, or the absolute path of a file.

    Raises:
        BadValueError: neither.
    """
    if text.startswith(("/", "./", "../", "~")):
        return host_path(text, base_dir)
    return store_name(text)


def own_path(text: str, base_dir: str, code: str, hint: str) -> str:
    """The absolute path of what is to be mounted or watched.

    Raises:
        BadValueError: no path, or one of the system's that is not for that.
    """
    path = host_path(text, base_dir)
    if path == "/" or _below(path, _SPECIAL):
        raise BadValueError(code, f"must not be {quoted(path)}", hint)
    return path


def guest_path(text: str, taken: frozenset[str]) -> str:
    """Where a file goes in the guest; `taken` are the places of the VM's mounts and volumes.

    Raises:
        BadValueError: not an absolute, plain path, or one where a file would not be seen.
    """
    if _plain(text, "guest-path") == "/":
        raise BadValueError("guest-path", "must name a file, not `/`")
    hidden = _below(text, _SPECIAL) or _below(text, taken)
    if hidden:
        raise BadValueError(
            "guest-path", f"must not be in `{hidden}`", "something else is mounted there in the guest"
        )
    return text


def target(text: str, code: str) -> str:
    """Where a volume or a mount is in the guest.

    Raises:
        BadValueError: not an absolute, plain path, or one that the guest needs for itself.
    """
    if _plain(text, code, "target") == "/" or _below(text, _SPECIAL):
        hint = "choose a directory of its own, for example `/var/lib/data`"
        raise BadValueError(code, f"must not be at {quoted(text)}", hint, inside="target")
    return text


class Places:
    """Where a guest has something mounted: nothing may lie at or below another's place, one would hide the other."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._inside: dict[str, str] = {}

    def take(self, path: str, words: str) -> str:
        """Takes a place; in words what it overlaps, empty where it is free."""
        above = next((folder for folder in enclosing(path) if folder in self._places), None)
        other = self._inside.get(path) or above
        self._places.setdefault(path, words)
        for folder in enclosing(path):
            self._inside.setdefault(folder, path)
        return f"overlaps {self._places[other]} at {quoted(other)}" if other is not None else ""


def enclosing(path: str) -> Iterator[str]:
    """A plain path, and every folder that it is in but `/`."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _plain(text: str, code: str, inside: str = "") -> str:
    if has_control(text) or '"' in text or "\\" in text:
        raise BadValueError(code, 'must not hold `"`, `\\` or control characters', inside=inside)
    if not text.startswith("/"):
        hint = f"did you mean `{normalised(text)}`?"
        raise BadValueError(code, f"must be an absolute path, not {shown(text)}", hint, inside=inside)
    plain = normalised(text)
    if plain != text:
        raise BadValueError(
            code, f"must be a plain path, not {quoted(text)}", f"write `{plain}`", inside=inside
        )
    if len(text.encode()) > 4000 or max(len(part.encode()) for part in text.split("/")) > 255:
        raise BadValueError(code, "is longer than Linux allows", inside=inside)
    return plain


def _below(path: str, folders: frozenset[str]) -> str:
    return next((folder for folder in enclosing(path) if folder in folders), "")
