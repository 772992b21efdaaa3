"""Where a kernel's source comes from: kernel.org, the distribution's `linux-source` package, or a tarball.

Facts: https://www.kernel.org/category/about.html; the mirror's folders `linux/kernel/v6.x` each hold
`sha256sums.asc`, which lists every tarball with its digest.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.host import web
from vmmcompose.host.download import Digest, download
from vmmcompose.images import packages
from vmmcompose.images.packages import Progress

MIRROR = "https://cdn.kernel.org/pub/linux/kernel"
_MIRROR_VARIABLE = "VMM_KERNEL_MIRROR"
"""Names another mirror with the same folders."""
_SERIES = re.compile(r"([1-9][0-9]*)\.([0-9]+)(?:\.([0-9]+))?")
_LINE = re.compile(r"^([0-9a-f]{64})  linux-([0-9.]+)\.tar\.xz$", re.MULTILINE)
_UNPACK_S = 1800


@dataclass(frozen=True, slots=True)
class Release:
    """One version on the mirror."""

    version: str
    url: str
    digest: Digest


def newest(series: str) -> Release:
    """The newest patch of a series such as `6.1`, or exactly `6.1.158`.

    Raises:
        UsageError: that is no version, or there is none on the mirror.
        RemoteError: the mirror could not be asked.
    """
    found = _SERIES.fullmatch(series)
    if not found:
        raise UsageError(
            f"{series!r} is no kernel version", hint="e.g. 6.1 for the newest patch of that series"
        )
    folder = f"{os.environ.get(_MIRROR_VARIABLE) or MIRROR}/v{found[1]}.x"
    text = web.read_page(f"{folder}/sha256sums.asc").text
    digests = {version: digest for digest, version in _LINE.findall(text)}
    known = [version for version in digests if version == series or version.startswith(f"{series}.")]
    if not known:
        raise UsageError(
            f"there is no kernel {series} in {folder}", hint="kernel.org lists the series there are"
        )
    version = max(known, key=lambda text: [int(part) for part in text.split(".")])
    return Release(version, f"{folder}/linux-{version}.tar.xz", Digest("sha256", digests[version]))


def from_mirror(series: str, work: Path, downloads: Path, on_progress: Progress) -> tuple[Path, str]:
    """Fetches and unpacks the newest patch of a series into `work`; gives the tree and where it came from.

    Raises:
        UsageError, RemoteError: as `newest`.
        HostError: the disk is full, or the tarball is damaged.
    """
    release = newest(series)
    on_progress(f"fetching linux {release.version} from {release.url}")
    tarball = work / "linux.tar.xz"
    download(release.url, tarball, downloads, on_progress, digest=release.digest)
    tree = unpack(tarball, work, on_progress)
    tarball.unlink()
    return tree, f"linux {release.version} from kernel.org"


def from_package(series: str, work: Path, on_progress: Progress) -> tuple[Path, str]:
    """Fetches Debian's or Ubuntu's `linux-source` package, without installing it, and unpacks the source.

    Raises:
        HostUnfit: there is no such package.
        HostError: it could not be fetched.
    """
    name = f"linux-source-{series}" if series else "linux-source"
    found = packages.with_dependencies([name], on_progress, lambda need: need.startswith("linux-source-"))
    versioned = [one for one in found if re.match(r"linux-source-[0-9]", one)] or [name]
    files = packages.fetch(versioned, work, on_progress)
    packages.unpack(files, work / "package")
    for file in files:
        file.unlink()
    tarballs = sorted((work / "package").rglob("linux-source-*.tar.*"))
    if not tarballs:
        raise HostUnfit(f"the package {versioned[0]} holds no source", hint="give a --source TARBALL instead")
    version = found[versioned[0]].get("Version", "")
    return unpack(tarballs[0], work, on_progress), f"package {versioned[0]} {version}"


def unpack(tarball: Path, work: Path, on_progress: Progress) -> Path:
    """Unpacks a source tarball and gives the tree's folder.

    Raises:
        UsageError: it holds no kernel source.
        HostError: it is damaged, or the disk is full.
    """
    on_progress(f"unpacking {tarball.name}")
    target = work / "source"
    target.mkdir()
    argv = ("tar", "--extract", "--no-same-owner", f"--file={tarball}", f"--directory={target}")
    packages.run(argv, f"unpack {tarball.name}", timeout_s=_UNPACK_S)
    trees = [path.parent for path in target.glob("*/Kbuild") if (path.parent / "Kconfig").is_file()]
    if len(trees) != 1:
        raise UsageError(f"{tarball.name} holds no kernel source", hint="a tarball as kernel.org has them")
    return trees[0]


def version_of(tree: Path) -> str:
    """The version a source tree says it has.

    Raises:
        HostError: it does not say.
    """
    text = packages.run(("make", "-s", "kernelversion"), "read the kernel's version", cwd=str(tree)).decode()
    if not _SERIES.match(text):
        raise HostError(f"the source in {tree} does not say which version it is")
    return text.strip()
