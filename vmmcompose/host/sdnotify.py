"""Telling systemd how a service is doing: sd_notify(3), a datagram to the socket that it names."""

import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(environ: Mapping[str, str], **fields: str) -> None:
    """Sends `READY="1"`, `STATUS="…"` and the like; nothing where no service manager asks for it."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    text = "\n".join(f"{name}={value}" for name, value in fields.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(text.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
