"""Archives of images for the tests of importing, of the shapes that docker, podman and buildx write."""

import gzip
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from tar_lab import member, tar_of

from vmmcompose.images.oci import architecture

RUN = {"Env": ["A=1"], "Entrypoint": ["/app"], "Cmd": ["serve"], "Labels": {"x": "y"}}


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config_of(*layers: bytes, machine: str = "") -> bytes:
    return json.dumps(
        {
            "architecture": machine or architecture(),
            "os": "linux",
            "config": RUN,
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]},
        }
    ).encode()


class Layout:
    """An OCI layout that grows: `files` is what it holds, by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.manifests: list[dict[str, Any]] = []

    def blob(self, data: bytes, **more: Any) -> dict[str, Any]:
        digest = sha256(data)
        self.files["blobs/" + digest.replace(":", "/")] = data
        return {"digest": digest, "size": len(data), **more}

    def image(self, *layers: bytes, machine: str = "", **more: Any) -> dict[str, Any]:
        """Puts an image in and gives its descriptor."""
        manifest = {
            "schemaVersion": 2,
            "config": self.blob(config_of(*layers, machine=machine)),
            "layers": [self.blob(gzip.compress(layer)) for layer in layers],
        }
        return self.blob(json.dumps(manifest).encode(), **more)

    def index(self, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.blob(json.dumps({"schemaVersion": 2, "manifests": entries}).encode(), **more)

    def listing(self, *manifests: dict[str, Any]) -> dict[str, bytes]:
        return {**self.files, "index.json": json.dumps({"manifests": manifests}).encode()}


def named(name: str) -> dict[str, Any]:
    return {"annotations": {"org.opencontainers.image.ref.name": name}}


def platform(machine: str) -> dict[str, Any]:
    return {"platform": {"os": "linux", "architecture": machine}}


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(tar_of(*(member(name, content) for name, content in files.items())))
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def docker_save(path: Path, images: dict[str, list[bytes]]) -> Path:
    """As docker before 25 wrote it: a folder per layer, and a link where two images share one."""
    members: list[tuple[tarfile.TarInfo, bytes]] = []
    entries = []
    first: dict[str, str] = {}
    for number, (tag, layers) in enumerate(images.items()):
        names = []
        for position, layer in enumerate(layers):
            name = f"{number}{position}/layer.tar"
            if sha256(layer) in first:
                link = member(name, type=tarfile.SYMTYPE, linkname=f"../{first[sha256(layer)]}")
                members.append(link)
            else:
                first[sha256(layer)] = name
                members.append(member(name, layer))
            names.append(name)
        config = config_of(*layers)
        config_name = f"{sha256(config).split(':')[1]}.json"
        members.append(member(config_name, config))
        entries.append({"Config": config_name, "RepoTags": [tag] if tag else None, "Layers": names})
    members.append(member("manifest.json", json.dumps(entries).encode()))
    path.write_bytes(tar_of(*members))
    return path
