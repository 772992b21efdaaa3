"""Which of a manifest's VMs one run means to have, beside what the manifest says itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """Profiles, names and numbers from the command line; a manifest read with another choice is another project."""

    profiles: tuple[str, ...] = ()
    """Profiles that are chosen; `*` means every one."""
    names: tuple[str, ...] = ()
    """VMs that a command names: they are there whatever their profiles are."""
    scale: tuple[tuple[str, int], ...] = ()
    """(VM with `replicas`, how many of it) in place of the manifest's number."""


ALL_PROFILES = "*"
