"""A mounted directory on the host, looked at and read; no link in it is ever followed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from vmmcompose.errors import HostError
from vmmcompose.guest.ignoring import FILE, Rules
from vmmcompose.guest.listing import Entry
from vmmcompose.guest.packed import Packed
from vmmcompose.host.files import failed
from vmmcompose.host.inroot import FOLDER, open_strictly
from vmmcompose.model.desired import Mount

_YOUNG_NS = 20_000_000
"""A file changed so shortly before it is looked at may change again and show the same times: the kernel's clock for
them ticks every 10 ms at most."""
_RULES_LIMIT = 1 << 20


class Tree:
    """One directory. `owner` (uid, gid) is shown for everybody's files where it is given."""

    def __init__(
        self, source: str, patterns: tuple[str, ...] = (), owner: tuple[int, int] | None = None
    ) -> None:
        self._named = source
        self.only: tuple[str, ...] | None = None
        """The only paths there can be; None for whatever lies in the directory."""
        self._patterns = patterns
        self._owner = owner
        self.source, self.root = self._open()
        self.rules = Rules(())
        try:
            self.read_rules()
        except BaseException:
            os.close(self.root)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.root)

    def _open(self) -> tuple[str, int]:
        source = os.path.realpath(self._named)
        try:
            return source, os.open(source, FOLDER)
        except OSError as error:
            raise failed(f"cannot read the directory {source}", error) from error

    def renew(self) -> None:
        """Looks again which directory has the name, and what is ignored in it.

        Raises:
            HostError: there is none, it cannot be read, or its own patterns are none.
        """
        self.source, opened = self._open()
        os.dup2(opened, self.root, inheritable=False)
        os.close(opened)
        self.read_rules()

    def read_rules(self) -> None:
        """Takes the patterns of the directory's own file anew; those of the manifest come after and win.

        Raises:
            HostError: they cannot be read, or are none.
        """
        lines: list[str] = []
        try:
            with self.opened(FILE) as file, open(file, "rb", closefd=False) as stream:
                lines = stream.read(_RULES_LIMIT).decode("utf-8", "surrogateescape").splitlines()
        except FileNotFoundError:
            pass
        except OSError as error:
            raise failed(f"cannot read {self.source}/{FILE}", error) from error
        try:
            self.rules = Rules((*lines, *self._patterns))
        except ValueError as error:
            raise HostError(f"{self.source}: a pattern of what to ignore is wrong: {error}") from error

    def scan(self, top: str = "", *, deep: bool = True) -> Packed:
        """What lies below a folder, but for what is ignored and what vanishes meanwhile.

        Raises:
            HostError: the directory, or a folder in it, cannot be read.
        """
        found = Packed()
        pending = [top]
        while pending:
            above = pending.pop()
            try:
                with os.scandir(f"{self.source}/{above}") as entries:
                    listed = list(entries)
            except (FileNotFoundError, NotADirectoryError) as error:
                if not above:
                    raise failed(f"cannot read the directory {self.source}", error) from error
                continue
            except OSError as error:
                raise failed(f"cannot read the directory {self.source}/{above}", error) from error
            for item in listed:
                path = f"{above}/{item.name}" if above else item.name
                entry = self._look(item, path)
                if entry is None:
                    continue
                found.put(path, entry)
                if entry.is_folder and deep:
                    pending.append(path)
        return found

    def _look(self, item: os.DirEntry[str], path: str) -> Entry | None:
        try:
            if self.rules.ignores(path, folder=item.is_dir(follow_symlinks=False)):
                return None
            status = item.stat(follow_symlinks=False)
            target = os.readlink(item.path) if stat.S_ISLNK(status.st_mode) else ""
        except OSError:
            return None
        return self._entry(status, target)

    def look(self, path: str) -> Entry | None:
        """One path; None where nothing is, or a link is on the way."""
        above, _, name = path.rpartition("/")
        try:
            with self.folder(above) as folder:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else ""
        except OSError:
            return None
        return self._entry(status, target)

    def as_opened(self, descriptor: int) -> Entry:
        """An open file."""
        return self._entry(os.fstat(descriptor), "")

    def _entry(self, status: os.stat_result, target: str) -> Entry:
        uid, gid = self._owner or (status.st_uid, status.st_gid)
        return Entry(
            mode=status.st_mode,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            uid=uid,
            gid=gid,
            target=target,
            inode=status.st_ino,
            ctime_ns=status.st_ctime_ns,
        )

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """A descriptor of a folder. Raises OSError where there is none, or a link is on the way."""
        descriptor = open_strictly(self.root, os.fsencode(path), FOLDER)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor of a file to read. Raises OSError where there is none, or a link is on the way."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = open_strictly(self.root, os.fsencode(path), flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def settled(entry: Entry, looked_ns: int) -> Entry:
    """An entry to compare later looks with; one that was too young to tell when it was looked at says so."""
    if entry.is_file and looked_ns - entry.ctime_ns < _YOUNG_NS:
        return entry._replace(ctime_ns=0)
    return entry


def owner_of(mount: Mount) -> tuple[int, int] | None:
    """(uid, gid) of everything in the guest; None where it is as on the host."""
    uid, _, gid = mount.owner.partition(":")
    return (int(uid), int(gid)) if mount.owner else None
