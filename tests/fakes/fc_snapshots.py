"""Snapshots of the stand-in's machine: what it was made of as JSON, and a memory file of the right size."""

import json
import os
from typing import Any

from fc_devices import Devices, Refused

FORMAT = "10.0.0"
"""The version of the state files that Firecracker 1.16 writes."""
_MARK = "stand-in snapshot"
_MIB = 1 << 20


def save(state: str, memory: str, devices: Devices, guest: dict[str, Any]) -> None:
    """Write both files, as the real one does: over what is there, the state first."""
    whole = {"mark": _MARK, "format": snapshot_format(), "guest": guest, "devices": devices.as_state()}
    try:
        with open(state, "w", encoding="utf-8") as file:
            json.dump(whole, file)
            file.flush()
            os.fsync(file.fileno())
        with open(memory, "wb") as file:
            file.truncate(devices.machine["mem_size_mib"] * _MIB)
            for position in range(0, devices.machine["mem_size_mib"] * _MIB, 16 * _MIB):
                file.seek(position)
                file.write(b"memory".ljust(4096, b"."))
    except OSError as error:
        raise Refused(f"Create snapshot error: {error.strerror}") from error


def load(request: dict[str, Any], memory: str, devices: Devices) -> dict[str, Any]:
    """Make the devices what they were; gives what the guest was doing.

    Raises:
        Refused: something of it is not there any more, or no snapshot.
    """
    try:
        with open(request["snapshot_path"], encoding="utf-8") as file:
            whole = json.load(file)
        size = os.stat(memory).st_size
    except OSError as error:
        raise Refused(f"Load snapshot error: {error.strerror}") from error
    except ValueError as error:
        raise Refused("Load snapshot error: it cannot be read") from error
    if whole.get("mark") != _MARK or whole["format"].split(".")[0] != snapshot_format().split(".")[0]:
        raise Refused("Load snapshot error: another format")
    if size != whole["devices"]["machine"]["mem_size_mib"] * _MIB:
        raise Refused("Load snapshot error: the memory file has another size")
    if request.get("clock_realtime") and os.environ.get("FAKE_FC_NO_CLOCK"):
        raise Refused("Load snapshot error: clock_realtime requested but not present in the snapshot state")
    devices.restore(whole["devices"])
    guest: dict[str, Any] = whole["guest"]
    return guest


def snapshot_format() -> str:
    """The version this stand-in claims."""
    return os.environ.get("FAKE_FC_FORMAT", FORMAT)


def described(path: str) -> str:
    """The version a state file says it has; empty for another file."""
    try:
        with open(path, encoding="utf-8") as file:
            return str(json.load(file)["format"])
    except (OSError, ValueError, KeyError):
        return ""
