"""Every file name below the data folder, in one place, with the limits of the kernel's interfaces."""

from dataclasses import dataclass
from pathlib import PurePosixPath

SOCKET_LIMIT = 107
"""Bytes in `sockaddr_un.sun_path` without the closing NUL (unix(7))."""
LINK_LIMIT = 15
"""Bytes in a network link's name (IFNAMSIZ - 1)."""
TAP_PREFIX = "vmm-"
"""What the names of all TAPs begin with."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Names the files below `root`; builds strings and touches nothing.

    `name` is a VM's name on the host (`<project>-<vm>`), `vm_id` its id.
    """

    root: PurePosixPath

    def vms(self) -> PurePosixPath:
        """Folder of the records and the VMs' own folders."""
        return self.root / "vms"

    def record(self, name: str) -> PurePosixPath:
        """A VM's record."""
        return self.root.joinpath("vms", f"{name}.json")

    def vm_dir(self, name: str) -> PurePosixPath:
        """A VM's own folder: disk, host key, secrets."""
        return self.root.joinpath("vms", name)

    def disk(self, name: str) -> PurePosixPath:
        """A VM's root disk."""
        return self.root.joinpath("vms", name, "root.ext4")

    def disk_info(self, name: str) -> PurePosixPath:
        """What the root disk was made from and which files were written to it."""
        return self.root.joinpath("vms", name, "root.json")

    def secrets(self, name: str) -> PurePosixPath:
        """The part of the applied spec that only root may read (env values, file contents)."""
        return self.root.joinpath("vms", name, "secrets.json")

    def host_key(self, name: str) -> PurePosixPath:
        """The VM's SSH host key; the public half has `.pub` behind it."""
        return self.root.joinpath("vms", name, "ssh_host_ed25519_key")

    def mount_dir(self, name: str) -> PurePosixPath:
        """Folder of a VM's mount images."""
        return self.root.joinpath("mounts", name)

    def mount(self, name: str, tag: str) -> PurePosixPath:
        """A mount's image."""
        return self.mount_dir(name) / f"{tag}.ext4"

    def mount_info(self, name: str, tag: str) -> PurePosixPath:
        """What a mount's image was made from."""
        return self.mount_dir(name) / f"{tag}.json"

    def mount_base(self, name: str, tag: str) -> PurePosixPath:
        """What lay in a mount when host and guest were last in step."""
        return self.mount_dir(name) / f"{tag}.base.json"

    def watch_base(self, name: str, rule: str) -> PurePosixPath:
        """The same for what a rule of `watch` carries to a VM's own disk, with which it goes."""
        return self.vm_dir(name) / f"watch-{rule}.json"

    def volumes(self) -> PurePosixPath:
        """Folder of the projects' folders of volumes."""
        return self.root / "volumes"

    def volume_dir(self, project: str) -> PurePosixPath:
        """Folder of a project's volumes."""
        return self.volumes() / project

    def volume(self, project: str, volume: str) -> PurePosixPath:
        """A volume's image."""
        return self.volume_dir(project) / f"{volume}.ext4"

    def all_snapshots(self) -> PurePosixPath:
        """Folder of the VMs' folders of memory snapshots."""
        return self.root / "snapshots"

    def snapshots(self, name: str) -> PurePosixPath:
        """Folder of a VM's memory snapshots."""
        return self.all_snapshots() / name

    def snapshot(self, name: str, snapshot: str) -> PurePosixPath:
        """One snapshot's folder, see `host/snapshots.py`."""
        return self.snapshots(name) / snapshot

    def logs(self, name: str) -> PurePosixPath:
        """Folder of a VM's logs."""
        return self.root / "logs" / name

    def console(self, name: str) -> PurePosixPath:
        """What the guest printed on its serial console."""
        return self.logs(name) / "console.log"

    def driver_log(self, name: str) -> PurePosixPath:
        """What the VMM process itself printed."""
        return self.logs(name) / "driver.log"

    def provision_log(self, name: str) -> PurePosixPath:
        """What its provision scripts printed."""
        return self.logs(name) / "provision.log"

    def vmm_log(self, name: str) -> PurePosixPath:
        """The log a VMM keeps by itself (Firecracker's `--log-path`)."""
        return self.logs(name) / "firecracker.log"

    def metrics(self, name: str) -> PurePosixPath:
        """Where a VMM writes its metrics, one JSON object per line."""
        return self.logs(name) / "metrics.json"

    def history(self) -> PurePosixPath:
        """What was done on this host, run by run, as JSON lines."""
        return self.root / "logs" / "history.jsonl"

    def events(self) -> PurePosixPath:
        """What happened on this host, step by step, as JSON lines."""
        return self.root / "logs" / "events.jsonl"

    def sockets(self) -> PurePosixPath:
        """Folder of the VMMs' control sockets."""
        return self.root / "sockets"

    def socket(self, vm_id: str) -> PurePosixPath:
        """A VMM's control socket (Firecracker's API or QEMU's QMP).

        Raises:
            ValueError: the path is longer than a Unix socket's may be.
        """
        path = self.sockets() / f"{vm_id}.sock"
        if len(str(path).encode()) > SOCKET_LIMIT:
            raise ValueError(f"{path} is longer than the {SOCKET_LIMIT} bytes of a Unix socket's path")
        return path

    def kernels(self) -> PurePosixPath:
        """Folder of the kernels: `<name>/` holds `bzImage`, `vmlinux`, `initrd` and `kernel.json`."""
        return self.root / "images" / "kernels"

    def kernel(self, name: str) -> PurePosixPath:
        """One kernel's folder."""
        return self.kernels() / name

    def rootfs(self) -> PurePosixPath:
        """Folder of the images: `<name>.ext4` with a sidecar `<name>.json`."""
        return self.root / "images" / "rootfs"

    def image(self, name: str) -> PurePosixPath:
        """One image's file."""
        return self.rootfs() / f"{name}.ext4"

    def image_info(self, name: str) -> PurePosixPath:
        """One image's sidecar."""
        return self.rootfs() / f"{name}.json"

    def downloads(self) -> PurePosixPath:
        """Folder of downloads under way; an interrupted one goes on from there."""
        return self.root / "images" / "downloads"

    def state(self) -> PurePosixPath:
        """Folder of locks and caches."""
        return self.root / "state"

    def lock(self, name: str) -> PurePosixPath:
        """A lock file; `name` is `host`, `images`, `pull` or one of `work_lock`."""
        return self.state() / f"{name}.lock"

    def work_lock(self, project: str, vm: str) -> PurePosixPath:
        """The lock of whoever works on a VM: its project's, or a single VM's own."""
        return self.lock(f"project-{project}" if project else f"vm-{vm}")

    def network_state(self) -> PurePosixPath:
        """What the host's sysctls were before `vmm` changed them."""
        return self.state() / "network.json"

    def autostart(self) -> PurePosixPath:
        """Which projects and VMs are brought up when the host boots."""
        return self.state() / "autostart.json"

    def ssh_dir(self) -> PurePosixPath:
        """Folder of the managed key and the known hosts."""
        return self.root / "ssh"

    def managed_key(self) -> PurePosixPath:
        """The private key `vmm` logs in with; the public half has `.pub` behind it."""
        return self.ssh_dir() / "id_ed25519"

    def known_hosts(self, name: str) -> PurePosixPath:
        """The known_hosts file of one VM."""
        return self.ssh_dir() / "known_hosts" / name


def tap_name(vm_id: str) -> str:
    """A VM's TAP: 15 bytes at most, made from the VM's id."""
    name = f"{TAP_PREFIX}{vm_id[:11]}"
    assert len(name) <= LINK_LIMIT
    return name
