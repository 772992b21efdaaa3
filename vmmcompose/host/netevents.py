"""What the kernel tells of links, addresses and rules as they change: netlink multicast, without asking again.

rtnetlink(7) tells of links and addresses, nf_tables of every change of its rules, which are those of iptables too
where it is built on them (all but `iptables-legacy`, of whose changes nobody is told).
"""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

# include/uapi/linux/rtnetlink.h, netlink.h, netfilter/nfnetlink.h, if_link.h, if_addr.h
_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR = 0x1, 0x10
_NETLINK_NETFILTER, _NFNLGRP_NFTABLES = 12, 7
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR = 16, 17, 20, 21
_LEGACY_TABLES = "/proc/thread-self/net/ip_tables_names"
_NAME_ATTRIBUTE = 3  # IFLA_IFNAME and IFA_LABEL are the same number
_BODY = {_NEWLINK: 16, _DELLINK: 16, _NEWADDR: 8, _DELADDR: 8}
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 65536
ANY = "*"
"""In place of a name: what it was is not known."""


def link_events() -> socket.socket:
    """A socket that is readable when a link or an IPv4 address of this network namespace changes."""
    return _bound(socket.NETLINK_ROUTE, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR)


def rule_events() -> socket.socket | None:
    """A socket that is readable when rules of nf_tables change; None where they cannot be listened to."""
    with suppress(OSError):
        return _bound(_NETLINK_NETFILTER, 1 << (_NFNLGRP_NFTABLES - 1))
    return None


def legacy_tables() -> bool:
    """Whether this network namespace has rules of `iptables-legacy`: the kernel lists the tables in use."""
    try:
        with open(_LEGACY_TABLES, encoding="ascii") as file:
            return bool(file.read(1))
    except OSError:  # the kernel has no such rules
        return False


def drain(events: socket.socket) -> None:
    """Reads away what there is."""
    for _ in _messages(events):
        pass


def changed_links(events: socket.socket) -> set[str]:
    """The names of the links that changed; `ANY` among them where some were missed."""
    return {name for data in _messages(events) for name in _names(data)}


def _bound(family: int, groups: int) -> socket.socket:
    flags = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    events = socket.socket(socket.AF_NETLINK, flags, family)
    try:
        events.bind((0, groups))
    except OSError:
        events.close()
        raise
    return events


def _messages(events: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            data = events.recv(_BUFFER)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield b""  # the queue ran over
        else:
            yield data


def _names(data: bytes) -> Iterator[str]:
    if not data:
        yield ANY
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            return
        if kind in _BODY:
            yield _name(data[at + _HEADER.size + _BODY[kind] : at + length])
        at += length + 3 & ~3


def _name(attributes: bytes) -> str:
    at = 0
    while at + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if length < _ATTRIBUTE.size:
            break
        if kind == _NAME_ATTRIBUTE:
            return attributes[at + _ATTRIBUTE.size : at + length].rstrip(b"\0").decode(errors="replace")
        at += length + 3 & ~3
    return ANY
