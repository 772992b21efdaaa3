"""Which of a kernel's modules an initrd needs, and in which order they are loaded.

A Debian kernel package has no `modules.dep` (its post-installation script makes it), so the dependencies are
read where depmod reads them: from the `.modinfo` section of each module, `key=value` strings with NUL between
(include/linux/moduleparam.h).
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


def module_name(path: str) -> str:
    """A module file's name as the kernel calls it; empty for a file that is no module."""
    file = PurePosixPath(path).name
    for suffix in _SUFFIXES:
        if file.endswith(suffix):
            return file.removesuffix(suffix).replace("-", "_")
    return ""


def depends(module: bytes) -> tuple[str, ...]:
    """Names of the modules that an uncompressed module needs, as `modinfo -F depends` shows them."""
    marker = b"\0depends="
    start = module.find(marker)
    if start < 0:
        return ()
    start += len(marker)
    value = module[start : module.index(b"\0", start)].decode("ascii", "replace")
    return tuple(name.replace("-", "_") for name in value.split(",") if name)


def load_order(
    wanted: Iterable[str], files: Mapping[str, str], read: Callable[[str], bytes]
) -> list[tuple[str, bytes]]:
    """(name, content) of the wanted modules and what they need, each after its needs.

    `files` maps a module's name to its path and `read` gives a path's uncompressed content. What is not among
    them is built into the kernel or does not exist there, and is left out.
    """
    order: list[tuple[str, bytes]] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen or name not in files:
            return
        seen.add(name)
        content = read(files[name])
        for need in depends(content):
            add(need)
        order.append((name, content))

    for name in wanted:
        add(name)
    return order
