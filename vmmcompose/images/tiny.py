"""The file tree of the image `tiny`: busybox, dropbear with its libraries, and the scripts in data/tiny."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.images import elf, packages
from vmmcompose.images.kernels import busybox_program
from vmmcompose.images.packages import Progress
from vmmcompose.images.trees import install_data, put_links

_SSH = "dropbear-bin"
_PROGRAMS = ("usr/sbin/dropbear", "usr/bin/dropbearconvert", "usr/bin/dropbearkey")
_FOLDERS = (
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc/profile.d", 0o755),
    ("etc/ssh", 0o755),
    ("home", 0o755),
    ("lib", 0o755),
    ("lib64", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("root/.ssh", 0o700),
    ("run", 0o755),
    ("srv/www", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
)
_LINKS = (
    ("sbin", "bin"),
    ("usr/bin", "../bin"),
    ("usr/sbin", "../bin"),
    ("usr/lib", "../lib"),
    ("var/run", "../run"),
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The programs, unpacked."""

    busybox: Path
    """Static."""
    applets: tuple[str, ...]
    """What busybox can be called."""
    programs: tuple[Path, ...]
    """The SSH server and its tools for keys."""
    libraries: Mapping[str, Path]
    """What those need, by name, directly or not."""
    loader: Path
    """The dynamic linker that starts them."""
    versions: dict[str, str]


def make_tree(tree: Path, work: Path, on_progress: Progress) -> dict[str, str]:
    """Fills `tree`; packages are fetched and unpacked below `work`. Gives package names with versions.

    Raises:
        HostError: a package could not be fetched or does not hold what it should.
    """
    parts = fetch_parts(work, on_progress)
    _make_skeleton(tree)
    _install(parts.busybox, tree / "bin/busybox")
    put_links(tree, ((f"bin/{applet}", "busybox") for applet in parts.applets))
    for program in parts.programs:
        _install(program, tree / "bin" / program.name)
    for name, library in parts.libraries.items():
        _install(library, tree / "lib" / name)
    _install(parts.loader, tree / elf.interpreter(parts.programs[0].read_bytes()).lstrip("/"))
    install_data("any", tree)
    install_data("tiny", tree)
    return parts.versions


def fetch_parts(work: Path, on_progress: Progress) -> Parts:
    """Fetches and unpacks busybox and the SSH server below `work`.

    Raises:
        HostError: a package could not be fetched or does not hold what it should.
    """
    busybox = busybox_program(work, on_progress)
    found = packages.with_dependencies([_SSH], on_progress, _is_library)
    unpacked = work / "ssh"
    packages.unpack(packages.fetch(sorted(found), work, on_progress), unpacked)
    applets = packages.run((str(busybox), "--list"), "list busybox's applets").decode().split()
    available = {file.name: file for file in sorted(unpacked.rglob("*.so*")) if file.exists()}
    start = [(unpacked / program).read_bytes() for program in _PROGRAMS]
    return Parts(
        busybox=busybox,
        applets=tuple(sorted({*applets} - {"busybox"})),
        programs=tuple(unpacked / program for program in _PROGRAMS),
        libraries={name: available[name] for name in _closure(start, available)},
        loader=available[Path(elf.interpreter(start[0])).name],
        versions={name: fields.get("Version", "") for name, fields in found.items()},
    )


def _is_library(package: str) -> bool:
    return package.startswith(("lib", "zlib"))


def _make_skeleton(tree: Path) -> None:
    tree.mkdir(mode=0o755)
    for name, mode in _FOLDERS:
        folder = tree / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    put_links(tree, _LINKS)


def _closure(programs: list[bytes], available: dict[str, Path]) -> Iterator[str]:
    queue = [name for program in programs for name in elf.needed(program)]
    seen: set[str] = set()
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in available:
            raise HostError(f"no package that {_SSH} depends on holds {name}")
        queue += elf.needed(available[name].read_bytes())
        yield name


def _install(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
        target.chmod(0o755)
    except OSError as error:
        raise HostError(f"cannot install {source.name}: {error.strerror}") from error
