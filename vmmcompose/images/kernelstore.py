"""The kernels in the store: put in, made the default, deleted."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmmcompose.errors import Refused, UsageError
from vmmcompose.host import locks, store
from vmmcompose.host.files import failed, remove_tree
from vmmcompose.images import publish
from vmmcompose.images.packages import Progress
from vmmcompose.images.uses import kernel_users
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths


@dataclass(frozen=True, slots=True)
class Parts:
    """What a kernel's folder is to hold; empty means that form is missing."""

    bzimage: bytes = b""
    vmlinux: bytes = b""
    initrd: bytes = b""
    config: bytes = b""
    """What it was built with; for people."""

    def named(self) -> list[tuple[str, bytes]]:
        """The parts that there are, by their file's name."""
        parts = (
            ("bzImage", self.bzimage),
            ("vmlinux", self.vmlinux),
            ("initrd", self.initrd),
            ("config", self.config),
        )
        return [(name, data) for name, data in parts if data]


def exists(paths: Paths, name: str) -> bool:
    """Whether there is a kernel of this name."""
    return name in store.list_kernels(paths)


def store_kernel(paths: Paths, name: str, parts: Parts, source: dict[str, Any]) -> Kernel:
    """Puts a kernel into the store; one of that name is replaced. The caller holds the lock `images`.

    Raises:
        HostError: it could not be written.
    """
    digests = {part: hashlib.sha256(data).hexdigest() for part, data in parts.named()}
    with publish.folder_replacing(paths.kernel(name)) as folder:
        for part, data in parts.named():
            (folder / part).write_bytes(data)
        (folder / store.KERNEL_INFO).write_bytes(publish.info_text({**source, "sha256": digests}))
        for file in folder.iterdir():
            file.chmod(0o644)
    make_default(paths, name)
    return store.list_kernels(paths)[name]


def make_default(paths: Paths, name: str) -> None:
    """`default` becomes a link to the first kernel imported; one that leads somewhere stays."""
    link = Path(paths.kernel("default"))
    if link.exists():
        return
    with publish.renamed_to(paths.kernel("default")) as temp:
        temp.symlink_to(name)


def set_default(paths: Paths, name: str, on_wait: Progress) -> None:
    """Makes `default` stand for a kernel. VMs that boot `default` have it from their next start on.

    Raises:
        UsageError: there is no such kernel.
        HostError: the store could not be written.
    """
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_wait):
        _require(paths, name)
        with publish.renamed_to(paths.kernel("default")) as temp:
            temp.symlink_to(name)


def delete_kernel(paths: Paths, name: str, on_wait: Progress) -> None:
    """Deletes a kernel that no VM boots; if it was the default, there is none until one is made it.

    Raises:
        UsageError: there is no such kernel.
        Refused: a VM boots it.
        HostError: it could not be deleted.
    """
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_wait):
        _require(paths, name)
        users = kernel_users(paths, name)
        if users:
            raise Refused(
                f"kernel {name} is booted by {', '.join(users)}; it was not deleted",
                hint="delete those VMs first, or give them another kernel",
            )
        if store.default_kernel(paths) == name:
            try:
                os.unlink(str(paths.kernel("default")))
            except OSError as error:
                raise failed("cannot delete the kernel `default`", error) from error
        remove_tree(paths.kernel(name))


def _require(paths: Paths, name: str) -> None:
    known = [one for one in store.list_kernels(paths) if one != "default"]
    if name not in known:
        hint = f"there are {', '.join(known)}" if known else "there are none"
        raise UsageError(f"there is no kernel {name!r}", hint=hint)
