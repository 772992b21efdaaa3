"""The list of what is brought up at boot, and the systemd unit that does it.

One plain unit per data folder; the list decides what it brings up, so enabling a second project changes no unit.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.files import make_dir, write_atomic
from vmmcompose.host.programs import find_program
from vmmcompose.host.scopes import booted_with_systemd
from vmmcompose.model.autostart import Enabled
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings
from vmmcompose.model.units import FIREWALLS, command_line, unit_word

UNITS = "/etc/systemd/system"
SCHEMA_VERSION = 1
_MARK = "# Written by `vmm autostart` for the data folder"
_TIMEOUT_S = 60


def read_enabled(paths: Paths) -> Enabled:
    """What is enabled; nothing where nobody ever enabled anything.

    Raises:
        HostError: the list cannot be read.
    """
    path = str(paths.autostart())
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        return Enabled(tuple(map(str, value["projects"])), tuple(map(str, value["vms"])))
    except FileNotFoundError:
        return Enabled()
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is damaged ({error})"
        hint = f"delete {path} and enable again what is to start at boot"
        raise HostError(f"cannot read what is started at boot: {why}", hint=hint) from error


def write_enabled(paths: Paths, enabled: Enabled) -> None:
    """Keeps what is enabled; an empty list is no file.

    Raises:
        HostError: it could not be written.
    """
    path = paths.autostart()
    if enabled == Enabled():
        _unlink(str(path))
        return
    value = {"schema_version": SCHEMA_VERSION, "projects": enabled.projects, "vms": enabled.vms}
    make_dir(paths.root, 0o755)
    make_dir(paths.state(), 0o755)
    write_atomic(path, (json.dumps(value, indent=1) + "\n").encode())


def unit_name(settings: Settings) -> str:
    """The unit of this data folder; another than the default has a hash of its path in the name."""
    if settings.data_dir == Settings().data_dir:
        return "vmm-autostart.service"
    digest = hashlib.sha256(settings.data_dir.encode()).hexdigest()[:8]
    return f"vmm-autostart-{digest}.service"


def unit_text(settings: Settings, environment: Mapping[str, str]) -> str:
    """The unit. `environment` holds the settings of whoever enables: at boot there is no such user.

    Guests are in scopes of their own; KillMode=process leaves alone even one that could not be put there.
    """
    data_dir = settings.data_dir
    program = (sys.executable, "-P", "-m", "vmmcompose", "--data-dir", data_dir, "autostart", "run")
    lines = [
        f"{_MARK} {data_dir}",
        "# `vmm autostart disable` removes it.",
        "[Unit]",
        "Description=VMs of vmm that ran when the host went down",
        f"After=network-online.target {FIREWALLS}",
        "Wants=network-online.target",
        f"RequiresMountsFor={unit_word(data_dir)}",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "KillMode=process",
        "TimeoutStartSec=infinity",
        *(f"Environment={unit_word(f'{name}={value}')}" for name, value in sorted(environment.items())),
        f"ExecStart={command_line(program)}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def install_unit(settings: Settings, environment: Mapping[str, str]) -> str:
    """Writes the unit and has systemd start it at boot; gives its path. Doing it again changes nothing.

    Raises:
        HostUnfit: there is no systemd here.
        HostError: the unit could not be written, or systemd refused it.
    """
    name = unit_name(settings)
    path = f"{UNITS}/{name}"
    if not find_program("systemctl") or not os.path.isdir(UNITS):
        hint = "have your init run `vmm autostart run` after the network is up; the list has been kept"
        raise HostUnfit("there is no systemd on this host", hint=hint)
    refuse_stranger(path, settings)
    write_atomic(path, unit_text(settings, environment).encode())
    _reload()
    _systemctl("enable", "--quiet", name)
    return path


def remove_unit(settings: Settings) -> bool:
    """Removes the unit and its link; whether it was there. VMs that it brought up run on.

    Raises:
        HostError: systemd refused, or a unit of that name is somebody else's.
    """
    name = unit_name(settings)
    path = f"{UNITS}/{name}"
    wanted = f"{UNITS}/multi-user.target.wants/{name}"
    there = os.path.lexists(path)
    if there:
        refuse_stranger(path, settings)
    if not there and not os.path.islink(wanted):
        return False
    # The link first: a unit without one is harmless, and the next run finds it.
    _unlink(wanted)
    _unlink(path)
    _reload()
    if booted_with_systemd():
        with suppress(HostError):  # one that had not failed has nothing to forget
            _systemctl("reset-failed", name)
    return there


def refuse_stranger(path: str, settings: Settings) -> None:
    """Refuses a unit file that this data folder's `vmm` did not write.

    Raises:
        HostError: it is somebody else's, or cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            first = file.readline().rstrip("\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error
    if first != f"{_MARK} {settings.data_dir}":
        raise HostError(f"{path} was not written by this vmm", hint="move it away, then try again")


def unit_installed(settings: Settings) -> bool:
    """Whether systemd will run the unit at boot."""
    name = unit_name(settings)
    return os.path.exists(f"{UNITS}/{name}") and os.path.islink(f"{UNITS}/multi-user.target.wants/{name}")


def _reload() -> None:
    if booted_with_systemd():
        _systemctl("daemon-reload")


def _systemctl(*arguments: str) -> None:
    command = ["systemctl", "--no-ask-password", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(f"systemctl could not be run: {error}") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise HostError(f"systemctl {' '.join(arguments)} failed: {said}")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"cannot delete {path}: {error.strerror}") from error
