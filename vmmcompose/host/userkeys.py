"""The invoking user's own SSH keys: whose public halves a VM may get, and with which `vmm ssh` logs in.

Everything is looked at with that user's rights, so that a link in their home cannot lead root to a file that they
may not read themselves.
"""

import binascii
from collections.abc import Mapping

from vmmcompose.errors import UsageError
from vmmcompose.host.identity import User, acting_as, invoking_user, read_regular

USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Names of private keys in `~/.ssh`; the public half has `.pub` behind it."""
_LIMIT = 256 * 1024
_KINDS = ("ssh-", "ecdsa-", "sk-")


def user_public_keys(environ: Mapping[str, str], key_path: str = "") -> tuple[str, ...]:
    """The user's public key lines: those in `key_path` where that is set, else of the usual files that exist.

    `key_path` is the setting `vm_defaults.ssh_key_path`; a private key's path stands for the public half beside it.

    Raises:
        UsageError: `key_path` holds no public key.
    """
    user = invoking_user(environ)
    with acting_as(user):
        if key_path:
            return _named(key_path)
        found = [_keys(f"{user.home}/.ssh/{name}.pub") for name in USUAL]
    return tuple(dict.fromkeys(key for keys in found for key in keys))


def user_identities(environ: Mapping[str, str], key_path: str = "") -> tuple[str, ...]:
    """Files for ssh's IdentityFile, best first: private keys, and with an agent public ones it may know."""
    user = invoking_user(environ)
    agent = bool(environ.get("SSH_AUTH_SOCK"))
    with acting_as(user):
        found = [_identity(private, agent=agent) for private in _private_paths(user, key_path)]
    return tuple(dict.fromkeys(path for path in found if path))


def _private_paths(user: User, key_path: str) -> list[str]:
    named = [key_path.removesuffix(".pub")] if key_path else []
    return [*named, *(f"{user.home}/.ssh/{name}" for name in USUAL)]


def _identity(private: str, *, agent: bool) -> str:
    if b"PRIVATE KEY" in _content(private):
        return private
    return f"{private}.pub" if agent and _keys(f"{private}.pub") else ""


def _named(path: str) -> tuple[str, ...]:
    try:
        data = read_regular(path, _LIMIT)
        if b"PRIVATE KEY" in data:
            path = f"{path}.pub"
            data = read_regular(path, _LIMIT)
    except OSError as error:
        raise UsageError(
            f"the public key {path} cannot be read: {error.strerror}",
            hint="name a public key file that you may read, for a VM or as the setting vm_defaults.ssh_key_path",
        ) from error
    keys = _lines(data)
    if not keys:
        raise UsageError(f"{path} holds no public key", hint="the file that is meant usually ends in .pub")
    return keys


def _keys(path: str) -> tuple[str, ...]:
    return _lines(_content(path))


def _content(path: str) -> bytes:
    try:
        return read_regular(path, _LIMIT)
    except (OSError, ValueError):
        return b""


def _lines(data: bytes) -> tuple[str, ...]:
    """The public keys in a file's bytes; what else is there is passed over."""
    lines = (line.strip() for line in data.decode("utf-8", "replace").splitlines())
    return tuple(dict.fromkeys(line for line in lines if _is_key(line)))


def _is_key(line: str) -> bool:
    words = line.split()
    if len(words) < 2 or not words[0].startswith(_KINDS) or not line.isprintable():
        return False
    try:
        blob = binascii.a2b_base64(words[1].encode("ascii"), strict_mode=True)
    except ValueError:
        return False
    kind = words[0].encode()
    return blob[: 4 + len(kind)] == len(kind).to_bytes(4, "big") + kind
