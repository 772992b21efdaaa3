"""Public keys: who may log in."""

import binascii
from typing import Any

from vmmcompose.manifest.locations import host_path
from vmmcompose.manifest.report import BAD, BadValueError, Report, has_control, quoted
from vmmcompose.manifest.source import At

_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""What sshd takes by default (sshd_config(5), PubkeyAcceptedAlgorithms)."""
_PREFIXES = ("ssh-", "ecdsa-", "sk-")
_LONGEST = 16_384
_LEAST = {"ssh": 32, "ecdsa": 65, "sk": 4}
"""Bytes of a key's last field: an Ed25519 point or a modulus, a point on a NIST curve, a token's `ssh:`."""


def ssh_key(text: str, base_dir: str) -> str:
    """A public key line, or the absolute path of a file that holds some.

    Raises:
        BadValueError: neither.
    """
    if "PRIVATE KEY" in text:
        hint = "take it out of the file and put the public half in its place: the line in the `.pub` file"
        raise BadValueError("ssh-key", "is a private key, which must not leave its owner", hint)
    words = text.split(maxsplit=2)
    if len(words) > 1 and words[0].startswith(_PREFIXES):
        return _key_line(text, words)
    return host_path(text, base_dir)


def ssh_keys(values: list[Any], at: At, report: Report, base_dir: str) -> tuple[str, ...]:
    """All keys of a list, sorted, each once."""
    found = [
        report.attempt((*at, i), ssh_key, value, base_dir)
        for i, value in enumerate(values)
        if value is not BAD
    ]
    return tuple(sorted({key for key in found if key}))


def _key_line(text: str, words: list[str]) -> str:
    kind, blob, comment = words[0], words[1], words[2].strip() if len(words) > 2 else ""
    if kind not in _TYPES:
        raise BadValueError(
            "ssh-key", f"is a key of the type {quoted(kind)}, which sshd refuses", "use `ssh-ed25519`"
        )
    if has_control(comment) or len(text) > _LONGEST:
        raise BadValueError("ssh-key", "must be one public key on one line", "give each key its own entry")
    try:
        data = binascii.a2b_base64(blob.encode("ascii"), strict_mode=True)
    except ValueError:
        data = b""
    fields = _fields(data)
    if len(fields) < 2 or fields[0] != kind.encode() or len(fields[-1]) < _LEAST[kind.partition("-")[0]]:
        raise BadValueError(
            "ssh-key", f"is no {kind} key: what follows the type is damaged", "copy the line again"
        )
    return f"{kind} {blob} {comment}".rstrip()


def _fields(data: bytes) -> list[bytes]:
    """The strings of a key blob (RFC 4253, section 6.6), or none if they do not fill it exactly."""
    fields, position = [], 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        fields.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return fields if position == len(data) else []
