"""The spine on one screen: parse, observe, plan, approve, apply, verify.

`up`, `down`, `start`, `stop`, `restart` are this with another `Desired` or other `Options`; there is one way
to start a VM.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vmmcompose.manifest import SourceMap
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Event, Outcome, Plan
from vmmcompose.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Project:
    """A manifest as read."""

    desired: Desired
    sources: SourceMap | None
    file: str
    """The manifest's path; empty for a project known by its records alone."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did."""

    plan: Plan
    outcome: Outcome
    verified: bool
    """Whether observing and planning again gave an empty plan."""


def load_project(settings: Settings, file: str | None, project: str = "") -> Project:
    """Finds (`vmm.yaml` here or in a parent folder) and parses the manifest.

    Raises:
        UsageError: there is none.
        ManifestInvalid: it has problems.
    """
    raise NotImplementedError


def look(settings: Settings, desired: Desired) -> Observed:
    """One look at the host: everything that bears on this project. Read-only, works without root."""
    raise NotImplementedError


def plan_project(settings: Settings, desired: Desired, options: Options) -> tuple[Plan, Observed]:
    """What `converge` would do now."""
    raise NotImplementedError


def converge(
    settings: Settings,
    desired: Desired,
    options: Options,
    *,
    approve: Callable[[Plan], bool],
    emit: Callable[[Event], None],
) -> Report:
    """Makes the host match. `approve` is asked when data would be lost.

    Raises:
        Refused: the plan holds problems, or `approve` said no.
        ApplyFailed: steps failed; the rest was done.
        NotConverged: all steps were done and the host still differs.
        HostUnfit: not root, or a tool is missing.
        Locked: another vmm works on this project.
    """
    raise NotImplementedError
