"""The exception tree: what ends a command.

    VmmError
    ├── UsageError          64  a command line that makes no sense
    ├── ManifestInvalid     65  the user's file, with all problems
    ├── HostUnfit           69  this host cannot do it (no root, no binary, no KVM)
    ├── Refused              1  the plan holds problems, or data would be lost without consent
    ├── HostError            1  a system call or tool failed
    │   ├── DriverError      1  a VMM refused or did not answer
    │   ├── RemoteError      1  a server could not be reached, or what it sent is wrong
    │   └── NoSpace          1  the host's disk is full
    ├── ApplyFailed          1  some steps failed; the rest was done
    ├── NotConverged         1  after apply the host still differs
    ├── Locked              75  another vmm holds the lock
    └── Interrupted        130  Ctrl-C

Expected faults of the user's input are `Problem` values; these classes are for the edge.
"""

from collections.abc import Sequence
from typing import ClassVar

from vmmcompose.model.problem import Problem


class VmmError(Exception):
    """Base of all errors that a user sees as one message with a hint."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)


class UsageError(VmmError):
    """The command line makes no sense."""

    exit_code = 64


class ManifestInvalid(VmmError):
    """The manifest has problems; all of them are in `problems`."""

    exit_code = 65


class HostUnfit(VmmError):
    """This host cannot do it: no root, no binary, no KVM, no space."""

    exit_code = 69


class Refused(VmmError):
    """The plan holds problems, or data would be lost without consent; nothing was touched."""


class HostError(VmmError):
    """A system call or a system tool failed."""

    retryable = True


class DriverError(HostError):
    """A VMM refused a request or did not answer."""


class RemoteError(HostError):
    """A server could not be reached, refused, or sent something else than was asked for."""


class NoSpace(HostError):
    """The host's disk is full, or the user's share of it."""


class ApplyFailed(VmmError):
    """Some steps failed; what did not depend on them was done."""

    retryable = True


class NotConverged(VmmError):
    """Everything was applied and the host still differs from the manifest."""


class Locked(VmmError):
    """Another vmm holds the lock."""

    exit_code = 75
    retryable = True


class Interrupted(VmmError):
    """The user pressed Ctrl-C."""

    exit_code = 130
