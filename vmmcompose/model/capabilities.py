"""What a driver can do, as data the planner reads."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A driver's limits. What a driver cannot do is absent here."""

    driver: str
    kernel_forms: tuple[Literal["vmlinux", "bzimage"], ...]
    """Kernel files it can boot, best first."""
    max_cpus: int
    max_mounts: int
    """Mounts and volumes together."""
    max_command_line: int
    """Bytes of the whole kernel command line."""
    min_memory_mib: int = 32
    needs_kvm: bool = False
    pause: bool = False
    snapshot: bool = False
    swap_drive: bool = False
    """Whether a running guest's drive can be given another file."""
