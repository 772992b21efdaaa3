"""Images from releases and from the bucket: ext4 in every wrapping, and real squashfs files."""

import contextlib
import gzip
import json
import lzma
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from image_lab import Tree, assert_sound, debugfs, image_of, plant
from pull_lab import BUILD, Scene
from release_server import MACHINE, REPO

from vmmcompose.errors import HostError, UsageError
from vmmcompose.host import ext4, store
from vmmcompose.images import pull, rootfsfile
from vmmcompose.model.settings import Settings, VmDefaults

needs_squashfs = pytest.mark.skipif(
    not (shutil.which("mksquashfs") and shutil.which("unsquashfs")), reason="squashfs-tools are missing"
)
UBUNTU: Tree = {
    "boot/vmlinuz": "kernel",
    "etc/hostname": "ubuntu-fc-uvm\n",
    "etc/shadow": "root::19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
    "etc/ssh/ssh_host_rsa_key": "shared by everybody\n",
    "etc/systemd/system/sysinit.target.wants/fcnet.service": Path("/etc/systemd/system/fcnet.service"),
    "usr/bin/tool": "#!/bin/sh\n",
    "var/log": None,
}


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def as_it_is(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize(
    ("suffix", "pack"), [("", as_it_is), (".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstd)]
)
def test_an_image_of_a_release(
    scene: Scene, tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    made = image_of(tmp_path, {"etc/hello": "there\n"}, size_mib=16)
    name = f"rootfs.ext4{suffix}"
    scene.github.release("rootfs-24.04-20251201", {name: b"old"})
    scene.github.release("rootfs-24.04-20260105", {name: pack(made.read_bytes())})
    scene.github.release("rootfs-debian-12-20260106", {name: b"another"})
    image = scene.pull_image("ubuntu-24.04")
    path = Path(image.path)
    assert_sound(path)
    assert ext4.read_file(path, "/etc/hello") == b"there\n"
    assert ext4.image_label(path) == "vmm-root"
    assert path.stat().st_blocks * 512 < path.stat().st_size // 2, "the holes are gone"
    info = store.read_info(scene.paths.image_info("ubuntu-24.04"))
    assert (info["source"], info["version"]) == (f"github.com/{REPO} rootfs-24.04-20260105", "20260105")
    assert image.digest == info["sha256"]
    assert scene.leftovers() == []
    scene.files.requests.clear()
    scene.pull_image("ubuntu-24.04")
    assert scene.files.requests == []


def test_without_a_name_it_is_the_default_image() -> None:
    assert pull.default_image(Settings()) == "ubuntu-24.04"
    assert pull.default_image(Settings(vm_defaults=VmDefaults(image="debian-12"))) == "debian-12"
    assert pull.default_image(Settings(vm_defaults=VmDefaults(image="/srv/my.ext4"))) == "ubuntu-24.04"


def test_a_name_that_nobody_knows(scene: Scene) -> None:
    with pytest.raises(UsageError, match="image nonsense cannot be pulled from anywhere"):
        pull.pull_image(scene.paths, Settings(), "nonsense", scene.said.append)
    with pytest.raises(UsageError, match="cannot be a name"):
        scene.pull_image("../nonsense")
    with pytest.raises(HostError, match="404"):
        scene.pull_image("nonsense")
    with pytest.raises(UsageError, match="image tiny does not come from s3"):
        scene.pull_image("tiny", origin="s3")


def test_what_is_no_root_filesystem_is_refused(scene: Scene, tmp_path: Path) -> None:
    half = image_of(tmp_path, {"etc/hello": "there\n"}).read_bytes()[:3_000_000]
    for content in (b"<html>", gzip.compress(b"<html>"), b"\x1f\x8bnothing", half, gzip.compress(half)):
        scene.github.pages = [[]]
        scene.github.release("rootfs-22.04-20260105", {"rootfs.ext4": content})
        with pytest.raises(HostError, match="cannot be had") as caught:
            scene.pull_image("ubuntu-22.04")
        assert len(caught.value.problems) == 2
        assert store.list_images(scene.paths) == {}
        assert scene.leftovers() == []


def test_a_bomb_is_stopped(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootfsfile, "LIMIT", 8 << 20)
    scene.github.release("rootfs-24.04-20260105", {"rootfs.ext4.gz": gzip.compress(bytes(64 << 20))})
    with pytest.raises(HostError) as caught:
        scene.pull_image("ubuntu-24.04", origin="github")
    assert "is larger than" in caught.value.message
    assert scene.leftovers() == []


@pytest.mark.root
@needs_squashfs
def test_firecrackers_ubuntu_becomes_a_guest_of_ours(scene: Scene, tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", UBUNTU)
    os.chown(tree / "usr/bin/tool", 12, 34)
    (tree / "usr/bin/tool").chmod(0o4755)
    os.setxattr(tree / "usr/bin/tool", "user.kept", b"yes")
    os.link(tree / "usr/bin/tool", tree / "usr/bin/again")
    os.mknod(tree / "var/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    scene.bucket.put(f"{BUILD}/{MACHINE}/ubuntu-22.04.squashfs", b"older")
    scene.bucket.put(f"{BUILD}/{MACHINE}/ubuntu-24.04.squashfs", squashfs_of(tree))
    image = Path(scene.pull_image("ubuntu-24.04").path)
    assert_sound(image)
    files = ext4.read_files(image, ["/etc/shadow", "/etc/ssh/sshd_config.d/vmm.conf", "/etc/fstab"])
    assert files["/etc/shadow"] == b"root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"
    assert b"PermitRootLogin prohibit-password" in (files["/etc/ssh/sshd_config.d/vmm.conf"] or b"")
    assert "fcnet" not in debugfs(image, "ls -l /etc/systemd/system/sysinit.target.wants")
    assert "ssh_host" not in debugfs(image, "ls -l /etc/ssh")
    tool = debugfs(image, "stat /usr/bin/tool")
    assert "Mode:  04755" in tool
    assert "User:    12   Group:    34" in tool
    assert "Links: 2" in tool
    assert "user.kept" in debugfs(image, "ea_list /usr/bin/tool")
    assert "character special" in debugfs(image, "stat /var/null")
    info = store.read_info(scene.paths.image_info("ubuntu-24.04"))
    assert "not signed" in info["source"]
    free = int(debugfs(image, "stats").split("Free blocks:")[1].split()[0])
    assert free * 4096 > 200 << 20, "a squashfs has no free space, a guest needs some"
    assert scene.leftovers() == []


@pytest.mark.root
@needs_squashfs
@pytest.mark.parametrize("link", ["etc", "etc/ssh", "etc/systemd/system", "usr/lib/systemd", "boot", "var"])
def test_a_link_in_an_image_leads_to_nothing_of_the_hosts(scene: Scene, tmp_path: Path, link: str) -> None:
    trap = plant(tmp_path / "trap", {"shadow": "root::1::\n", "ssh_host_rsa_key": "mine\n", "system/x": "y"})
    before = sorted(str(path) for path in trap.rglob("*"))
    tree = plant(tmp_path / "tree", UBUNTU)
    shutil.rmtree(tree / link, ignore_errors=True)
    (tree / link).parent.mkdir(parents=True, exist_ok=True)
    (tree / link).symlink_to(trap)
    scene.bucket.put(f"{BUILD}/{MACHINE}/ubuntu-24.04.squashfs", squashfs_of(tree))
    with contextlib.suppress(HostError):
        scene.pull_image("ubuntu-24.04", origin="s3")
    assert sorted(str(path) for path in trap.rglob("*")) == before
    assert (trap / "shadow").read_text() == "root::1::\n"
    assert scene.leftovers() == []


@pytest.mark.root
@needs_squashfs
def test_a_squashfs_that_unpacks_to_too_much_is_refused(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootfsfile, "LIMIT", 8 << 20)
    tree = plant(tmp_path / "tree", {"etc/hello": "there\n"})
    with (tree / "bomb").open("wb") as file:
        file.truncate(64 << 20)
    scene.bucket.put(f"{BUILD}/{MACHINE}/ubuntu-24.04.squashfs", squashfs_of(tree))
    with pytest.raises(HostError, match="unpacks to 64 MiB"):
        scene.pull_image("ubuntu-24.04", origin="s3")


def squashfs_of(tree: Path) -> bytes:
    target = tree.parent / "made.squashfs"
    target.unlink(missing_ok=True)
    argv = ["mksquashfs", str(tree), str(target), "-quiet", "-no-progress", "-processors", "1"]
    subprocess.run(argv, capture_output=True, check=True)
    return target.read_bytes()


def test_the_sidecar_is_what_others_read(scene: Scene, tmp_path: Path) -> None:
    scene.github.release("rootfs-small-20260105", {"x.ext4": image_of(tmp_path, {}).read_bytes()})
    scene.pull_image("small")
    info = json.loads(Path(scene.paths.image_info("small")).read_text())
    assert sorted(info) == ["created", "schema_version", "sha256", "size", "source", "url", "version"]
