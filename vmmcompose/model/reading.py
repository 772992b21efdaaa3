"""Which manifest is meant, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vmmcompose.model.choice import Choice


@dataclass(frozen=True, slots=True)
class Reading:
    """A manifest and all that bears on its meaning beside its text.

    As the command line gives it, or with `files` and `env_files` found and made absolute.
    """

    files: tuple[str, ...] = ()
    """Each merged onto those before it. None named: `vmm.yaml` here or above, with its override."""
    project: str = ""
    """The project's name; empty where the manifest says it."""
    env_files: tuple[str, ...] = ()
    """In place of the `.env` beside the first file; later ones win."""
    choice: Choice = Choice()  # noqa: RUF009 - frozen
    """Which of its VMs are wanted, and how many replicas."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables; they win over env files."""
