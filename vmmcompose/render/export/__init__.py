"""A project for another engine: one file for each target, one entry here."""

from collections.abc import Mapping

from vmmcompose.model.desired import Desired
from vmmcompose.render.export import compose, kubevirt, nomad, systemd
from vmmcompose.render.export.values import Export, File, Installation, Target

TARGETS: Mapping[str, Target] = {
    "compose-services": compose.TARGET,
    "kubevirt": kubevirt.TARGET,
    "nomad": nomad.TARGET,
    "systemd": systemd.TARGET,
}


def export(desired: Desired, target: str, installation: Installation) -> Export:
    """The project's files for an engine, and what they leave out. Sources of files and keys are read already."""
    return TARGETS[target].write(desired, installation)


__all__ = ["TARGETS", "Export", "File", "Installation", "Target", "export"]
