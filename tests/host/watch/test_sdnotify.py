"""What a service manager hears, over a real socket."""

import socket
from pathlib import Path

from vmmcompose.host.sdnotify import notify


def test_fields_are_lines_of_one_datagram(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(5)
        notify({"NOTIFY_SOCKET": str(path)}, READY="1", STATUS="2 VMs")
        assert manager.recv(4096) == b"READY=1\nSTATUS=2 VMs"


def test_abstract_sockets() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0vmm-test-notify")
        manager.settimeout(5)
        notify({"NOTIFY_SOCKET": "@vmm-test-notify"}, STOPPING="1")
        assert manager.recv(4096) == b"STOPPING=1"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    notify({}, READY="1")
    notify({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, READY="1")
    notify({"NOTIFY_SOCKET": "relative"}, READY="1")
