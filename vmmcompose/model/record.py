"""A VM's record: what was applied and which process runs it."""

from dataclasses import dataclass
from typing import Literal

from vmmcompose.model.spec import VmSpec

SCHEMA_VERSION = 1
State = Literal["creating", "starting", "running", "paused", "stopping", "stopped", "deleting"]
"""`creating`, `starting`, `stopping`, `deleting` are intents: found later, they tell of an interruption. `paused` is
written before the guest is paused and taken back after it was resumed, which may be done twice."""
NETWORKED: tuple[State, ...] = ("creating", "starting", "running", "paused", "stopping")
"""States of records whose VMs need bridge, TAP and rules."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, known beyond doubt: a pid alone may be somebody else's by now."""

    pid: int
    start_time: int
    """Field 22 of /proc/PID/stat, in clock ticks since boot."""
    boot_id: str


@dataclass(frozen=True, slots=True)
class Record:
    """One VM's JSON. Times are UTC in ISO 8601."""

    spec: VmSpec
    state: State
    process: Process | None = None
    created: str = ""
    started: str = ""
    health: str = ""
    """`""`, `healthy` or `unhealthy`: what the last wait saw."""
    sealed: bool = False
    """Read without the right to see env values and file contents: those are empty here and say nothing."""


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A file among the records that cannot be read; its address stays blocked if it can be told.

    `foreign` marks a record of the Go tool baremetalvmm: recognised and left alone.
    """

    name: str
    path: str
    why: str
    foreign: bool = False
    ip: str = ""
