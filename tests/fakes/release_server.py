"""A web server's files arranged as GitHub's API and as a public S3 bucket."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from urllib.parse import urlencode
from xml.sax.saxutils import escape

import pytest
from file_server import Files

REPO = "owner/images"
MACHINE = os.uname().machine
_PAGE = "/repos/{repo}/releases?per_page=100&page={page}"


@dataclass
class GitHub:
    """The releases of one repository; `publish` puts files and the listing on the server."""

    files: Files
    repo: str = REPO
    host: str = ""
    """Where files lie, if not on the server itself."""
    pages: list[list[dict[str, object]]] = field(default_factory=lambda: [[]])

    def release(
        self, tag: str, assets: dict[str, bytes], *, sums: bool = True, digests: bool = False, **more: object
    ) -> None:
        """A release with `<asset>.sha256` beside each asset, and perhaps GitHub's own digests."""
        beside = {f"{name}.sha256": f"{sha256(data)}  {name}\n".encode() for name, data in assets.items()}
        listed = []
        for name, data in {**assets, **(beside if sums else {})}.items():
            path = f"/{self.repo}/releases/download/{tag}/{name}"
            self.files.content[path] = data
            entry = {
                "name": name,
                "size": len(data),
                "state": "uploaded",
                "browser_download_url": f"{self.host or self.files.url}{path}",
            }
            listed.append(entry | ({"digest": f"sha256:{sha256(data)}"} if digests else {}))
        entry = {"tag_name": tag, "draft": False, "prerelease": False, "assets": listed, **more}
        self.pages[-1].append(entry)
        self.publish()

    def publish(self) -> None:
        for number, page in enumerate(self.pages, start=1):
            path = self.page(number)
            self.files.content[path] = json.dumps(page).encode()
            if number < len(self.pages):
                following = f"{self.files.url}{self.page(number + 1)}"
                self.files.headers[path] = {"Link": f'<{following}>; rel="next", <{following}>; rel="last"'}

    def page(self, number: int = 1) -> str:
        return _PAGE.format(repo=self.repo, page=number)

    def asset(self, tag: str, name: str) -> str:
        return f"/{self.repo}/releases/download/{tag}/{name}"


@dataclass
class Bucket:
    """Objects by key, and their listings as ListObjectsV2 gives them, `page_size` at a time."""

    files: Files
    objects: dict[str, bytes] = field(default_factory=dict)
    in_parts: set[str] = field(default_factory=set)
    """Keys whose ETag is no MD5."""
    page_size: int = 1000

    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data
        self.files.content[f"/bucket/{key}"] = data
        self.publish()

    def publish(self) -> None:
        folders = sorted({"/".join(key.split("/")[:2]) + "/" for key in self.objects})
        self._list(
            "firecracker-ci/",
            "/",
            [f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders],
        )
        for folder in folders:
            for start in ("vmlinux-", "ubuntu-"):
                prefix = f"{folder}{MACHINE}/{start}"
                self._list(
                    prefix, "", [self._entry(key) for key in sorted(self.objects) if key.startswith(prefix)]
                )

    def _entry(self, key: str) -> str:
        data = self.objects[key]
        etag = hashlib.md5(data).hexdigest() + ("-3" if key in self.in_parts else "")
        return f"<Contents><Key>{escape(key)}</Key><ETag>&quot;{etag}&quot;</ETag><Size>{len(data)}</Size></Contents>"

    def _list(self, prefix: str, delimiter: str, entries: list[str]) -> None:
        pages = [entries[at : at + self.page_size] for at in range(0, len(entries), self.page_size)] or [[]]
        for number, page in enumerate(pages):
            query = {"list-type": "2", "prefix": prefix} | ({"delimiter": delimiter} if delimiter else {})
            query |= {"continuation-token": f"page {number}="} if number else {}
            following = number + 1 < len(pages)
            more = f"<NextContinuationToken>page {number + 1}=</NextContinuationToken>" if following else ""
            self.files.content[f"/bucket/?{urlencode(query)}"] = (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>spec.ccfc.min</Name>'
                f"<IsTruncated>{str(following).lower()}</IsTruncated>{more}{''.join(page)}</ListBucketResult>"
            ).encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def environment(files: Files) -> dict[str, str]:
    """Variables that make `vmm` take this server for GitHub and for the bucket."""
    return {"VMM_GITHUB_API": files.url, "VMM_S3_URL": f"{files.url}/bucket"}


def set_environment(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for what runs in the test itself, which then waits for nothing."""
    for name, value in environment(files).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.setattr("vmmcompose.host.web.time.sleep", lambda _seconds: None)
