"""What `vmm` has put on this host beside its VMs, so that exactly that is removed.

The data folder may be shared (with baremetalvmm, or it is somebody's home): only files with names and sidecars of
ours go, and a folder only when nothing is left in it.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.host import iptables, locks, netlink, network, process, records, store, stored, volumes
from vmmcompose.host.files import remove_tree
from vmmcompose.host.journal import aside
from vmmcompose.model.observed import VmProcess
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import NETWORKED
from vmmcompose.model.settings import Settings
from vmmcompose.network.compare import bridge_owner, unwanted_taps

_COMPLETIONS = (
    "bash-completion/completions/vmm",
    "zsh/site-functions/_vmm",
    "fish/vendor_completions.d/vmm.fish",
)
_ASKED = b"_VMM_COMPLETE"
"""Stands in every completion script of ours."""


def stray_processes(paths: Paths) -> list[VmProcess]:
    """VMM processes with a control socket in this data folder that no record knows."""
    running = process.scan(str(paths.sockets()))
    known = {record.spec.id for record in records.read_records(paths)[0]}
    return [found for found in running if found.vm_id not in known]


def delete_stray_taps(settings: Settings, paths: Paths) -> tuple[str, ...]:
    """Deletes the TAPs on our bridge that no record and no process has; gives their names.

    On another data folder's bridge, and while there is none, nobody can tell whose a TAP is.

    Raises:
        HostUnfit: not root.
        HostError: the kernel refused.
    """
    with locks.hold(paths.lock("host"), "the host's network"):
        links = netlink.read_links()
        bridge = links.get(settings.bridge_name)
        if bridge is None or bridge_owner(bridge, settings) != "us":
            return ()
        wanted = {record.spec.tap for record in records.read_records(paths)[0]}
        taps = unwanted_taps(links, wanted, settings)
        for tap in taps:
            network.delete_tap(tap)
        return taps


def clear_network(settings: Settings, paths: Paths) -> None:
    """Takes bridge, chains and kernel switches away if no VM is left that needs them.

    Raises:
        HostUnfit: not root, or a tool is missing.
        HostError: the kernel refused something.
    """
    with locks.hold(paths.lock("host"), "the host's network"):
        known, unreadable = records.read_records(paths)
        if any(not bad.foreign for bad in unreadable):
            return
        network.sync_network([r for r in known if r.state in NETWORKED], settings, paths)


def network_there(settings: Settings) -> bool:
    """Whether a bridge or chains of ours are there. Rules that this user may not see count as none."""
    bridge = netlink.read_links().get(settings.bridge_name)
    owner = bridge_owner(bridge, settings)
    if owner == "stranger":
        return False
    rules = iptables.read_rules(settings)
    return owner == "us" or bool(rules and (rules.rules or rules.chains))


def completions(prefix: str = "/usr/local") -> list[str]:
    """Our completion scripts for all users."""
    found = []
    for name in _COMPLETIONS:
        path = f"{prefix}/share/{name}"
        with suppress(OSError), open(path, "rb") as file:
            if _ASKED in file.read():
                found.append(path)
    return found


def stored_things(paths: Paths) -> list[str]:
    """Images, kernels, volumes, keys, logs, locks and caches of ours in the data folder."""
    found = [*_images(paths), *_kernels(paths), *_volumes(paths)]
    found += [str(paths.downloads())]
    journals = (paths.history(), paths.events())
    found += [str(path) for journal in journals for path in (journal, aside(journal))]
    key = str(paths.managed_key())
    found += [key, f"{key}.pub", str(paths.ssh_dir() / "known_hosts")]
    found += stored.leftovers(paths)
    found += _state(paths)
    return [path for path in dict.fromkeys(found) if os.path.lexists(path)]


def remove_stored(paths: Paths, things: Iterable[str]) -> list[str]:
    """Removes these things, then what folders are empty; gives what is left in the data folder.

    Locks go last: until then another command waits.

    Raises:
        HostError: something is mounted there, or the system refused.
    """
    with locks.hold(paths.lock("images"), "images and kernels"):
        for path in sorted(things, key=lambda path: path.endswith(".lock")):
            remove_tree(path)
        remove_tree(paths.lock("images"))
    images = paths.root / "images"
    folders = (
        *(*(paths.volume_dir(project) for project in volumes.projects(paths)), paths.volumes()),
        *(paths.vms(), paths.root / "mounts", paths.root / "logs", paths.all_snapshots(), paths.sockets()),
        *(paths.kernels(), paths.rootfs(), images, paths.ssh_dir(), paths.state(), paths.root),
    )
    for folder in folders:
        if os.path.islink(str(folder)):
            continue
        with suppress(OSError):
            os.rmdir(str(folder))
    root = str(paths.root)
    return sorted(
        f"{entry}/{inner}" if inner else entry
        for entry in _list(root)
        for inner in _list(f"{root}/{entry}") or ("",)
    )


def allocated_bytes(path: str) -> int:
    """How much of the disk a file or a folder with all it holds takes; links are not followed."""
    try:
        total = os.lstat(path).st_blocks * 512
    except OSError:
        return 0
    if not os.path.islink(path):
        for entry in _list(path):
            total += allocated_bytes(f"{path}/{entry}")
    return total


def remove_completions(found: Iterable[str]) -> None:
    """Removes completion scripts.

    Raises:
        HostError: the system refused.
    """
    for path in found:
        try:
            Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise HostError(f"cannot delete {path}: {error.strerror}") from error


def _images(paths: Paths) -> Iterator[str]:
    """Each with its sidecar: an image without one may be another tool's."""
    for name, image in store.list_images(paths).items():
        if image.digest:
            yield str(paths.image(name))
            yield str(paths.image_info(name))


def _kernels(paths: Paths) -> Iterator[str]:
    if os.path.islink(str(paths.kernel("default"))):
        yield str(paths.kernel("default"))
    for name in _list(str(paths.kernels())):
        folder = paths.kernel(name)
        if os.path.isfile(str(folder / store.KERNEL_INFO)):
            yield str(folder)


def _volumes(paths: Paths) -> Iterator[str]:
    for project in volumes.projects(paths):
        for name in volumes.read_volumes(paths, project):
            yield str(paths.volume(project, name))


def _state(paths: Paths) -> Iterator[str]:
    yield from (str(paths.network_state()), str(paths.autostart()), str(paths.state() / "manifests"))
    for entry in _list(str(paths.state())):
        if entry.endswith(".lock") or (entry.startswith("kernel-build-") and entry.endswith(".log")):
            yield str(paths.state() / entry)


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
