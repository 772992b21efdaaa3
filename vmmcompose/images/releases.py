"""GitHub releases that hold kernels and images: tags `kernel-<version>` and `rootfs-<system>-<date>`.

Facts: https://docs.github.com/en/rest/releases/releases (fields, `digest` of assets, pages by the Link header)
and /rest/using-the-rest-api/rate-limits-for-the-rest-api. `rootfs-24.04-20260105` is the image `ubuntu-24.04`
of that day, `rootfs-debian-12-20260105` is `debian-12`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vmmcompose.errors import RemoteError
from vmmcompose.host.download import Digest
from vmmcompose.host.web import read_json, read_page
from vmmcompose.images.offers import Kind, Offer, base_url, header, machine, secure, version_key

API_VARIABLE = "VMM_GITHUB_API"
_API = "https://api.github.com"
_PER_PAGE = 100
_PAGES = 10
_PACKED = r"(\.(gz|xz|zst))?$"
_FILES: dict[Kind, re.Pattern[str]] = {
    "kernel": re.compile(r"(vmlinux|vmlinuz|bzImage|^Image)[^/]*" + _PACKED),
    "image": re.compile(r"\.(ext4|squashfs)" + _PACKED),
}
_CHECKSUMS = re.compile(r"(\.sha256(sum|\.txt)?|\.config|\.sig|\.asc|\.json|\.txt)$")
"""Files beside a kernel or an image that are none."""
_MACHINES = {"x86_64": ("x86_64", "x86-64", "amd64"), "aarch64": ("aarch64", "arm64")}
_ROOTFS = re.compile(r"^rootfs-(?P<system>.+?)(-(?P<date>\d{8}([.-]\d+)?))?$")
_KERNEL = re.compile(r"^kernel-(?P<version>\d.*)$")
_SHA256 = re.compile(r"^(?P<digest>[0-9a-fA-F]{64})(\s+\*?(?P<name>\S.*))?$")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a release."""

    name: str
    url: str
    size_bytes: int
    digest: Digest | None
    """As GitHub counted it when the file was uploaded; older files have none."""


@dataclass(frozen=True, slots=True)
class Release:
    """A published release."""

    repo: str
    tag: str
    assets: tuple[Asset, ...]


def api_url() -> str:
    """The API's address: GitHub's own, or that of VMM_GITHUB_API."""
    return base_url(API_VARIABLE, _API)


def list_releases(repo: str) -> Iterator[Release]:
    """The published releases of `owner/name`, as the server orders them. `GITHUB_TOKEN` goes to the API alone.

    Raises:
        RemoteError: the API cannot be reached, allows no more requests, or does not know the repository.
    """
    token = os.environ.get("GITHUB_TOKEN", "")
    for page in range(1, _PAGES + 1):
        url = f"{api_url()}/repos/{repo}/releases?per_page={_PER_PAGE}&page={page}"
        value, headers = read_json(url, token=token)
        if not isinstance(value, list):
            raise RemoteError(f"{url} did not send a list of releases")
        for entry in value:
            if isinstance(entry, dict) and not entry.get("draft") and not entry.get("prerelease"):
                yield _release(repo, entry)
        if 'rel="next"' not in header(headers, "link"):
            return


def list_offers(repo: str, kind: Kind) -> list[Offer]:
    """Kernels or images in a repository's releases, newest first; of an image only the newest with files.

    Raises:
        RemoteError: the releases cannot be listed.
    """
    found = [offer for release in list_releases(repo) if (offer := _offer(release, kind))]
    found.sort(key=lambda offer: version_key(offer.version), reverse=True)
    newest: dict[str, Offer] = {}
    for offer in found:
        newest.setdefault(offer.name, offer)
    return list(newest.values())


def read_digest(offer: Offer) -> Digest:
    """The SHA-256 that an offer's file must have.

    Raises:
        RemoteError: the checksum file cannot be read or does not name the file.
    """
    if offer.checksum_url:
        text = read_page(secure(offer.checksum_url, api_url())).text
        name = offer.url.rsplit("/", 1)[-1]
        return Digest("sha256", _pick_digest(text, name, offer.checksum_url))
    if offer.digest is None:
        raise RemoteError(f"{offer.url} has no checksum beside it, so it is not taken")
    return offer.digest


def checksum_beside(assets: Iterable[Asset], name: str) -> str:
    """Address of the file with the SHA-256 of the asset `name`; empty where there is none."""
    wanted = [f"{name}.sha256", f"{name}.sha256.txt", f"{name}.sha256sum", "SHA256SUMS", "sha256sums.txt"]
    urls = {asset.name: asset.url for asset in assets}
    return next((urls[one] for one in wanted if one in urls), "")


def _release(repo: str, entry: dict[str, Any]) -> Release:
    listed = entry.get("assets")
    assets = [_asset(one) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return Release(repo, str(entry.get("tag_name", "")), tuple(asset for asset in assets if asset.url))


def _asset(entry: dict[str, Any]) -> Asset:
    algorithm, _, digits = str(entry.get("digest") or "").partition(":")
    digest = Digest("sha256", digits) if algorithm == "sha256" and _SHA256.match(digits) else None
    size = entry.get("size")
    uploaded = entry.get("state", "uploaded") == "uploaded"
    return Asset(
        str(entry.get("name", "")),
        str(entry.get("browser_download_url") or "") if uploaded else "",
        size if isinstance(size, int) else 0,
        digest,
    )


def _offer(release: Release, kind: Kind) -> Offer | None:
    """What a release offers of a kind; None where it is another, or has no file for this machine with a checksum."""
    named = _named(release.tag, kind)
    asset = _choose(release.assets, kind)
    if named is None or asset is None:
        return None
    name, version = named
    checksum = checksum_beside(release.assets, asset.name)
    if not checksum and asset.digest is None:
        return None
    source = f"github.com/{release.repo} {release.tag}"
    return Offer(name, version, "github", source, asset.url, asset.size_bytes, asset.digest, checksum)


def _named(tag: str, kind: Kind) -> tuple[str, str] | None:
    """(name, version) of what a tag stands for."""
    if kind == "kernel":
        kernel = _KERNEL.match(tag)
        return (kernel["version"], kernel["version"]) if kernel else None
    rootfs = _ROOTFS.match(tag)
    if rootfs is None:
        return None
    system = rootfs["system"]
    return (f"ubuntu-{system}" if system[0].isdigit() else system), rootfs["date"] or ""


def _choose(assets: Iterable[Asset], kind: Kind) -> Asset | None:
    """The file for this machine: one that names it, else one that names none."""
    ours = _MACHINES.get(machine(), (machine(),))
    others = [word for words in _MACHINES.values() if words is not ours for word in words]
    files = [
        asset for asset in assets if _FILES[kind].search(asset.name) and not _CHECKSUMS.search(asset.name)
    ]
    named = [asset for asset in files if any(word in asset.name for word in ours)]
    unnamed = [asset for asset in files if not any(word in asset.name for word in (*ours, *others))]
    # A release of this project's first architecture does not name it.
    fitting = named or (unnamed if machine() == "x86_64" or kind == "image" else [])
    return fitting[0] if fitting else None


def _pick_digest(text: str, name: str, url: str) -> str:
    """The digest of `name` in the output of sha256sum(1), or the only one."""
    rows = [row for row in map(_SHA256.match, map(str.strip, text.splitlines())) if row]
    for row in rows:
        if row["name"] and row["name"].rsplit("/", 1)[-1] == name:
            return row["digest"]
    if len(rows) == 1 and not rows[0]["name"]:
        return rows[0]["digest"]
    raise RemoteError(f"{url} has no SHA-256 of {name}", hint="the release is not whole; ask its owners")
