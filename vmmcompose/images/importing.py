"""Images of others become images of the store: from an engine, an archive of images, or a root filesystem in a file."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.host import locks, store
from vmmcompose.host.files import failed, remove_tree
from vmmcompose.host.stored import leftovers
from vmmcompose.images import engine as engines
from vmmcompose.images import oci, publish
from vmmcompose.images.allowance import allowance
from vmmcompose.images.equip import INITS, equip
from vmmcompose.images.imagefile import publish_tree
from vmmcompose.images.layers import apply_layers, unpack_tar
from vmmcompose.images.packages import Progress
from vmmcompose.images.rootfsfile import (
    START,
    drop_devices,
    form_of,
    form_of_start,
    publish_file,
    unpack_squashfs,
)
from vmmcompose.images.streams import decompressed
from vmmcompose.model.observed import Image
from vmmcompose.model.paths import Paths

SLACK_MIB = 64
"""Free space in an image beside what its tree needs; a VM's own disk grows to the size the VM asks for."""
_CONFIG = ("Env", "Entrypoint", "Cmd", "User", "WorkingDir", "ExposedPorts")
"""What is kept in the sidecar. It is told, and nothing of it is run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the image shall be."""

    name: str
    size_mib: int = 0
    """The whole size; 0 for what is needed."""
    init: str = "auto"
    force: bool = False
    """Replace an image of that name."""


def import_from_engine(
    paths: Paths, reference: str, engine: str, wanted: Wanted, on_progress: Progress
) -> Image:
    """Makes an image of what docker or podman calls `reference`.

    Args:
        paths: where the store lies.
        reference: the image; the engine pulls it where it is missing.
        engine: `docker` or `podman`; empty for whichever answers.
        wanted: name, size and init.
        on_progress: told about everything that takes long.

    Raises:
        UsageError: the name or the init system will not do.
        HostUnfit: not root, or no engine.
        HostError: the engine failed, the image is hostile or too large, or the disk is full.
    """
    if not reference or reference.startswith("-"):
        raise UsageError(f"{reference!r} is no name of an image", hint="such as debian:12")

    def fill(work: Path, tree: Path) -> dict[str, Any]:
        chosen = engines.find_engine(engine)
        with engines.exported(chosen, reference, str(paths.root), on_progress) as image:
            if image.machine not in ("", oci.architecture()):
                raise HostUnfit(
                    f"{reference} is for {image.machine}; this machine is {oci.architecture()}",
                    hint=f"{chosen} pull --platform linux/{oci.architecture()} {reference}",
                )
            on_progress("unpacking its files")
            limit = allowance(work, wanted.size_mib)
            _tell_left_out(unpack_tar(image.files, reference, tree, limit), on_progress)
        with suppress(FileNotFoundError):
            (tree / ".dockerenv").unlink()  # with it systemd takes the guest for a container
        return {"source": f"{chosen}: {reference}", "image_id": image.digest, **_config(image.config)}

    return _make(paths, wanted, on_progress, fill)


def import_archive(paths: Paths, file: Path, reference: str, wanted: Wanted, on_progress: Progress) -> Image:
    """Makes an image of one that `docker save` wrote, or of an OCI layout in a tar or a folder.

    `reference` chooses among several; see `import_from_engine` for the rest.
    """

    def fill(work: Path, tree: Path) -> dict[str, Any]:
        limit = allowance(work, wanted.size_mib)
        with oci.opened(file, work, limit) as archive:
            image = oci.find_image(archive, reference, file.name)
            _tell_left_out(apply_layers(list(image.layers), tree, limit, on_progress), on_progress)
        named = f" ({image.reference})" if image.reference else ""
        return {"source": f"{file.absolute()}{named}", **_config(image.config)}

    return _make(paths, wanted, on_progress, fill)


def import_rootfs(paths: Paths, file: Path, wanted: Wanted, on_progress: Progress) -> Image:
    """Makes an image of a root filesystem: ext4, squashfs, or a tar, as it is or compressed; told by its content.

    An ext4 is taken as it is; see `import_from_engine` for the rest.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {file}", hint="--rootfs wants an ext4, a squashfs or a tar")
    form, inner = form_of(file), _inner_form(file)
    if inner == "ext4":
        return _import_ext4(paths, file, wanted, on_progress)

    def fill(work: Path, tree: Path) -> dict[str, Any]:
        on_progress(f"unpacking {file.name}")
        if form == "squashfs":
            tree.rmdir()
            unpack_squashfs(file, tree, on_progress)
            _tell_left_out(drop_devices(tree), on_progress)
        else:
            limit = allowance(work, wanted.size_mib)
            with _reading(file) as opened:
                _tell_left_out(unpack_tar(opened, file.name, tree, limit), on_progress)
        return {"source": str(file.absolute())}

    if inner == "squashfs" and form != "squashfs":
        raise UsageError(f"{file.name} is a compressed squashfs", hint="decompress it first")
    return _make(paths, wanted, on_progress, fill)


def _import_ext4(paths: Paths, file: Path, wanted: Wanted, on_progress: Progress) -> Image:
    if wanted.init not in ("auto", "none") or wanted.size_mib:
        option = "--size" if wanted.init in ("auto", "none") else "--init"
        raise UsageError(
            f"{option} does not go with {file.name}: an ext4 is taken as it is",
            hint="give its files as a tar: mount it and run `tar -C DIR --xattrs -cf FILE.tar .`",
        )
    with _store_open(paths, wanted, on_progress) as existing:
        if existing:
            return existing
        with publish.scratch(paths.image(wanted.name)) as work:
            fields = {"source": str(file.absolute())}
            on_progress(f"copying {file.name}")
            publish_file(paths, wanted.name, file, work, fields, on_progress)
    return store.list_images(paths)[wanted.name]


def _inner_form(file: Path) -> str:
    """What a file is, or what is compressed in it."""
    with _reading(file) as opened, decompressed(opened, file.name) as content:
        return form_of_start(content.read(START))


@contextmanager
def _reading(file: Path) -> Iterator[IO[bytes]]:
    try:
        with file.open("rb") as opened:
            yield opened
    except OSError as error:
        raise failed(f"cannot read {file}", error) from error


def _make(
    paths: Paths, wanted: Wanted, on_progress: Progress, fill: Callable[[Path, Path], Mapping[str, Any]]
) -> Image:
    with _store_open(paths, wanted, on_progress) as existing:
        if existing:
            return existing
        with publish.scratch(paths.image(wanted.name)) as work:
            tree = work / "tree"
            tree.mkdir(mode=0o755)
            fields = fill(work, tree)
            packages = equip(tree, wanted.init, work, on_progress)
            on_progress(f"making {wanted.name}.ext4")
            fields = {**fields, "packages": packages} if packages else fields
            publish_tree(paths, wanted.name, tree, fields, slack_mib=SLACK_MIB, size_mib=wanted.size_mib)
    return store.list_images(paths)[wanted.name]


@contextmanager
def _store_open(paths: Paths, wanted: Wanted, on_progress: Progress) -> Iterator[Image | None]:
    """The store, locked; gives the image of that name where it is to be left alone."""
    publish.check_name(wanted.name)
    if wanted.init not in INITS:
        raise UsageError(f"{wanted.init!r} is no init system", hint=f"one of {', '.join(INITS)}")
    if os.geteuid() != 0:
        raise HostUnfit(
            f"importing the image {wanted.name} needs root, so that its files keep their owners",
            hint="run it with sudo",
        )
    publish.prepare(paths)
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_progress):
        _sweep(paths)
        existing = store.list_images(paths).get(wanted.name)
        if existing and existing.digest and not wanted.force:
            on_progress(f"image {wanted.name} is in the store already; --force replaces it")
            yield existing
        else:
            yield None


def _sweep(paths: Paths) -> None:
    """Removes what an interrupted command left in the store of images."""
    for path in leftovers(paths):
        if Path(path).parent == Path(paths.rootfs()):
            with suppress(HostError):
                remove_tree(path)


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: config[key] for key in _CONFIG if config.get(key)}
    return {"config": kept} if kept else {}


def _tell_left_out(count: int, on_progress: Progress) -> None:
    if count:
        on_progress(f"{count} devices and pipes are left out: a guest's /dev is made by its kernel")
