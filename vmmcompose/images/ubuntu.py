"""The file tree of the image `ubuntu-24.04`: systemd, an SSH server, and what a guest of vmm needs not masked.

Ubuntu's packages are signed with a key that hosts other than Ubuntu may not have. It is then taken from Ubuntu's own
package `ubuntu-keyring`, fetched from the mirror without any check but one: its fingerprint is the one below.
"""

import gzip
import os
import platform
from pathlib import Path

from vmmcompose.errors import HostError, RemoteError, UsageError
from vmmcompose.host.download import download
from vmmcompose.images import debian, openpgp, packages, systemd
from vmmcompose.images.packages import Progress

MIRROR_VARIABLE = "VMM_UBUNTU_MIRROR"
_MIRRORS = {"x86_64": "http://archive.ubuntu.com/ubuntu", "aarch64": "http://ports.ubuntu.com/ubuntu-ports"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SUITE = "noble"
_POCKETS = (_SUITE, f"{_SUITE}-updates", f"{_SUITE}-security")
_KEYRING = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
_FINGERPRINT = "F6ECB3762474EDA9D21B7022871920D1991BC93C"
"""Ubuntu Archive Automatic Signing Key (2018), which has signed every release since 18.04."""
_LIST_LIMIT = 256 << 20


def make_tree(tree: Path, work: Path, on_progress: Progress) -> dict[str, str]:
    """Fills `tree` with mmdebstrap; gives package names with versions.

    The mirror is that of the variable `VMM_UBUNTU_MIRROR`, else Ubuntu's own.

    Raises:
        UsageError: the variable is no address of a mirror.
        HostUnfit: mmdebstrap is not installed.
        HostError: a package could not be fetched, or what was fetched is not Ubuntu's.
    """
    url = mirror()
    keyring = _KEYRING if _KEYRING.exists() else _fetch_key(url, work, on_progress)
    sources = tuple(f"deb {url} {pocket} main universe" for pocket in _POCKETS)
    on_progress(f"fetching and unpacking Ubuntu {_SUITE} from {url} with mmdebstrap; this takes minutes")
    try:
        debian.bootstrap(tree, _SUITE, sources=sources, keyring=keyring)
    except HostError as error:
        raise type(error)(error.message, hint=_hint(url) if "mirror" in error.hint else error.hint) from error
    systemd.fit(tree, on_progress)
    return debian.installed(tree)


def mirror() -> str:
    """Where Ubuntu's packages are fetched from.

    Raises:
        UsageError: the variable is no address.
    """
    url = os.environ.get(MIRROR_VARIABLE, "") or _MIRRORS.get(platform.machine(), _MIRRORS["x86_64"])
    if not url.startswith(("http://", "https://")) or set(url) & set(" \t\n[]"):
        raise UsageError(
            f"{MIRROR_VARIABLE} is no address of a mirror: {url!r}",
            hint=f"{MIRROR_VARIABLE}=http://mirror.example/ubuntu",
        )
    return url.rstrip("/")


def _fetch_key(url: str, work: Path, on_progress: Progress) -> Path:
    on_progress("fetching Ubuntu's archive key")
    index, package, keyring = work / "Packages.gz", work / "keyring.deb", work / "ubuntu.gpg"
    architecture = _ARCHITECTURES.get(platform.machine(), "amd64")
    try:
        download(f"{url}/dists/{_SUITE}/main/binary-{architecture}/Packages.gz", index, work, on_progress)
        download(f"{url}/{_keyring_file(index)}", package, work, on_progress)
    except RemoteError as error:
        raise HostError(f"cannot fetch Ubuntu's archive key: {error.message}", hint=_hint(url)) from error
    packages.unpack([package], work / "keyring")
    key = openpgp.certificate((work / "keyring" / str(_KEYRING)[1:]).read_bytes(), _FINGERPRINT)
    if not key:
        raise HostError(f"the keys that {url} gave are not Ubuntu's", hint=_hint(url))
    keyring.write_bytes(key)
    keyring.chmod(0o644)
    return keyring


def _keyring_file(index: Path) -> str:
    """Where a mirror has the package with the keys, from its list of packages."""
    try:
        with gzip.open(index) as file:
            text = file.read(_LIST_LIMIT).decode("utf-8", "replace")
    except (OSError, EOFError) as error:
        raise HostError(f"the mirror's list of packages cannot be read: {error}") from error
    entry = next((part for part in text.split("\n\n") if part.startswith("Package: ubuntu-keyring\n")), "")
    name = packages.parse_fields(entry).get("Filename", "")
    if not name or ".." in name.split("/"):
        raise HostError("the mirror's list of packages names no ubuntu-keyring")
    return name


def _hint(url: str) -> str:
    return f"check that this host reaches {url}, or name another mirror: {MIRROR_VARIABLE}=http://mirror.example/ubuntu"
