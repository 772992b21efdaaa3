"""Firecracker's public bucket: the kernels and the Ubuntu that the project tests its releases with.

Facts: Firecracker's getting-started guide (`firecracker-ci/<date>-<commit>/<machine>/` with `vmlinux-X.Y.Z` and
`ubuntu-XX.YY.squashfs`, formerly `firecracker-ci/vX.Y/`) and S3's ListObjectsV2 (prefixes, continuation tokens,
an ETag that is the content's MD5 unless it was uploaded in parts). There are no checksum files and no signatures.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from vmmcompose.errors import RemoteError
from vmmcompose.host.download import Digest
from vmmcompose.host.web import read_page
from vmmcompose.images.offers import Kind, Offer, base_url, machine, version_key

URL_VARIABLE = "VMM_S3_URL"
_URL = "https://s3.amazonaws.com/spec.ccfc.min"
_TOP = "firecracker-ci/"
_PAGES = 50
_FOLDERS = 12
"""How many builds are looked through, newest first."""
_DATED = re.compile(r"^\d{8}-[^/]+/$")
_RELEASED = re.compile(r"^v\d+\.\d+/$")
_FILES: dict[Kind, re.Pattern[str]] = {
    "kernel": re.compile(r"^vmlinux-(\d+\.\d+\.\d+)$"),
    "image": re.compile(r"^ubuntu-(\d+\.\d+)\.(squashfs|ext4)$"),
}
_MD5 = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True, slots=True)
class Object:
    """A file in the bucket."""

    key: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What begins with a prefix: files, and the folders right below it."""

    objects: tuple[Object, ...]
    folders: tuple[str, ...]


def bucket_url() -> str:
    """The bucket's address: Firecracker's, or that of VMM_S3_URL."""
    return base_url(URL_VARIABLE, _URL)


def list_offers(kind: Kind, accepts: Callable[[Offer], bool] = lambda _offer: True) -> list[Offer]:
    """Kernels or images of the newest build that has any that will do, newest first.

    Raises:
        RemoteError: the bucket cannot be listed.
    """
    for folder in _builds()[:_FOLDERS]:
        found = [offer for offer in _offers_in(folder, kind) if accepts(offer)]
        if found:
            return sorted(found, key=lambda offer: version_key(offer.version), reverse=True)
    return []


def list_objects(prefix: str, delimiter: str = "") -> Listing:
    """What the bucket holds below a prefix, all pages.

    Raises:
        RemoteError: it cannot be listed.
    """
    objects: list[Object] = []
    folders: list[str] = []
    token = ""
    for _ in range(_PAGES):
        query = {"list-type": "2", "prefix": prefix}
        query |= {"delimiter": delimiter} if delimiter else {}
        query |= {"continuation-token": token} if token else {}
        url = f"{bucket_url()}/?{urlencode(query)}"
        root = _parse(read_page(url).text, url)
        objects += [_object(item) for item in root.iter("Contents")]
        folders += [_text(item, "Prefix") for item in root.iter("CommonPrefixes")]
        token = _text(root, "NextContinuationToken")
        if not token:
            break
    return Listing(tuple(objects), tuple(folders))


def _builds() -> list[str]:
    """Folders of builds, newest first: dated ones, then those named after a release."""
    folders = list_objects(_TOP, "/").folders
    names = [folder.removeprefix(_TOP) for folder in folders]
    dated = sorted((name for name in names if _DATED.match(name)), reverse=True)
    released = sorted((name for name in names if _RELEASED.match(name)), key=version_key, reverse=True)
    return [_TOP + name for name in (*dated, *released)]


def _offers_in(folder: str, kind: Kind) -> Iterator[Offer]:
    prefix = f"{folder}{machine()}/"
    for item in list_objects(prefix + ("vmlinux-" if kind == "kernel" else "ubuntu-")).objects:
        named = _FILES[kind].match(item.key.removeprefix(prefix))
        if named is None:
            continue
        name = named[1] if kind == "kernel" else f"ubuntu-{named[1]}"
        md5 = Digest("md5", item.etag) if _MD5.match(item.etag) else None
        note = "not signed, MD5 of the listing" if md5 else "not signed, only its length is known"
        url = f"{bucket_url()}/{quote(item.key)}"
        source = f"Firecracker's bucket, {item.key.removeprefix(_TOP)}"
        yield Offer(name, named[1], "s3", source, url, item.size_bytes, md5, note=note)


def _parse(text: str, url: str) -> ET.Element:
    """The document without namespaces.

    Raises:
        RemoteError: it is none, or not a bucket's listing.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise RemoteError(f"{url} sent a page with a document type, which no listing has")
    try:
        root = ET.fromstring(text)  # noqa: S314 - see above
    except ET.ParseError as error:
        raise RemoteError(
            f"{url} did not send XML", hint="is there a proxy in between that wants a login?"
        ) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "ListBucketResult":
        raise RemoteError(f"{url} did not send a bucket's listing but <{root.tag}>")
    return root


def _object(item: ET.Element) -> Object:
    size = _text(item, "Size")
    return Object(
        _text(item, "Key"), int(size) if size.isdigit() else 0, _text(item, "ETag").strip('"').lower()
    )


def _text(item: ET.Element, tag: str) -> str:
    return item.findtext(tag) or ""
