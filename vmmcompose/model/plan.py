"""A plan: what differs, why, and the steps that mend it. Reasons explain; they never decide."""

from dataclasses import dataclass
from typing import Literal

from vmmcompose.model.actions import Action, WriteRecord
from vmmcompose.model.problem import Problem


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something changes: a field with its old and new value, or an observation (`why`)."""

    field: str = ""
    old: str = ""
    new: str = ""
    why: str = ""


ChangeKind = Literal[
    "create",
    "update",
    "start",
    "stop",
    "pause",
    "resume",
    "restart",
    "restore",
    "replace",
    "repair",
    "delete",
]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one thing (`vm/web`, `network`, `files`), for people and for JSON."""

    address: str
    kind: ChangeKind
    reasons: tuple[Reason, ...] = ()
    data_loss: str = ""
    """Which data goes, in words; empty where none does."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action and the steps that come before it."""

    id: int
    address: str
    action: Action
    after: frozenset[int] = frozenset()
    """Steps that must have been done: when one of them is not, this one is skipped."""
    weak: frozenset[int] = frozenset()
    """Steps that must have ended, however they did."""

    @property
    def before(self) -> frozenset[int]:
        """All steps that have ended when this one begins."""
        return self.after | self.weak

    @property
    def is_intent(self) -> bool:
        """Whether it is a record to be written before anything else is done, under the host lock."""
        return isinstance(self.action, WriteRecord) and not self.after


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes, the steps that make them, and what was noticed.

    A problem of severity `error` means that nothing of this plan may be applied.
    """

    project: str
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """What `apply` tells while it walks a plan."""

    step: Step
    state: Literal["started", "progress", "done", "failed", "skipped"]
    detail: str = ""
    hint: str = ""
    seconds: float = 0.0
    cause: Step | None = None
    """Why a step was skipped: the one that failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan's steps, by id."""

    done: tuple[int, ...] = ()
    failed: tuple[Event, ...] = ()
    skipped: tuple[Event, ...] = ()
