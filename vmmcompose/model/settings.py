"""The host-wide settings a run works with; `host.settings` reads them from file and environment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VmDefaults:
    """What a VM gets that says nothing itself: `vm_defaults` of the settings file."""

    cpus: int = 1
    memory_mib: int = 512
    disk_mib: int = 1024
    image: str = ""
    """Empty: whoever asks for a VM must name one."""
    kernel: str = "default"
    ssh_key_path: str = ""
    """A public key file whose keys may log in; empty means none beside the managed key."""
    dns_servers: tuple[str, ...] = ()
    """Empty means the host's own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things lie and how the host's network is laid out."""

    data_dir: str = "/var/lib/vmm"
    bridge_name: str = "vmm-br0"
    subnet: str = "172.16.0.0/16"
    gateway: str = "172.16.0.1"
    host_interface: str = ""
    """The uplink; empty means the interface of the default route."""
    hypervisor: str = "auto"
    firecracker_binary: str = "firecracker"
    qemu_binary: str = "qemu-system-x86_64"
    release_repos: tuple[str, ...] = ()
    """`owner/name` of GitHub repositories whose releases hold kernels and images, in order of preference."""
    vm_defaults: VmDefaults = VmDefaults()
