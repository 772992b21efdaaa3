"""Host directory and "guest" directory on one machine: the guest's shell runs here, with the tools of one kind."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vmmcompose.host.sync.base import Base
from vmmcompose.host.sync.channel import Channel
from vmmcompose.host.sync.mirror import Mirror
from vmmcompose.host.sync.tree import Tree

SHELLS = ("busybox", "gnu")


def missing_shell(shell: str) -> str:
    """What is missing for a shell; empty when nothing is."""
    return "busybox is missing" if shell == "busybox" and shutil.which("busybox") is None else ""


class SyncLab:
    """Two folders and what keeps them in step."""

    def __init__(self, root: Path, shell: str) -> None:
        self.host = root / "host"
        self.guest = root / "guest"
        self.host.mkdir()
        self.guest.mkdir()
        self._tools = root / "tools"
        self._shell = shell
        self.base = Base()
        if shell == "busybox":
            self._tools.mkdir()
            applets = subprocess.run(("busybox", "--list"), capture_output=True, text=True, check=True).stdout
            for applet in applets.split():
                (self._tools / applet).symlink_to(shutil.which("busybox") or "")

    def argv(self, command: tuple[str, ...]) -> list[str]:
        """Runs a command as the guest would."""
        if self._shell == "busybox":
            return ["env", f"PATH={self._tools}", *command]
        return list(command)

    @contextmanager
    def mirror(self, *, two_way: bool = False, **tree: Any) -> Iterator[Mirror]:
        """A session."""
        with ExitStack() as stack:
            opened = stack.enter_context(Tree(str(self.host), **tree))
            channel = stack.enter_context(Channel(self.argv, str(self.guest), "web"))
            yield Mirror(opened, channel, self.base, "web", two_way=two_way)

    def leftovers(self) -> list[str]:
        """What is on its way, on either side."""
        return [str(path) for side in (self.host, self.guest) for path in side.rglob(".vmm-sync.*")]


def calm() -> None:
    """Lets files grow old enough for their times to tell the next change."""
    time.sleep(0.03)


def shown(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything that is carried: kind and mode, owner, content or target, whole seconds of a file's time."""
    found: dict[str, tuple[object, ...]] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        name = str(path.relative_to(folder))
        if name.startswith(".vmm-sync."):  # what is on its way
            continue
        owner = (status.st_mode, status.st_uid, status.st_gid)
        if path.is_symlink():
            found[name] = (owner, os.readlink(path))
        elif path.is_file():
            found[name] = (owner, path.read_bytes(), int(status.st_mtime))
        else:
            found[name] = (owner,)
    return found
