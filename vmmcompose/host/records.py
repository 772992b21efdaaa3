"""The door to the records: read them all, write one, delete one.

A record that cannot be read is reported, never skipped: its address and name stay blocked. Records of the
Go tool baremetalvmm lie in the same folder; they are recognised and left alone.
"""

import json
import os
from typing import Any

from vmmcompose.errors import HostError
from vmmcompose.host.files import make_dir, write_atomic
from vmmcompose.model.codec import Json, record_from_json, record_to_json
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record, UnreadableRecord

Records = tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]


def read_records(paths: Paths) -> Records:
    """All records, sorted by name, and what could not be read.

    Raises:
        HostError: the folder itself cannot be read.
    """
    records: list[Record] = []
    unreadable: list[UnreadableRecord] = []
    for name in _names(paths):
        result = read_record(paths, name)
        if isinstance(result, Record):
            records.append(result)
        elif result is not None:
            unreadable.append(result)
    return tuple(records), tuple(unreadable)


def read_record(paths: Paths, name: str) -> Record | UnreadableRecord | None:
    """One record; None where there is none."""
    path = str(paths.record(name))
    public: Any = None
    try:
        with open(path, encoding="utf-8") as file:
            public = json.load(file)
        if not isinstance(public, dict):
            return UnreadableRecord(name, path, "it is no JSON object")
        secret = _read_secret(paths, name) if public.get("has_secrets") else {}
        record = record_from_json(public, secret)
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return _unreadable(name, path, public, error)
    if record.spec.name != name:
        return UnreadableRecord(name, path, f"it names another VM, {record.spec.name}", ip=record.spec.ip)
    return record


def write_record(paths: Paths, record: Record) -> None:
    """Writes both parts; each appears whole or not at all.

    The public part goes first: it says that something is under way, so a command that ends before the secret
    part is written leaves an intent with old secrets. The other way round a record would claim values that the
    guest never got.

    Raises:
        HostError: it could not be written.
    """
    name = record.spec.name
    public, secret = record_to_json(record)
    make_dir(paths.vms(), 0o755)
    make_dir(paths.vm_dir(name), 0o711)
    write_atomic(paths.record(name), _dump(public), mode=0o644)
    if secret:
        write_atomic(paths.secrets(name), _dump(secret), mode=0o600)
    else:
        _unlink(str(paths.secrets(name)))


def delete_record(paths: Paths, name: str) -> None:
    """Deletes a VM's record; the rest of the VM must be gone by then."""
    _unlink(str(paths.record(name)))


def _names(paths: Paths) -> list[str]:
    try:
        entries = os.listdir(str(paths.vms()))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostError(
            f"cannot read the records in {paths.vms()}: {error.strerror}",
            hint="run the command as root, or name another folder with --data-dir",
        ) from error
    return sorted(entry.removesuffix(".json") for entry in entries if entry.endswith(".json"))


def _read_secret(paths: Paths, name: str) -> Json | None:
    try:
        with open(str(paths.secrets(name)), encoding="utf-8") as file:
            value: Json = json.load(file)
    except PermissionError:
        return None
    except FileNotFoundError:
        return {}
    return value


def _unreadable(name: str, path: str, public: Any, error: Exception) -> UnreadableRecord:  # noqa: ANN401 - JSON
    ip = ""
    foreign = False
    if isinstance(public, dict):
        # The Go tool's records have no schema_version and call the address ip_address.
        foreign = "schema_version" not in public and "ip_address" in public
        spec = public.get("spec")
        ip = str(public.get("ip_address") or (spec.get("ip") if isinstance(spec, dict) else "") or "")
    return UnreadableRecord(name, path, _why(error), foreign=foreign, ip=ip)


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return f"it is no JSON: {error}"
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error)


def _dump(value: Json) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"cannot delete {path}: {error.strerror}") from error
