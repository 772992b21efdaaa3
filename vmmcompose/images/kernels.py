"""Kernels into the store: from the distribution's cloud kernel package, or from files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.host import locks, store
from vmmcompose.images import bzimage, initrd, kernelfile, kernelstore, packages, publish
from vmmcompose.images.compression import decompress_payload
from vmmcompose.images.packages import Progress
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths

_META_PACKAGE = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}
_VERSIONED = re.compile(r"linux-(image|modules)(-unsigned)?-[0-9]")
BUSYBOX = "busybox-static"


def import_package(
    paths: Paths,
    on_progress: Progress,
    *,
    package: str = "",
    name: str = "",
    modules: Sequence[str] = (),
    force: bool = False,
) -> Kernel:
    """Fetches a distribution's kernel package without installing it and puts its kernel into the store.

    A kernel of that name that is there already is left alone unless `force`.

    Args:
        paths: where the store lies.
        on_progress: told about everything that takes long.
        package: which package; empty for the distribution's small kernel for virtual machines.
        name: what to call it; empty for the kernel's own version.
        modules: names of further modules that the initrd is to load.
        force: replace a kernel of that name.

    Raises:
        HostUnfit: this is neither Debian nor Ubuntu, or a tool is missing.
        HostError: the package could not be fetched, or holds no kernel.
    """
    if name:
        publish.check_name(name)
    found = packages.with_dependencies([package or default_package()], on_progress, _is_versioned)
    versioned = [item for item in found if _is_versioned(item)] or list(found)
    image = next((item for item in versioned if "-image-" in item), versioned[0])
    name = name or publish.check_name(re.sub(r"^linux-image-(unsigned-)?", "", image))
    publish.prepare(paths)
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_progress):
        if not force and kernelstore.exists(paths, name):
            on_progress(f"kernel {name} is in the store already")
            kernelstore.make_default(paths, name)
            return store.list_kernels(paths)[name]
        source = {"source": f"package {image}", "version": found[image].get("Version", "")}
        with publish.scratch(paths.kernel(name)) as work:
            parts = _parts_of_packages(versioned, modules, work, on_progress)
            return kernelstore.store_kernel(paths, name, parts, source)


def import_file(
    paths: Paths,
    file: Path,
    on_progress: Progress,
    *,
    initrd_file: Path | None = None,
    name: str = "",
    force: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Kernel:
    """Puts a kernel file into the store, see `kernelfile`, and an initrd.

    From a bzImage the ELF form is extracted where its compression is known and the tool for it is installed.
    `origin` is what `kernel.json` says instead of the file's path: `source`, `version` and whatever else.

    Raises:
        UsageError: the file is no kernel, or the name is taken.
        HostError: a file could not be read or written.
    """
    name = publish.check_name(name or file.name)
    parts = kernelfile.parts_of_file(
        _read(file), file, _read(initrd_file) if initrd_file else b"", on_progress
    )
    publish.prepare(paths)
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_progress):
        if not force and kernelstore.exists(paths, name):
            raise UsageError(f"there is a kernel {name} already", hint="choose another --name, or --force")
        known = {"source": str(file.absolute()), "version": "", **(origin or {})}
        return kernelstore.store_kernel(paths, name, parts, known)


def busybox_program(work: Path, on_progress: Progress) -> Path:
    """A static busybox, unpacked from its package below `work`.

    Raises:
        HostError: it could not be fetched.
    """
    target = work / "busybox"
    packages.unpack(packages.fetch([BUSYBOX], work, on_progress), target)
    for path in ("usr/bin/busybox", "bin/busybox"):
        if (target / path).is_file():
            return target / path
    raise HostError(f"the package {BUSYBOX} holds no busybox")


def _is_versioned(name: str) -> bool:
    return _VERSIONED.match(name) is not None


def default_package() -> str:
    """The distribution's small kernel for virtual machines.

    Raises:
        HostUnfit: this is neither Debian nor Ubuntu.
    """
    system = packages.distribution()
    for candidate in (system.get("ID", ""), *system.get("ID_LIKE", "").split()):
        if candidate in _META_PACKAGE:
            return _META_PACKAGE[candidate]
    label = system.get("PRETTY_NAME", "this system")
    hint = "import a kernel file instead: vmm kernel import PATH --initrd PATH"
    raise HostUnfit(f"{label} is neither Debian nor Ubuntu, so it has no kernel package to fetch", hint=hint)


def _parts_of_packages(
    names: Sequence[str], modules: Sequence[str], work: Path, on_progress: Progress
) -> kernelstore.Parts:
    tree = work / "kernel"
    packages.unpack(packages.fetch(names, work, on_progress), tree)
    image = next(iter(sorted(tree.glob("boot/vmlinuz-*"))), None)
    if image is None:
        raise HostError(f"no kernel lies in {', '.join(names)}")
    version = image.name.removeprefix("vmlinuz-")
    found = [tree / where / version for where in ("usr/lib/modules", "lib/modules")]
    modules_dir = next((folder for folder in found if folder.is_dir()), None)
    if modules_dir is None:
        raise HostError(f"no modules for {version} lie in {', '.join(names)}")
    busybox = busybox_program(work, on_progress).read_bytes()
    on_progress(f"making the initrd and the ELF form of {version}")
    data = image.read_bytes()
    payload = bzimage.payload(data)
    if payload is None:
        raise HostError(f"{image.name} is no bzImage with a known compression")
    return kernelstore.Parts(data, decompress_payload(payload), initrd.build(modules_dir, busybox, modules))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise HostError(f"cannot read {file}: {error.strerror}") from error
