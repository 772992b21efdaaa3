"""SSH keys: the one `vmm` logs in with, and one host key per VM that `vmm ssh` insists on.

ssh-keygen makes them in a temporary folder; link(2) gives a key its name and fails when another process was
quicker, whose key is then used. The public half is read out of the private file (PROTOCOL.key of OpenSSH), so
the two can never disagree.
"""

import base64
import os
import struct
import subprocess
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.files import PathLike, failed, make_dir, remove_tree, sync_dir, temp_path, write_atomic
from vmmcompose.model.paths import Paths

_MAGIC = b"openssh-key-v1\0"


def managed_key(paths: Paths) -> str:
    """The public line of the key `vmm` logs in with; made on first use.

    Raises:
        HostUnfit: ssh-keygen is not installed.
        HostError: the key cannot be made or read.
    """
    make_dir(paths.ssh_dir(), 0o711)
    return _key(Path(paths.managed_key()), "vmm")[1]


def host_key(paths: Paths, name: str) -> tuple[bytes, str]:
    """A VM's own host key (private file, public line); made on first use. Keeps its known_hosts file right.

    `name` is the VM's name on the host, under which known_hosts has it (HostKeyAlias).

    Raises:
        HostUnfit: ssh-keygen is not installed.
        HostError: the key cannot be made or read.
    """
    make_dir(paths.vm_dir(name), 0o711)
    private, public = _key(Path(paths.host_key(name)), name)
    known = Path(paths.known_hosts(name))
    line = f"{name} {' '.join(public.split()[:2])}\n".encode()
    if _read(known) != line:
        make_dir(paths.ssh_dir(), 0o711)
        make_dir(known.parent, 0o711)
        write_atomic(known, line, 0o644)
    return private, public


def _key(path: Path, comment: str) -> tuple[bytes, str]:
    private = _read(path)
    if private is None:
        _make(path, comment)
        private = _read(path)
    if private is None:
        raise HostError(f"the key {path} vanished while it was read", hint="try again")
    public = f"{_public(path, private)} {comment}"
    public_file = path.with_name(f"{path.name}.pub")
    if _read(public_file) != f"{public}\n".encode():
        write_atomic(public_file, f"{public}\n".encode(), 0o644)
    return private, public


def _make(path: Path, comment: str) -> None:
    folder = temp_path(path)
    remove_tree(folder)
    make_dir(folder, 0o700)
    try:
        _generate(folder / "key", comment)
        os.link(folder / "key", path)
        sync_dir(path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise failed(f"cannot make the key {path}", error) from error
    finally:
        remove_tree(folder)


def _generate(path: Path, comment: str) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    try:
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise HostUnfit("ssh-keygen is not installed", hint="install the package openssh-client") from error
    if result.returncode != 0:
        raise HostError(f"cannot make the key {path}: {result.stderr.decode(errors='replace').strip()}")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _public(path: Path, private: bytes) -> str:
    """The public line in a private key file without a passphrase."""
    try:
        body = b"".join(line for line in private.splitlines() if not line.startswith(b"-----"))
        blob = base64.b64decode(body, validate=True)
        magic, rest = blob[: len(_MAGIC)], blob[len(_MAGIC) :]
        for _ in range(3):
            _, rest = _string(rest)
        public, _ = _string(rest[4:])
        kind = _string(public)[0].decode("ascii")
    except (ValueError, struct.error) as error:
        raise _damaged(path) from error
    if magic != _MAGIC:
        raise _damaged(path)
    return f"{kind} {base64.b64encode(public).decode('ascii')}"


def _damaged(path: Path) -> HostError:
    hint = f"delete {path} and run the command again; a VM gets its new key when it restarts"
    return HostError(f"the key {path} is damaged", hint=hint)


def _string(data: bytes) -> tuple[bytes, bytes]:
    """A length-prefixed string (RFC 4251) and what follows it."""
    (length,) = struct.unpack_from(">I", data)
    if length > len(data) - 4:
        raise ValueError("cut short")
    return data[4 : 4 + length], data[4 + length :]


def _read(path: PathLike) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise failed(f"cannot read {os.fspath(path)}", error) from error
