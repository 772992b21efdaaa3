"""The host-wide settings a run works with; `host.settings` reads them from file and environment."""

from dataclasses import dataclass


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
