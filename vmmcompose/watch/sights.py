"""Which files, links and processes bear on a project."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from vmmcompose.host.filewatch import Ignores
from vmmcompose.host.manifests import OVERRIDE_NAMES, located
from vmmcompose.model.desired import Desired
from vmmcompose.model.paths import TAP_PREFIX, Paths
from vmmcompose.model.reading import Reading
from vmmcompose.model.record import Process
from vmmcompose.model.settings import Settings
from vmmcompose.watch.eyes import Sights
from vmmcompose.watch.rules import patterns


def fixed(reading: Reading) -> Reading:
    """The same project for good: where its folder was searched for, it is named.

    A `vmm.yaml` that is away for a moment must not mean the one of a parent folder, and an override may yet appear.

    Raises:
        UsageError: there is no manifest.
    """
    found = located(reading)
    files = reading.files or (os.path.dirname(found.files[0]),)
    return replace(reading, files=tuple(map(os.path.abspath, files)), env_files=found.env_files)


def sights_of(
    desired: Desired, settings: Settings, paths: Paths, files: Iterable[str], running: Mapping[str, Process]
) -> Sights:
    """What bears on this project; `files` are those its manifest was read from."""
    manifests = set(files)
    for file in files:
        manifests.update(os.path.join(os.path.dirname(file), name) for name in OVERRIDE_NAMES)
    for vm in desired.vms:
        manifests.update(key for key in vm.ssh_keys if key.startswith("/"))
        manifests.update(file.source for file in vm.files if file.source)
        manifests.update(script.source for script in vm.provision if script.source)
    mounts = [mount for vm in desired.vms for mount in vm.mounts]
    named = {rule.path for vm in desired.vms for rule in vm.watch}
    folders = {path for path in named if os.path.isdir(path)}
    return Sights(
        frozenset(manifests),
        _trees(desired, folders),
        frozenset(mount.source for mount in mounts if mount.mode == "ro"),
        frozenset(named - folders),
        str(paths.vms()),
        str(paths.rootfs()),
        (settings.bridge_name, TAP_PREFIX),
        dict(running),
    )


def _trees(desired: Desired, folders: Collection[str]) -> dict[str, Ignores]:
    """Directories of mounts and of rules of `watch`, and what is ignored in them."""
    # What is written to a snapshot that the guest may write to is not carried over: nothing to look for.
    mounts = (m for vm in desired.vms for m in vm.mounts if m.mode == "ro" or m.sync != "none")
    wanted = [(mount.source, mount.ignore) for mount in mounts]
    wanted += [(rule.path, patterns(rule)) for vm in desired.vms for rule in vm.watch if rule.path in folders]
    found: dict[str, Ignores] = {}
    for source, ignore in wanted:
        found[source] = found.get(source, frozenset()) | {ignore}
    return found
