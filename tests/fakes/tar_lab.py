"""Archives for the tests of importing: honest and hostile ones, made member by member."""

import io
import tarfile
from pathlib import Path
from typing import Any

from vmmcompose.images.allowance import Allowance
from vmmcompose.images.layers import Layer, apply_layers

PLENTY = 1 << 30


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, **{"type": tarfile.DIRTYPE, "mode": 0o755, **fields})


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return buffer.getvalue()


def layer(content: bytes, **digests: str) -> Layer:
    return Layer("the test's layer", lambda: io.BytesIO(content), **digests)


def apply(tree: Path, *layers: bytes, allowed: int = PLENTY, entries: int = 100_000) -> int:
    """Unpacks layers into a folder, which is made, and gives how many devices were left out."""
    tree.mkdir(exist_ok=True)
    allowance = Allowance(allowed, entries)
    return apply_layers([layer(content) for content in layers], tree, allowance, lambda _line: None)


def listing(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
