"""The door to saved plans: files only their owner may read, and from nobody but the owner or root."""

import json
import os
import stat
from hashlib import sha256
from typing import Any

from vmmcompose.errors import Refused, UsageError
from vmmcompose.host.files import failed, write_atomic
from vmmcompose.host.history import timestamp
from vmmcompose.host.identity import invoking_user
from vmmcompose.model.savedplan import NewerFormat, SavedPlan, saved_from_json, saved_to_json

_MACHINE_ID = "/etc/machine-id"


def this_host() -> str:
    """The host's name and a digest of its machine id, which itself is nobody's business: machine-id(5)."""
    name = os.uname().nodename
    try:
        with open(_MACHINE_ID, "rb") as file:
            return f"{name} {sha256(b'vmm saved plan ' + file.read(64).strip()).hexdigest()[:12]}"
    except OSError:
        return name


def new_identity() -> dict[str, str]:
    """What a plan that is saved now says of its making: a random id, when, who, where."""
    return {
        "id": os.urandom(8).hex(),
        "created": timestamp(),
        "user": invoking_user(os.environ).name,
        "host": this_host(),
    }


def write_saved(path: str, saved: SavedPlan) -> None:
    """Writes a plan, whole or not at all.

    Raises:
        UsageError: that is a folder or a device.
        HostError: it could not be written.
    """
    if os.path.lexists(path) and not os.path.isfile(path):
        raise UsageError(f"{path} is no regular file", hint="name a file: vmm plan --out FILE")
    write_atomic(path, json.dumps(saved_to_json(saved)).encode(), mode=0o600)


def read_saved(path: str) -> SavedPlan:
    """The plan in a file.

    Raises:
        UsageError: there is no such file.
        Refused: it is damaged, of a newer vmm, or somebody else may have written it.
        HostError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            _require_owner(path, os.fstat(file.fileno()))
            value: Any = json.loads(file.read())
        return saved_from_json(value)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(
            f"there is no saved plan {path}", hint=f"`vmm plan --out {path}` writes one"
        ) from error
    except OSError as error:
        raise failed(f"cannot read {path}", error) from error
    except NewerFormat as error:
        raise Refused(
            f"{path} was written by another version of vmm: {error}", hint="plan anew with this one"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"{path} cannot be used: {_why(error)}", hint="plan anew: vmm plan --out FILE"
        ) from error


def _require_owner(path: str, status: os.stat_result) -> None:
    """A plan is done as it stands there, so it must be the user's own or root's."""
    trusted = {0, os.geteuid(), invoking_user(os.environ).uid}
    if status.st_uid not in trusted or stat.S_IMODE(status.st_mode) & 0o022:
        raise Refused(
            f"{path} may have been written by somebody else",
            hint="it must belong to you or to root, and nobody else may write it",
        )


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "it is damaged, or no saved plan"
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error)
