"""What the host was like before `vmm` turned forwarding on: written down first, restored last."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from vmmcompose.errors import HostError
from vmmcompose.host import sysctl
from vmmcompose.host.files import make_dir, write_atomic
from vmmcompose.host.process import boot_id
from vmmcompose.model.observed import Link
from vmmcompose.model.paths import Paths

SCHEMA_VERSION = 1
_ROUTERS = ("bridge", "wireguard")
"""Kinds of links whose users need forwarding as well."""


@dataclass(frozen=True, slots=True)
class Before:
    """The host before us."""

    namespace: str
    """Boot and network namespace this was seen in; elsewhere it means nothing."""
    ip_forward: str
    routers: tuple[str, ...] = ()
    """Links of others that may need forwarding, so that one that came later is noticed."""


def remember(paths: Paths, links: Mapping[str, Link]) -> None:
    """Writes down what `restore` needs, unless that was done before in this boot and namespace.

    Raises:
        HostError: it could not be written.
    """
    namespace = _namespace()
    known = _read(paths)
    if known is not None and known.namespace == namespace:
        return
    before = Before(namespace, sysctl.read_switch(sysctl.FORWARDING), _routers(links))
    content = {"schema_version": SCHEMA_VERSION, **asdict(before)}
    make_dir(paths.state(), 0o755)
    write_atomic(paths.network_state(), json.dumps(content, indent=2).encode() + b"\n", mode=0o644)


def restore(paths: Paths, links: Mapping[str, Link], own: str) -> None:
    """Turns forwarding off again if it was off before us and nobody else came to need it.

    Whoever came later and found forwarding on (a container engine, another vmm) did not have to turn it on,
    so it stays on where a bridge or VPN link is there that was not there before; `own` is our bridge.

    Raises:
        HostError: the kernel refused, or the file could not be deleted.
    """
    before = _read(paths)
    if before is not None and before.namespace == _namespace() and before.ip_forward == "0":
        newcomers = set(_routers(links)) - set(before.routers) - {own}
        if not newcomers and sysctl.forwarding():
            sysctl.write_switch(sysctl.FORWARDING, "0")
    try:
        os.unlink(paths.network_state())
    except FileNotFoundError:
        pass
    except OSError as error:
        raise HostError(f"could not delete {paths.network_state()}: {error.strerror}") from error


def _routers(links: Mapping[str, Link]) -> tuple[str, ...]:
    return tuple(sorted(link.name for link in links.values() if link.kind in _ROUTERS))


def _read(paths: Paths) -> Before | None:
    """None too for a file nobody can read: then nothing is restored, which is the harmless side."""
    try:
        with open(paths.network_state(), encoding="utf-8") as file:
            content = json.load(file)
        return Before(content["namespace"], content["ip_forward"], tuple(content["routers"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _namespace() -> str:
    return f"{boot_id()}:{os.stat('/proc/thread-self/ns/net').st_ino}"
