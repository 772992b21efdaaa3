"""The settings one by one: what each is called, which variable overrides it, and what will do for it."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from vmmcompose.host.identity import invoking_user
from vmmcompose.model.desired import CPUS, DISK_MIB, MEMORY_MIB
from vmmcompose.model.paths import LINK_LIMIT, SOCKET_LIMIT

Data = str | int | tuple[str, ...]
"""A setting's value; which of the three is the key's `kind`."""
Kind = Literal["text", "number", "list"]
Verdict = tuple[str, str]
"""What is wrong with a value (empty: nothing) and a hint."""

HYPERVISORS = ("auto", "firecracker", "qemu")
FOREIGN = {
    "kernel_path": "`vmm kernel import PATH` and vm_defaults.kernel take its place",
    "rootfs_path": "`vmm image import` and vm_defaults.image take its place",
}
"""Keys that the Go tool baremetalvmm writes into the same file; they mean nothing here, and are empty as a rule."""
_SOCKET = "/sockets/0123456789ab.sock"
"""What follows `data_dir` in the longest socket path: a VM's id has 12 hex digits."""
_ODD = "[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]"
"""Control characters, and halves of surrogate pairs that do not stand for a byte of a file's name."""
_NAME_SERVERS = 3
"""More are not asked by a resolver (resolv.conf(5))."""


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `check` takes a value of the right kind, which is never empty."""

    name: str
    variable: str
    check: Callable[[Any], Verdict]
    kind: Kind = "text"


def nearest(word: str, known: Sequence[str]) -> str:
    """`did you mean …?`, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def from_text(key: Key, text: str) -> tuple[Data, Verdict]:
    """A value as a variable or a command line says it: a number in digits, a list with commas."""
    text = text.strip()
    if key.kind == "list":
        return tuple(word.strip() for word in text.split(",") if word.strip()), ("", "")
    if key.kind == "text":
        return text, ("", "")
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text), ("", "")
    return text, (f"is {text!r}, which is no whole number", _number_hint(key, text))


def from_json(key: Key, value: object) -> tuple[Data, Verdict]:
    """A value as the file has it."""
    if key.kind == "number":
        if isinstance(value, int) and not isinstance(value, bool):
            return value, ("", "")
        return 0, ("must be a whole number", _number_hint(key, value))
    if key.kind == "list":
        if type(value) is list and all(isinstance(word, str) for word in value):
            return tuple(value), ("", "")
        return (), ("must be a list of strings", f'write ["{value}"]' if isinstance(value, str) else "")
    return (value, ("", "")) if isinstance(value, str) else ("", ("must be a string", ""))


def checked(key: Key, data: Data) -> Verdict:
    """What is wrong with a value of the right kind."""
    words = data if isinstance(data, tuple) else (data,)
    for word in words:
        if isinstance(word, str) and re.search(_ODD, word):
            return f"is {word!r}, which holds a control character", ""
    return key.check(data)


def _number_hint(key: Key, value: object) -> str:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return "take away the quotes"
    return "without a unit: it counts MiB" if key.name.endswith("_mb") else ""


def _whole(path: str) -> str:
    """The path a user probably means; `~` is their home, not root's."""
    home = invoking_user(os.environ).home
    return os.path.abspath(home + path[1:] if path == "~" or path.startswith("~/") else path)


def _data_dir(text: str) -> Verdict:
    if not text.startswith("/"):
        return f"is {text!r}, which is not an absolute path", f"write {_whole(text)}"
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
    if text in {".", ".."} or any(c in "/:%" or c.isspace() or not c.isprintable() for c in text):
        return f"is {text!r}, which is no name for a link", "letters, digits, `-`, `_` and `.` are fine"
    return "", ""


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


def _gateway(text: str) -> Verdict:
    import ipaddress

    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return f"is {text!r}, which is no IPv4 address", "e.g. the first address of the subnet"
    return "", ""


def _hypervisor(text: str) -> Verdict:
    if text in HYPERVISORS:
        return "", ""
    hint = nearest(text, HYPERVISORS) or f"choose one of {', '.join(HYPERVISORS)}"
    return f"is {text!r}, which is no hypervisor", hint


def _anything(_text: str) -> Verdict:
    return "", ""


def _repositories(names: tuple[str, ...]) -> Verdict:
    form = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*/[A-Za-z0-9._-]+")
    for name in names:
        if not form.fullmatch(name) or name.endswith(("/.", "/..")):
            near = re.sub(r"^(https?://)?(www\.)?github\.com/|(\.git)?/?$", "", name)
            hint = f"did you mean {near!r}?" if near != name and form.fullmatch(near) else "e.g. 'ada/images'"
            return f"holds {name!r}, which is no OWNER/NAME of a GitHub repository", hint
    return "", ""


def _from_to(least: int, most: int) -> Callable[[int], Verdict]:
    def check(number: int) -> Verdict:
        wrong = "" if least <= number <= most else f"is {number}; it must be from {least} to {most}"
        return wrong, ""

    return check


def _stored(text: str) -> Verdict:
    if text.startswith("/") or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        return "", ""
    if text.startswith((".", "~")):
        return f"is {text!r}, which is not an absolute path", f"write {_whole(text)}"
    return f"is {text!r}, which is no name in the store and no path", "a path begins with `/`"


def _key_file(text: str) -> Verdict:
    if text.startswith(("/", "~/")):
        return "", ""
    return f"is {text!r}, which is not an absolute path", "begin it with `/`, or with `~/` for your home"


def _name_servers(addresses: tuple[str, ...]) -> Verdict:
    import ipaddress

    for address in addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return f"holds {address!r}, which is no IP address", "e.g. 1.1.1.1"
    too_many = len(addresses) > _NAME_SERVERS
    return (f"holds {len(addresses)} addresses", f"a resolver asks {_NAME_SERVERS}") if too_many else ("", "")


_DEFAULTS = "vm_defaults."
KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key("data_dir", "VMM_DATA_DIR", _data_dir),
        Key("bridge_name", "VMM_BRIDGE_NAME", _link),
        Key("subnet", "VMM_SUBNET", _subnet),
        Key("gateway", "VMM_GATEWAY", _gateway),
        Key("host_interface", "VMM_HOST_INTERFACE", _link),
        Key("hypervisor", "VMM_HYPERVISOR", _hypervisor),
        Key("firecracker_binary", "VMM_FIRECRACKER", _anything),
        Key("qemu_binary", "VMM_QEMU", _anything),
        Key("release_repos", "VMM_RELEASE_REPOS", _repositories, "list"),
        Key(f"{_DEFAULTS}cpus", "VMM_CPUS", _from_to(*CPUS), "number"),
        Key(f"{_DEFAULTS}memory_mb", "VMM_MEMORY_MB", _from_to(*MEMORY_MIB), "number"),
        Key(f"{_DEFAULTS}disk_size_mb", "VMM_DISK_SIZE_MB", _from_to(*DISK_MIB), "number"),
        Key(f"{_DEFAULTS}image", "VMM_IMAGE", _stored),
        Key(f"{_DEFAULTS}kernel", "VMM_KERNEL", _stored),
        Key(f"{_DEFAULTS}ssh_key_path", "VMM_SSH_KEY_PATH", _key_file),
        Key(f"{_DEFAULTS}dns_servers", "VMM_DNS_SERVERS", _name_servers, "list"),
    )
}
"""All settings by name. An empty value counts as not set, wherever it comes from."""
GROUP = _DEFAULTS.rstrip(".")
"""The one name in the file that holds settings of its own."""
