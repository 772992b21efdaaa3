"""Records as baremetalvmm leaves them behind (its `internal/vm/vm.go`)."""

import json
from typing import Any

from lab import Lab


def old_record(lab: Lab, name: str, **fields: Any) -> dict[str, Any]:
    """A record with the old tool's fields."""
    disk = lab.data / "vms" / f"{name}.ext4"
    record = {
        "id": "4f9c21ab", "name": name, "state": "stopped", "cpus": 1, "memory_mb": 128, "disk_size_mb": 64,
        "kernel_path": f"{lab.data}/images/kernels/vmlinux.bin", "rootfs_path": str(disk), "ip_address": "172.16.0.9",
        "tap_device": "vmm-4f9c21", "mac_address": "AA:FC:00:34:66:39", "ssh_port": 0, "dns_servers": ["9.9.9.9"],
        "socket_path": f"{lab.data}/sockets/{name}.sock", "pid": 0, "auto_start": True,
        "created_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-02T00:00:00Z",
        "port_forwards": [{"host_port": 8085, "guest_port": 80, "protocol": "tcp"}],
        "mounts": [{"host_path": str(lab.root / "code"), "guest_tag": "site", "read_only": True, "image_path": ""}],
        **fields,
    }  # fmt: skip
    path = lab.data / "vms" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record))
    return record
