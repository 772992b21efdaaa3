"""The settings: flag, then environment, then `config.json`, then what is built in. Nothing is ever created.

What is wrong with them is reported all at once, each fault with the place it came from.
"""

import json
import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vmmcompose.errors import UsageError
from vmmcompose.model.paths import LINK_LIMIT, SOCKET_LIMIT
from vmmcompose.model.problem import Place, Problem
from vmmcompose.model.settings import Settings

ENVIRONMENT: Mapping[str, str] = {
    "data_dir": "VMM_DATA_DIR",
    "bridge_name": "VMM_BRIDGE_NAME",
    "subnet": "VMM_SUBNET",
    "gateway": "VMM_GATEWAY",
    "host_interface": "VMM_HOST_INTERFACE",
    "hypervisor": "VMM_HYPERVISOR",
    "firecracker_binary": "VMM_FIRECRACKER",
    "qemu_binary": "VMM_QEMU",
}
"""Setting to the variable that overrides it; an empty variable counts as not set."""

HYPERVISORS = ("auto", "firecracker", "qemu")
_SOCKET = "/sockets/0123456789ab.sock"
"""What follows `data_dir` in the longest socket path: a VM's id has 12 hex digits."""


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's text and where it came from, for messages."""

    text: str
    origin: str


def load_settings(
    data_dir: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
) -> Settings:
    """The settings of this run; `data_dir` is the flag. `environ` and `config` default to this process's own.

    Raises:
        UsageError: they are not valid; all problems are in it.
    """
    env = os.environ if environ is None else environ
    path = config_path(env) if config is None else config
    problems: list[Problem] = []
    values = _read_file(path, problems)
    for name, variable in ENVIRONMENT.items():
        if env.get(variable):
            values[name] = Value(env[variable], variable)
    if data_dir is not None:
        values["data_dir"] = Value(data_dir, "--data-dir")
    checked = _check(values, problems)
    if problems:
        raise UsageError("the settings are not valid", problems=problems)
    chosen: dict[str, Any] = dict(checked)
    return Settings(**chosen)


def config_path(env: Mapping[str, str]) -> str:
    """Where `config.json` is looked for: the user's own, also when the command runs under sudo."""
    base = env.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{home(env)}/.config"
    return f"{base}/vmm/config.json"


def home(env: Mapping[str, str]) -> str:
    """The user's home folder. Under sudo that of SUDO_USER, from the passwd database: homes lie anywhere."""
    user = env.get("SUDO_USER", "")
    if user and os.geteuid() == 0:
        try:
            return pwd.getpwnam(user).pw_dir
        except KeyError:
            pass
    return env.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir


def _read_file(path: str, problems: list[Problem]) -> dict[str, Value]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problems.append(Problem("settings.unreadable", f"{path} cannot be read: {why}"))
        return {}
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        line = text.splitlines()[error.lineno - 1] if text.splitlines() else ""
        place = Place(path, error.lineno, error.colno, error.colno + 1, line)
        problems.append(Problem("settings.json", f"not valid JSON: {error.msg}", place=place))
        return {}
    if not isinstance(pairs, _Pairs):
        problems.append(
            Problem("settings.shape", f"{path} must hold a JSON object", hint='e.g. {"data_dir": "/srv/vmm"}')
        )
        return {}
    return _take(pairs, path, problems)


class _Pairs(list[tuple[str, object]]):
    """A JSON object with its duplicates."""


def _take(pairs: _Pairs, path: str, problems: list[Problem]) -> dict[str, Value]:
    known = list(ENVIRONMENT)
    values: dict[str, Value] = {}
    for name, value in pairs:
        if name not in known:
            hint = _nearest(name, known) or f"known are {', '.join(known)}"
            problems.append(Problem("settings.unknown", f"{path}: unknown setting {name!r}", hint=hint))
        elif name in values:
            problems.append(Problem("settings.duplicate", f"{path}: {name!r} is there twice"))
        elif not isinstance(value, str):
            problems.append(Problem("settings.type", f"{path}: {name!r} must be a string"))
        else:
            values[name] = Value(value, f"{path}: {name!r}")
    return values


def _check(values: Mapping[str, Value], problems: list[Problem]) -> dict[str, str]:
    for name, check in _CHECKS.items():
        if name in values:
            message, hint = check(values[name].text)
            if message:
                problems.append(Problem(f"settings.{name}", f"{values[name].origin} {message}", hint=hint))
    checked = {name: value.text for name, value in values.items()}
    if any(problem.code == "settings.subnet" for problem in problems):
        return checked
    return _check_gateway(values, checked, problems)


def _check_gateway(
    values: Mapping[str, Value], checked: dict[str, str], problems: list[Problem]
) -> dict[str, str]:
    import ipaddress

    built_in = Settings()
    subnet = ipaddress.IPv4Network(checked.get("subnet", built_in.subnet))
    first = str(subnet[1])
    if "gateway" not in values:
        return {**checked, "gateway": first}
    text, origin = values["gateway"].text, values["gateway"].origin
    why = ""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        why = f"is {text!r}, which is no IPv4 address"
    else:
        if address not in subnet:
            why = f"is {text}, which is not in the subnet {subnet}"
        elif address in (subnet.network_address, subnet.broadcast_address):
            why = f"is {text}, the network's own or its broadcast address"
    if why:
        problems.append(Problem("settings.gateway", f"{origin} {why}", hint=f"e.g. {first}"))
    return checked


def _nearest(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


Verdict = tuple[str, str]
"""What is wrong with a value (empty: nothing) and a hint."""


def _data_dir(text: str) -> Verdict:
    if not text.startswith("/"):
        whole = os.path.abspath(os.path.expanduser(text))
        return f"is {text!r}, which is not an absolute path", f"write {whole}"
    if "\0" in text or "\n" in text:
        return "holds a control character", ""
    size = len((str(PurePosixPath(text)) + _SOCKET).encode(errors="surrogateescape"))
    if size > SOCKET_LIMIT:
        too_long = size - SOCKET_LIMIT
        hint = f"a Unix socket's path has at most {SOCKET_LIMIT} bytes; make it {too_long} bytes shorter"
        return "is too long: the VMs' control sockets lie below it", hint
    return "", ""


def _link(text: str) -> Verdict:
    size = len(text.encode(errors="surrogateescape"))
    if size > LINK_LIMIT:
        return f"is {text!r}, {size} bytes long", f"a link's name has at most {LINK_LIMIT} bytes"
    if not text or text in {".", ".."} or any(c in "/:%" or c.isspace() or not c.isprintable() for c in text):
        return f"is {text!r}, which is no name for a link", "letters, digits, `-`, `_` and `.` are fine"
    return "", ""


def _host_interface(text: str) -> Verdict:
    return _link(text) if text else ("", "")


def _subnet(text: str) -> Verdict:
    import ipaddress

    example = "e.g. 172.16.0.0/16"
    if "/" not in text:
        return f"is {text!r}, which has no prefix length", example
    try:
        interface = ipaddress.IPv4Interface(text)
    except ValueError:
        return f"is {text!r}, which is no IPv4 network", example
    if interface.network.network_address != interface.ip:
        return f"is {text}, an address inside a network", f"did you mean {interface.network}?"
    if interface.network.prefixlen > 30:
        return f"is {text}, which has no room for a gateway and a VM", "use a prefix length of 30 or less"
    return "", ""


def _hypervisor(text: str) -> Verdict:
    if text in HYPERVISORS:
        return "", ""
    hint = _nearest(text, HYPERVISORS) or f"choose one of {', '.join(HYPERVISORS)}"
    return f"is {text!r}, which is no hypervisor", hint


def _binary(text: str) -> Verdict:
    return ("", "") if text and "\0" not in text else ("is empty", "give a program's name or its path")


_CHECKS: Mapping[str, Callable[[str], Verdict]] = {
    "data_dir": _data_dir,
    "bridge_name": _link,
    "subnet": _subnet,
    "host_interface": _host_interface,
    "hypervisor": _hypervisor,
    "firecracker_binary": _binary,
    "qemu_binary": _binary,
}
