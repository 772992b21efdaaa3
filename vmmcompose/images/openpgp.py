"""One certificate out of a keyring, told by its fingerprint: enough to trust a file from anywhere (RFC 4880)."""

import hashlib
from collections.abc import Iterator

_PUBLIC_KEY = 6
"""The packet that a certificate begins with."""


def certificate(keyring: bytes, fingerprint: str) -> bytes:
    """The certificate with this fingerprint (40 hex digits) as a keyring of its own; empty when it is not there."""
    found = b""
    taking = False
    for tag, body, whole in _packets(keyring):
        if tag == _PUBLIC_KEY:
            digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
            taking = len(body) < 1 << 16 and digest.hexdigest() == fingerprint.lower()
        if taking:
            found += whole
    return found


def _packets(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(tag, body, the packet with its header) of each packet, up to the first that makes no sense."""
    at = 0
    while at + 2 <= len(data) and data[at] & 0x80:
        first = data[at]
        if first & 0x40:
            tag, (size, head) = first & 0x3F, _new_length(data, at + 1)
        else:
            octets = 1 << (first & 3)
            tag, size, head = first >> 2 & 0xF, int.from_bytes(data[at + 1 : at + 1 + octets], "big"), octets
        start = at + 1 + head
        if not head or head > 5 or start + size > len(data):
            return
        yield tag, data[start : start + size], data[at : start + size]
        at = start + size


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """A length in the new form and how many bytes it takes; (0, 0) for one in parts, which keys do not have."""
    first = data[at]
    if first < 192:
        return first, 1
    if first < 224 and at + 1 < len(data):
        return (first - 192 << 8) + data[at + 1] + 192, 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5], "big"), 5
    return 0, 0
