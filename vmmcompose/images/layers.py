"""Tar archives put into a tree, as layers of an image or as a whole root filesystem.

Facts: the OCI image specification ("Image Layer Filesystem Changeset").
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.images.allowance import MIB, Allowance
from vmmcompose.images.entry import Entry, clean
from vmmcompose.images.streams import Counted, Reader, decompressed
from vmmcompose.images.tarread import read_tar
from vmmcompose.images.unpack import Unpacker

_OVERHEAD = 4096
"""Bytes of headers and padding that an entry may take in the stream."""
_MARKER = b".wh."
_OPAQUE = b".wh..wh..opq"
_RESERVED = b".wh..wh."


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image, and what it must be."""

    what: str
    """For messages."""
    open: Callable[[], Reader]
    digest: str = ""
    """Of the blob as it is stored; empty where nobody told."""
    diff_id: str = ""
    """Of the tar inside it."""


def apply_layers(layers: list[Layer], tree: Path, allowance: Allowance, say: Callable[[str], None]) -> int:
    """Unpacks layers, lowest first, into an empty folder. Gives how many devices, fifos and sockets were left out.

    Raises:
        HostUnfit: a tool is missing.
        HostError: a layer is damaged, hostile, too big, or not what its digest says. What is in the folder then
            is to be thrown away.
    """
    with Unpacker(tree, allowance) as unpacker:
        for number, layer in enumerate(layers, 1):
            say(f"unpacking layer {number} of {len(layers)}")
            unpacker.begin_layer()
            _apply(layer, unpacker, allowance)
        unpacker.finish()
        return unpacker.left_out


def unpack_tar(source: Reader, what: str, tree: Path, allowance: Allowance) -> int:
    """Unpacks one whole root filesystem, where names that begin with `.wh.` mean nothing; see `apply_layers`."""
    with Unpacker(tree, allowance) as unpacker, decompressed(source, what) as plain:
        stream = Counted(plain, limit=_stream_limit(allowance))
        for entry, write in read_tar(stream, what, needs_end=True):
            unpacker.put(entry, write)
        stream.drain()
        unpacker.finish()
        return unpacker.left_out


def _apply(layer: Layer, unpacker: Unpacker, allowance: Allowance) -> None:
    blob = Counted(layer.open(), _algorithm(layer.digest))
    with decompressed(blob, layer.what) as content:
        plain = Counted(content, _algorithm(layer.diff_id), _stream_limit(allowance))
        for entry, write in read_tar(plain, layer.what, needs_end=False):
            _apply_entry(entry, write, unpacker)
        plain.drain()
    blob.drain()
    for expected, found in ((layer.digest, blob.digest()), (layer.diff_id, plain.digest())):
        if expected and expected != found:
            raise HostError(
                f"{layer.what} is not what the image says: it has {found} and should have {expected}",
                hint="the archive is damaged or was changed; fetch or export it again",
            )


def _apply_entry(entry: Entry, write: Callable[[int], None], unpacker: Unpacker) -> None:
    *folders, name = clean(entry.name).split(b"/")
    if any(part.startswith(_RESERVED) for part in folders):
        return
    if any(part.startswith(_MARKER) for part in folders):
        raise HostError(
            f"the archive has a file below the marker of a removed one, {ascii(entry.name)[:200]}"
        )
    if not name.startswith(_MARKER):
        unpacker.put(entry, write)
    elif name == _OPAQUE:
        unpacker.hide_below(b"/".join(folders))
    elif not name.startswith(_RESERVED):
        hidden = name.removeprefix(_MARKER)
        if hidden in {b"", b".", b".."}:
            raise HostError(
                f"the archive wants {ascii(entry.name)[:200]} removed, which leads out of its folder",
                hint="nothing of it was kept; whoever made it made a mistake, or means harm",
            )
        unpacker.hide(b"/".join((*folders, hidden)))


def _algorithm(digest: str) -> str:
    return digest.partition(":")[0] or "sha256"


def _stream_limit(allowance: Allowance) -> int:
    return max(0, allowance.bytes_left) + allowance.entries_left * _OVERHEAD + 64 * MIB
