"""A mount of a VM that is stopped: its image is read, not mounted, and what comes of it is landed as from a guest."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Self

from vmmcompose.errors import HostError
from vmmcompose.guest.listing import Listing, differences
from vmmcompose.host import e2fs
from vmmcompose.host.imagetree import ImageTree
from vmmcompose.host.sync.base import Base, read_base, write_base
from vmmcompose.host.sync.fetching import Fetched, require_room
from vmmcompose.host.sync.pulling import Puller
from vmmcompose.host.sync.tree import Tree, owner_of
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Differences, Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec


class StoppedMount:
    """What `Session` does for a running guest, as far as a stopped one can: `diff` and `pull`.

    The image's lock is held, so that the VM does not start meanwhile.
    """

    def __init__(self, paths: Paths, spec: VmSpec, mount: Mount) -> None:
        self._paths = paths
        self._spec = spec
        self._mount = mount
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Opens both sides; what the guest's journal holds is put in its place first, as at a start.

        Raises:
            HostError: the directory or the image cannot be read.
        """
        mount, name = self._mount, self._spec.name
        image = self._paths.mount(name, mount.tag)
        if not os.path.exists(image):
            raise HostError(
                f"VM {self._spec.vm}: mount {mount.tag} has no image yet",
                hint=f"vmm start {self._spec.vm} makes it",
            )
        with ExitStack() as stack:
            tree = Tree(os.path.realpath(mount.source), mount.ignore, owner_of(mount))
            self._tree = stack.enter_context(tree)
            e2fs.recover(image, stack.enter_context(e2fs.locked(image)))
            self._image = ImageTree(image)
            self._base = read_base(self._paths.mount_base(name, mount.tag))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def diff(self) -> Differences:
        """What differs, and who changed it.

        Raises:
            HostError: the directory or the image cannot be read.
        """
        host, guest = self._tree.scan(), self._guest()
        return differences(host, guest, self._base.entries, exact=False, sure=False)

    def pull(self, *, force: bool = False) -> Report:
        """Brings what the guest changed to the host; what the host changed too stays, unless `force` is given.

        Raises:
            HostError: the image cannot be read, or the directory not written to.
        """
        guest = self._guest()
        found = differences(self._tree.scan(), guest, self._base.entries, exact=False)
        puller = _ImagePuller(self._tree, self._base, self._spec.vm, self._image)
        report = puller.pull(found, guest, force=force)
        write_base(self._paths.mount_base(self._spec.name, self._mount.tag), self._base.entries)
        return report

    def _guest(self) -> Listing:
        rules = self._tree.rules
        return {
            path: entry
            for path, entry in self._image.scan().items()
            if not rules.ignores(path, folder=entry.is_folder) and not rules.ignores_above(path)
        }


class _ImagePuller(Puller):
    """Takes files out of an image."""

    def __init__(self, tree: Tree, base: Base, vm: str, image: ImageTree) -> None:
        super().__init__(tree, None, base, vm)
        self._image = image

    def _fetch(self, files: Listing, names: Mapping[str, str], fetched: Fetched) -> None:
        require_room(self._landing, files)
        for path, entry in files.items():
            try:
                pieces = _Pieces(self._image.content(path, entry.size))
                why = self._landing.put_file(names.get(path, path), entry, pieces, entry.size)
            except HostError as error:
                why = error.message
            if why:
                fetched.skipped[path] = why
                continue
            fetched.done[path] = entry
            fetched.bytes += entry.size


class _Pieces:
    """A stream of bytes, in pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._rest) < size:
            self._rest += next(self._pieces)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
