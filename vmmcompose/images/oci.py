"""Archives of images: what `docker save` writes, and OCI layouts as a tar or a folder. No engine is needed.

Every blob is compared with its digest: the index names the manifest's, the manifest the configuration's and the
layers'. Facts: the OCI image specification 1.1 (image layout, index, manifest, config); docker's image
specification 1.2 for `manifest.json`.
"""

import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vmmcompose.errors import HostError, HostUnfit, UsageError
from vmmcompose.host.files import failed
from vmmcompose.images.allowance import MIB, Allowance
from vmmcompose.images.jsonblob import AGAIN, Json, as_object, as_objects, parse, text, texts
from vmmcompose.images.layers import Layer
from vmmcompose.images.streams import CHUNK, Counted, Reader, compression, decompressed
from vmmcompose.images.tarindex import TarIndex

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HEX = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")
_NAME_KEYS = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_INDEX_DEPTH = 4
Open = Callable[[str], Reader | None]
"""Opens a file of an archive by its path in it; None where it has none."""


@dataclass(frozen=True, slots=True)
class PackedImage:
    """One image of an archive."""

    reference: str
    """Its name, as far as the archive tells one."""
    layers: tuple[Layer, ...]
    config: Json
    """What its containers are started with: `Env`, `Entrypoint`, `Cmd`, …"""


def architecture() -> str:
    """This machine's, as images call it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


@contextmanager
def opened(path: Path, work: Path, allowance: Allowance) -> Iterator[Open]:
    """Gives access to the files of an archive; a compressed one is first decompressed into `work`.

    Raises:
        HostError: it cannot be read, or is damaged, or too large.
    """
    try:
        if path.is_dir():
            yield _in_folder(path)
            return
        with _plain(path, work, allowance) as plain:
            yield TarIndex(plain, path.name).open
    except OSError as error:
        raise failed(f"cannot read {path}", error) from error


def _in_folder(folder: Path) -> Open:
    def read(name: str) -> Reader | None:
        try:
            descriptor = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return open(descriptor, "rb")

    return read


def _plain(path: Path, work: Path, allowance: Allowance) -> IO[bytes]:
    with path.open("rb") as file:
        packed = compression(file.read(8))
    if not packed:
        return path.open("rb")
    spool = work / "archive"
    with (
        path.open("rb") as file,
        decompressed(file, path.name) as content,
        spool.open("xb") as target,
    ):
        counted = Counted(content, limit=allowance.bytes_left + 64 * MIB)
        while data := counted.read(CHUNK):
            target.write(data)
    return spool.open("rb")


def find_image(open_file: Open, reference: str, what: str) -> PackedImage:
    """The image that `reference` names, or the only one, for this machine's architecture.

    Raises:
        UsageError: the archive has no such image, or several and none was named; says which.
        HostUnfit: it is for other machines.
        HostError: this is no archive of images, or it is damaged.
    """
    saved = open_file("manifest.json")
    if saved is not None:
        return _docker_image(open_file, parse(saved, "manifest.json"), reference, what)
    index = open_file("index.json")
    if index is not None:
        return _oci_image(open_file, parse(index, "index.json"), reference, what)
    raise HostError(
        f"{what} is neither an archive of `docker save` nor an OCI layout",
        hint="a root filesystem in a tar is imported with --rootfs",
    )


def _docker_image(open_file: Open, saved: object, reference: str, what: str) -> PackedImage:
    entries = [(tuple(texts(entry, "RepoTags")), entry) for entry in as_objects(saved, "manifest.json")]
    names, entry = _choose(entries, reference, what)
    name = text(entry, "Config")
    found = _HEX.fullmatch(name)
    config = _blob(open_file, name, f"sha256:{found[1]}" if found else "")
    layers = texts(entry, "Layers")
    digests = [f"sha256:{hit[1]}" if (hit := _HEX.fullmatch(layer)) else "" for layer in layers]
    return _packed(
        open_file, names[0] if names else reference, config, list(zip(layers, digests, strict=True))
    )


def _oci_image(open_file: Open, index: object, reference: str, what: str) -> PackedImage:
    descriptors = as_objects(as_object(index, "index.json").get("manifests"), "index.json")
    entries = [(_names(entry), entry) for entry in descriptors if not _is_attestation(entry)]
    names, chosen = _choose(entries, reference, what)
    manifest = _manifest(open_file, chosen, what, _INDEX_DEPTH)
    config = _blob_of(open_file, as_object(manifest.get("config"), "the image's manifest"))
    layers = [_digest(entry) for entry in as_objects(manifest.get("layers"), "the image's manifest")]
    return _packed(
        open_file, names[0] if names else reference, config, [(_path(layer), layer) for layer in layers]
    )


def _manifest(open_file: Open, descriptor: Json, what: str, depth: int) -> Json:
    content = _blob_of(open_file, descriptor)
    if "manifests" not in content:
        return content
    if not depth:
        raise HostError(f"{what} has indexes in indexes without end")
    entries = [entry for entry in as_objects(content["manifests"], "an index") if not _is_attestation(entry)]
    return _manifest(open_file, _for_this_machine(entries, what), what, depth - 1)


def _packed(open_file: Open, reference: str, config: Json, files: list[tuple[str, str]]) -> PackedImage:
    machine = config.get("architecture", architecture())
    if (machine, config.get("os", "linux")) != (architecture(), "linux"):
        raise _other_machine(reference or "the image", [f"{config.get('os', 'linux')}/{machine}"])
    diff_ids = texts(as_object(config.get("rootfs"), "the image's configuration"), "diff_ids")
    if len(diff_ids) != len(files) or not all(_DIGEST.fullmatch(diff_id) for diff_id in diff_ids):
        raise HostError(f"the image has {len(files)} layers and digests of {len(diff_ids)}", hint=AGAIN)
    layers = tuple(
        Layer(f"layer {number} ({diff_id[:19]})", _opener(open_file, path), digest, diff_id)
        for number, ((path, digest), diff_id) in enumerate(zip(files, diff_ids, strict=True), 1)
    )
    run = config.get("config")
    return PackedImage(reference, layers, run if isinstance(run, dict) else {})


def _opener(open_file: Open, path: str) -> Callable[[], Reader]:
    def read() -> Reader:
        found = open_file(path)
        if found is None:
            raise HostError(f"the archive lacks the layer {path}", hint=AGAIN)
        return found

    return read


def _choose(
    entries: list[tuple[tuple[str, ...], Json]], reference: str, what: str
) -> tuple[tuple[str, ...], Json]:
    """The entry of that name: as it is, with `:latest`, or only the tag, as OCI layouts often have it."""
    hits = [entry for entry in entries if not reference or any(_means(reference, name) for name in entry[0])]
    if len(hits) > 1 and len({entry[0] for entry in hits}) == 1 and all("platform" in hit for _, hit in hits):
        return hits[0][0], _for_this_machine([hit for _, hit in hits], what)
    if len(hits) == 1:
        return hits[0] if not reference else ((reference,), hits[0][1])
    known = ", ".join(sorted({name for names, _ in entries for name in names})) or "images without a name"
    if reference:
        raise UsageError(f"{what} holds no image {reference}", hint=f"it holds {known}")
    if not entries:
        raise HostError(f"{what} holds no image", hint=AGAIN)
    raise UsageError(f"{what} holds {len(entries)} images", hint=f"name one of them: {known}")


def _means(reference: str, name: str) -> bool:
    short = name.removeprefix("docker.io/").removeprefix("library/")
    asked = reference.removeprefix("docker.io/").removeprefix("library/")
    return short in {asked, f"{asked}:latest"} or (":" not in short and asked.endswith(f":{short}"))


def _for_this_machine(entries: list[Json], what: str) -> Json:
    offered = []
    for entry in entries:
        found = entry.get("platform")
        wanted = found if isinstance(found, dict) else {}
        if (wanted.get("os"), wanted.get("architecture")) == ("linux", architecture()):
            return entry
        offered.append(f"{wanted.get('os', '?')}/{wanted.get('architecture', '?')}")
    raise _other_machine(what, offered)


def _other_machine(what: str, offered: list[str]) -> HostUnfit:
    return HostUnfit(
        f"{what} is for {', '.join(sorted(set(offered))) or 'no machine'}; this one is linux/{architecture()}",
        hint="export the image for this machine, with --platform",
    )


def _is_attestation(entry: Json) -> bool:
    notes = entry.get("annotations")
    kind = notes.get("vnd.docker.reference.type") if isinstance(notes, dict) else None
    return kind == "attestation-manifest"


def _names(entry: Json) -> tuple[str, ...]:
    notes = entry.get("annotations")
    found = [notes.get(key) for key in _NAME_KEYS] if isinstance(notes, dict) else []
    return tuple(name for name in found if isinstance(name, str) and name)


def _blob_of(open_file: Open, descriptor: Json) -> Json:
    digest = _digest(descriptor)
    return _blob(open_file, _path(digest), digest)


def _blob(open_file: Open, path: str, digest: str) -> Json:
    source = open_file(path)
    if source is None:
        raise HostError(f"the archive lacks {path}", hint=AGAIN)
    counted = Counted(source, digest.partition(":")[0] or "sha256")
    value = parse(counted, path)
    if digest and counted.digest() != digest:
        raise HostError(f"{path} is not what its digest says: it has {counted.digest()}", hint=AGAIN)
    return as_object(value, path)


def _digest(descriptor: Json) -> str:
    digest = text(descriptor, "digest")
    if not _DIGEST.fullmatch(digest):
        raise HostError(f"the archive names a blob {ascii(digest)[:120]}, which is no digest", hint=AGAIN)
    return digest


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/", 1)
