"""A memory snapshot: what a VM was when it was made, and on which host."""

from dataclasses import dataclass

from vmmcompose.model.record import Record

SCHEMA_VERSION = 1
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
"""What a snapshot may be called."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The description beside a snapshot's memory and disks."""

    name: str
    created: str
    """UTC in ISO 8601."""
    record: Record
    """The VM's record at that moment."""
    root: str
    """The data folder: memory holds the disks' paths."""
    cpu: str
    """The host's CPU model, as `host.kvm.cpu_model` says it."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the mounts it holds the images of."""
        return tuple(mount.tag for mount in self.record.spec.mounts)


@dataclass(frozen=True, slots=True)
class Restore:
    """A snapshot to go back to, and what this host says to it."""

    snapshot: Snapshot
    root: str
    """The data folder."""
    cpu: str
    """The host's CPU model."""
    fault: str = ""
    """Why the driver's program cannot load it; empty where it can."""


@dataclass(frozen=True, slots=True)
class UnreadableSnapshot:
    """A snapshot whose description cannot be read; it can only be deleted."""

    name: str
    why: str
