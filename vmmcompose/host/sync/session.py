"""One mount of one running VM, kept in step for as long as the session is open."""

from collections.abc import Collection
from contextlib import ExitStack, suppress
from shlex import quote
from typing import Self

from vmmcompose.errors import HostError
from vmmcompose.guest import syncscript
from vmmcompose.host.ssh import batch_argv, remote_line
from vmmcompose.host.sync.base import read_base, write_base
from vmmcompose.host.sync.channel import Channel, Failed
from vmmcompose.host.sync.mirror import Mirror
from vmmcompose.host.sync.tree import Tree, owner_of
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Differences, Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec


class Session:
    """A connection over which changes go. Not for several threads; several sessions of one mount do no harm."""

    def __init__(self, paths: Paths, spec: VmSpec, mount: Mount) -> None:
        self._paths = paths
        self._spec = spec
        self._mount = mount
        self._base_file = paths.mount_base(spec.name, mount.tag)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Connects.

        Raises:
            HostUnfit: there is no ssh client, or the kernel is too old.
            HostError: the directory cannot be read, the guest does not answer, or has not mounted it.
        """
        mount, spec = self._mount, self._spec
        with ExitStack() as stack:
            tree = stack.enter_context(self._tree())
            self.channel = stack.enter_context(Channel(self._argv, mount.place, spec.vm))
            self._base = read_base(self._base_file)
            self._mirror = self._meet(tree)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with suppress(HostError):  # the next session finds out by itself
                self.keep()
        finally:
            self._stack.close()

    def full(self) -> Report:
        """Compares both sides, then transfers what differs.

        The host's side counts; of the guest's own files only those go that the host had and deleted. With `two-way` the
        guest's changes come over as well, and a file that both changed is kept twice: the host's as it is, the
        guest's as `NAME.VM.vmm-conflict` beside it on the host.

        Raises:
            HostError: the directory cannot be read, the guest cannot take it, or the connection is gone.
        """
        report = self._mirror.full()
        self.keep()
        return report

    def push(self, changed: Collection[str]) -> Report:
        """As `full` for paths, relative to the directory, that may have changed on the host, or gone.

        A folder stands for what is right in it, and one that is new for all it holds. What it costs does not depend
        on how much else there is. The first push of a session is a `full`.

        Raises:
            HostError: as `full`.
        """
        return self._mirror.push(changed)

    def pull(self, *, force: bool = False) -> Report:
        """Brings the guest's changes to the host. What the host changed too stays, unless `force` is given.

        Raises:
            HostError: as `full`, or what the guest sent is not what it was asked for.
        """
        report = self._mirror.pull(force=force)
        self.keep()
        return report

    def diff(self) -> Differences:
        """What differs, and who changed it. Raises as `full`."""
        return self._mirror.diff()

    def keep(self) -> None:
        """Remembers what is in step beyond this session. What was sent and is forgotten would be the guest's own.

        What the guest might still lose in a crash must not be remembered as being there, as it would seem deleted: the
        guest writes everything to its disk before that.

        Raises:
            HostError: it cannot, or the connection is gone.
        """
        if not self._base.changed:
            return
        self.channel.ask(syncscript.FLUSH)
        write_base(self._base_file, self._base.entries)
        self._base.changed = False

    def _tree(self) -> Tree:
        """The host's side."""
        return Tree(self._mount.source, self._mount.ignore, owner_of(self._mount))

    def _meet(self, tree: Tree) -> Mirror:
        """What compares both sides, once the guest's is there."""
        self._require_mounted()
        two_way = self._mount.sync == "two-way"
        return Mirror(tree, self.channel, self._base, self._spec.vm, two_way=two_way)

    def _argv(self, command: tuple[str, ...]) -> list[str]:
        return batch_argv(self._paths, self._spec, remote_line(self._spec, command))

    def _require_mounted(self) -> None:
        try:
            self.channel.ask(syncscript.is_mounted(self._mount.place))
        except Failed as error:
            raise HostError(
                f"VM {self._spec.vm}: the guest has not mounted {self._mount.place}",
                hint=f"vmm exec {self._spec.vm} -- mount {quote(self._mount.place)}",
            ) from error
