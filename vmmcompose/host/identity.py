"""Who called `vmm`, also through sudo, and doing file work as that user.

What lies in a user's home is read and written as that user: a link they planted leads root nowhere, and what is
made there belongs to them.
"""

import os
import pwd
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from vmmcompose.errors import HostError


@dataclass(frozen=True, slots=True)
class User:
    """A user of this host."""

    name: str
    uid: int
    gid: int
    home: str


def invoking_user(environ: Mapping[str, str]) -> User:
    """Who called `vmm`: under sudo SUDO_USER as the passwd database knows them, for homes lie anywhere.

    The real user id counts, which stays the same while somebody is acted as.
    """
    uid = os.getuid()
    name = environ.get("SUDO_USER", "")
    if name and uid == 0:
        try:
            return _user(pwd.getpwnam(name))
        except KeyError:
            pass
    home = environ.get("HOME", "")
    try:
        known = _user(pwd.getpwuid(uid))
    except KeyError:  # a user without an entry, as in a container
        return User(str(uid), uid, os.getgid(), home or "/")
    return User(known.name, known.uid, known.gid, home or known.home)


def _user(entry: pwd.struct_passwd) -> User:
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def command_line() -> str:
    """What this process was called with, its program by its last name."""
    name = PurePosixPath(sys.argv[0]).name
    return " ".join(["vmm" if name in ("", "__main__.py") else name, *sys.argv[1:]])


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Root has this user's rights meanwhile, and no more; for everybody else nothing changes.

    The rights are those of the whole process: no other thread may be at work.

    Raises:
        HostError: the system does not let root do that, as in some containers.
    """
    if os.geteuid() != 0 or user.uid == 0:
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        _become(user)
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        with suppress(PermissionError):  # where they could not be changed either
            os.setgroups(groups)


def _become(user: User) -> None:
    try:
        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setegid(user.gid)
        os.seteuid(user.uid)
    except OSError as error:
        hint = "unset SUDO_USER to work with root's own settings and keys"
        raise HostError(
            f"cannot read {user.name}'s files with their rights: {error.strerror}", hint=hint
        ) from error


def read_regular(path: str, limit: int) -> bytes:
    """At most `limit` bytes of a regular file; what stands there instead (a pipe, a device) is not waited for.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            why = "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file"
            raise OSError(0, why, path)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)
