"""What keeping a mount in step with its directory came to, and how the two differ."""

from dataclasses import dataclass
from typing import Literal

Change = Literal["", "added", "changed", "deleted"]


@dataclass(frozen=True, slots=True)
class Report:
    """What one transfer did. Paths are relative to the mount, undecodable bytes as surrogates."""

    sent: int = 0
    """Files, folders and links that went to the guest, with or without their content."""
    deleted: int = 0
    """On either side; a folder and what was in it count once where it was known to go as a whole."""
    fetched: int = 0
    bytes: int = 0
    """Of file content, both ways."""
    conflicts: tuple[str, ...] = ()
    """Changed on both sides since they were last in step."""
    skipped: tuple[str, ...] = ()
    """`path: why`."""
    overwritten: tuple[str, ...] = ()
    """Of these the guest had something of its own, and the host's side counts. Only a whole comparison sees it."""

    def plus(self, other: "Report") -> "Report":
        """Both as one."""
        return Report(
            self.sent + other.sent,
            self.deleted + other.deleted,
            self.fetched + other.fetched,
            self.bytes + other.bytes,
            self.conflicts + other.conflicts,
            self.skipped + other.skipped,
            self.overwritten + other.overwritten,
        )


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One path that is not the same on both sides, and what each did since they were last in step."""

    path: str
    host: Change
    guest: Change

    @property
    def conflict(self) -> bool:
        """Whether neither side can be taken without losing the other's change."""
        return bool(self.host and self.guest)


Differences = tuple[Difference, ...]
