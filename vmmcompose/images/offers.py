"""What can be pulled: a kernel's or an image's file on a server, and how to tell that it is the right one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vmmcompose.errors import RemoteError
from vmmcompose.host.download import Digest

Kind = Literal["image", "kernel"]
Origin = Literal["github", "s3", "build"]
ORIGINS: tuple[Origin, ...] = ("github", "s3", "build")
"""In the order in which they are tried."""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that becomes a kernel or an image here."""

    name: str
    """What it is called in the store unless somebody says otherwise."""
    version: str
    origin: Origin
    source: str
    """For people and the sidecar."""
    url: str = ""
    size_bytes: int = 0
    """0: not known."""
    digest: Digest | None = None
    """What it must be, where the listing says so."""
    checksum_url: str = ""
    """Where a checksum file lies that counts more than `digest`."""
    note: str = ""
    """What there is to know about its integrity; empty where a SHA-256 stands behind it."""

    def fields(self) -> dict[str, Any]:
        """What its sidecar in the store says."""
        source = f"{self.source} ({self.note})" if self.note else self.source
        return {"source": source, "version": self.version, "url": self.url}


def machine() -> str:
    """This host's architecture as kernels' and images' files are called: x86_64 or aarch64."""
    return os.uname().machine


def version_key(text: str) -> tuple[int, ...]:
    """For sorting: 6.1.9 before 6.1.10, and dates among themselves."""
    return tuple(int(number) for number in _NUMBER.findall(text))


def answers(version: str, asked: str) -> bool:
    """Whether a version is the one asked for, or one of that series (`6.1` for 6.1.150)."""
    return version == asked or version.startswith(f"{asked}.")


def base_url(variable: str, built_in: str) -> str:
    """A server's address, which a variable of the environment may replace, as for a mirror."""
    return (os.environ.get(variable) or built_in).rstrip("/")


def secure(url: str, base: str) -> str:
    """`url`, unless it would take an answer of an encrypted server to an unencrypted one.

    Raises:
        RemoteError: it would.
    """
    if base.startswith("https://") and not url.startswith("https://"):
        raise RemoteError(f"{base} leads to {url}, which is not encrypted; it is not followed")
    return url


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value; proxies change the case of names."""
    return next((value for key, value in headers.items() if key.lower() == name), "")
