"""The program `firecracker` from its project's releases.

A release `vX.Y.Z` has `firecracker-vX.Y.Z-<machine>.tgz` with `release-vX.Y.Z-<machine>/firecracker-vX.Y.Z-<machine>`
in it, and the archive's SHA-256 beside it in `….tgz.sha256.txt`.
"""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from vmmcompose.errors import HostError, RemoteError
from vmmcompose.host import locks
from vmmcompose.host.download import download
from vmmcompose.host.files import failed, make_dir, replacing
from vmmcompose.host.process import identify
from vmmcompose.images import publish
from vmmcompose.images.offers import Offer, machine, secure, version_key
from vmmcompose.images.packages import Progress
from vmmcompose.images.releases import api_url, checksum_beside, list_releases, read_digest
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings

REPO = "firecracker-microvm/firecracker"
_FOLDER = "/usr/local/bin"
_LIMIT = 256 << 20
"""Bytes of the program; it has about 3 MB, with debug information 60."""
_TAG = re.compile(r"^v\d+\.\d+\.\d+$")


def target_path(settings: Settings) -> str:
    """Where it belongs: the path of the setting, or that name in /usr/local/bin."""
    program = os.path.expanduser(settings.firecracker_binary)
    return program if "/" in program else os.path.join(_FOLDER, program)


def install(paths: Paths, settings: Settings, on_progress: Progress) -> str:
    """Installs the newest release's program; gives its path and version in words.

    Raises:
        RemoteError: the release cannot be fetched or is not what it must be.
        HostError: it cannot be written, or does not run here.
    """
    target = target_path(settings)
    publish.prepare(paths)
    with locks.hold(paths.lock("pull"), "the downloads", timeout_s=7200, on_wait=on_progress):
        offer = _newest()
        digest = read_digest(offer)
        on_progress(f"fetching {offer.source} ({offer.size_bytes >> 20} MiB)")
        with publish.scratch(paths.root / "firecracker") as work:
            archive = work / "archive"
            download(secure(offer.url, api_url()), archive, paths.downloads(), on_progress, digest=digest)
            if not os.path.isdir(os.path.dirname(target)):
                make_dir(os.path.dirname(target), 0o755)
            _sweep(target)
            with replacing(target, "install") as temp:
                _extract(archive, f"firecracker-{offer.version}-{machine()}", temp)
                said = _try(temp)
    return f"{target}, {said}"


def _newest() -> Offer:
    offers: list[Offer] = []
    for release in list_releases(REPO):
        name = f"firecracker-{release.tag}-{machine()}.tgz"
        asset = next((one for one in release.assets if one.name == name), None)
        if asset is None or not _TAG.match(release.tag):
            continue
        checksum = checksum_beside(release.assets, name)
        source = f"Firecracker {release.tag}"
        offers.append(
            Offer(name, release.tag, "github", source, asset.url, asset.size_bytes, asset.digest, checksum)
        )
    if not offers:
        raise RemoteError(f"no release of {REPO} has a file for {machine()}")
    return max(offers, key=lambda offer: version_key(offer.version))


def _sweep(target: str) -> None:
    """Removes what a killed installation has left beside it."""
    for path in Path(target).parent.glob(f"{os.path.basename(target)}.tmp.*"):
        writer = path.name.rpartition(".")[2]
        if writer.isdigit() and identify(int(writer)) is None:
            path.unlink(missing_ok=True)


def _extract(archive: Path, name: str, target: Path) -> None:
    """One regular file out of the archive, wherever in it; nothing else is unpacked."""
    try:
        with tarfile.open(archive, "r:gz") as opened:
            member = next(
                (one for one in opened if one.isfile() and os.path.basename(one.name) == name), None
            )
            source = opened.extractfile(member) if member else None
            if member is None or source is None:
                raise RemoteError(f"there is no {name} in Firecracker's release")
            if member.size > _LIMIT:
                raise RemoteError(f"{name} has {member.size >> 20} MiB; that is no Firecracker")
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
        target.chmod(0o755)
    except (tarfile.TarError, EOFError) as error:
        raise RemoteError(f"Firecracker's release is no archive: {error}") from error
    except OSError as error:
        raise failed(f"cannot install {target.name}", error) from error


def _try(program: Path) -> str:
    """What it says its version is: a program that does not run here does not get its name."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"the Firecracker that was fetched does not run here: {error}") from error
    said = done.stdout.decode(errors="replace").splitlines()
    if done.returncode or not said or not said[0].startswith("Firecracker v"):
        raise HostError("the Firecracker that was fetched does not tell its version")
    return said[0]
