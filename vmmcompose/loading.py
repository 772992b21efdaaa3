"""A project's manifest: found, read or remembered, and what it means with this host's settings.

`manifest` is imported where it is used: mostly what the same bytes meant before is remembered.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from vmmcompose.errors import UsageError
from vmmcompose.host import manifests
from vmmcompose.model.desired import Desired
from vmmcompose.model.paths import Paths
from vmmcompose.model.problem import Problem
from vmmcompose.model.reading import Reading
from vmmcompose.model.settings import Settings

if TYPE_CHECKING:
    from vmmcompose.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Project:
    """A manifest as read."""

    desired: Desired
    reading: Reading
    """How it was read, with the files that were found."""
    settings: Settings

    def locate(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """The problems with the lines of the manifest they speak of."""
        if not any(problem.at and not problem.place for problem in problems):
            return tuple(problems)
        manifest, _ = _parse(self.settings, self.reading, (), validated=True)
        return manifest.sources.locate(problems)


def load_project(
    settings: Settings, reading: Reading, asked_for: Callable[[str], None] = lambda _path: None
) -> Project:
    """Finds (`vmm.yaml` here or in a parent folder) and parses the manifest.

    `asked_for` hears of each file that is part of it, those that are not there and those with problems included.

    Raises:
        UsageError: there is none, or vm_defaults.ssh_key_path holds no key.
        ManifestInvalid: it has problems.
    """
    paths, reading = paths_of(settings), manifests.located(reading)
    keys = _default_keys(settings)
    bearing = (settings.subnet, settings.gateway, repr(settings.vm_defaults), *keys)
    desired = manifests.recall(paths, reading, manifests.ManifestFiles(asked_for), *bearing)
    if desired is None:
        manifest, files = _parse(settings, reading, keys, asked_for=asked_for)
        desired = manifest.desired
        manifests.remember(paths, reading, files, manifest.asked, desired, *bearing)
    return Project(desired, reading, settings)


def load_manifest(settings: Settings, reading: Reading) -> "Manifest":
    """The manifest itself, with its text: always read anew.

    Raises:
        UsageError: as in `load_project`.
        ManifestInvalid: it has problems.
    """
    return _parse(settings, manifests.located(reading), _default_keys(settings))[0]


def _parse(
    settings: Settings,
    reading: Reading,
    keys: tuple[str, ...],
    *,
    validated: bool = False,
    asked_for: Callable[[str], None] = lambda _path: None,
) -> "tuple[Manifest, manifests.ManifestFiles]":
    from vmmcompose.manifest import parse_project

    files = manifests.ManifestFiles(asked_for)
    manifest = parse_project(
        reading, files.read, settings=settings, ssh_keys=keys, validated=validated, shown=os.path.relpath
    )
    return manifest, files


def _default_keys(settings: Settings) -> tuple[str, ...]:
    """Keys for VMs that name none: read here with the user's own rights, and not by the planner with root's."""
    path = settings.vm_defaults.ssh_key_path
    if not path:
        return ()
    from vmmcompose.host.userkeys import user_public_keys

    try:
        return tuple(sorted(user_public_keys(os.environ, path)))
    except UsageError as error:
        name = "vm_defaults.ssh_key_path"
        hint = f"vmm config set {name} FILE; or vmm config unset {name}"
        raise UsageError(f"{name}: {error.message}", hint=hint) from error


def paths_of(settings: Settings) -> Paths:
    """The names of all files below the data folder."""
    return Paths(PurePosixPath(settings.data_dir))
