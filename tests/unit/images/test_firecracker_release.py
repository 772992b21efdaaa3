"""Firecracker from its release: one program out of the archive, checked, tried, and only then in its place."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from pull_lab import Scene
from release_server import MACHINE, GitHub

from vmmcompose.errors import HostError
from vmmcompose.images import firecracker
from vmmcompose.model.settings import Settings

NAME = f"firecracker-v1.13.1-{MACHINE}"
PROGRAM = b"#!/bin/sh\necho Firecracker v1.13.1\n"


def archive(members: dict[str, bytes | str]) -> bytes:
    """A release's archive; text is where a symbolic link leads."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o4777
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def release(scene: Scene, tag: str, members: dict[str, bytes | str]) -> GitHub:
    github = GitHub(scene.files, firecracker.REPO)
    name = f"firecracker-{tag}-{MACHINE}.tgz"
    github.release(tag, {name: archive(members)}, sums=False)
    path = github.asset(tag, f"{name}.sha256.txt")
    from release_server import sha256

    scene.files.content[path] = f"{sha256(scene.files.content[github.asset(tag, name)])}  {name}\n".encode()
    entry = github.pages[0][-1]
    assert isinstance(entry["assets"], list)
    entry["assets"].append(
        {"name": f"{name}.sha256.txt", "browser_download_url": f"{scene.files.url}{path}", "size": 1}
    )
    github.publish()
    return github


def install(scene: Scene, target: Path) -> str:
    return firecracker.install(scene.paths, Settings(firecracker_binary=str(target)), scene.said.append)


def test_the_newest_program_is_installed(scene: Scene, tmp_path: Path) -> None:
    github = release(
        scene, "v1.13.1", {f"release-v1.13.1-{MACHINE}/{NAME}.debug": b"x", f"a/{NAME}": PROGRAM}
    )
    for tag in ("v1.9.2", "v1.13.0", "nightly-9.9.9"):
        github.release(tag, {f"firecracker-{tag}-{MACHINE}.tgz": b"another"})
    target = tmp_path / "bin/firecracker"
    assert install(scene, target) == f"{target}, Firecracker v1.13.1"
    assert target.read_bytes() == PROGRAM
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert os.listdir(target.parent) == ["firecracker"]
    assert os.listdir(scene.paths.downloads()) == []
    assert not list(Path(scene.paths.root).glob("*.tmp.*"))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"a/jailer": PROGRAM}, f"there is no {NAME}"),
        ({f"a/{NAME}": "/bin/sh"}, f"there is no {NAME}"),
        ({f"a/{NAME}": b"#!/bin/sh\nexit 1\n"}, "does not tell its version"),
        ({f"a/{NAME}": b"\x7fELF nothing"}, "does not run here"),
    ],
)
def test_what_is_no_firecracker_gets_no_name(
    scene: Scene, tmp_path: Path, members: dict[str, bytes | str], why: str
) -> None:
    release(scene, "v1.13.1", members)
    target = tmp_path / "bin/firecracker"
    target.parent.mkdir()
    target.write_bytes(b"the old one")
    with pytest.raises(HostError, match=why):
        install(scene, target)
    assert target.read_bytes() == b"the old one"
    assert os.listdir(target.parent) == ["firecracker"]


def test_a_changed_archive_is_refused(scene: Scene, tmp_path: Path) -> None:
    github = release(scene, "v1.13.1", {f"a/{NAME}": PROGRAM})
    scene.files.content[github.asset("v1.13.1", f"{NAME}.tgz")] = archive({f"a/{NAME}": PROGRAM + b"evil"})
    with pytest.raises(HostError, match="wrong sha256"):
        install(scene, tmp_path / "firecracker")
    assert not (tmp_path / "firecracker").exists()


def test_what_a_killed_run_left_beside_it_is_removed(scene: Scene, tmp_path: Path) -> None:
    release(scene, "v1.13.1", {f"a/{NAME}": PROGRAM})
    (tmp_path / "firecracker.tmp.999999999").write_bytes(b"half")
    (tmp_path / f"firecracker.tmp.{os.getppid()}").write_bytes(b"somebody is at it")
    install(scene, tmp_path / "firecracker")
    left = {path.name for path in tmp_path.glob("firecracker*")}
    assert left == {"firecracker", f"firecracker.tmp.{os.getppid()}"}


def test_where_it_belongs() -> None:
    assert firecracker.target_path(Settings()) == "/usr/local/bin/firecracker"
    assert firecracker.target_path(Settings(firecracker_binary="/opt/fc")) == "/opt/fc"
