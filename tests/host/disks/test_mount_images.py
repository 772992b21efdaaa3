"""Mount images: what is in them, when they are made anew, and what a crash leaves."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from image_lab import assert_sound, debugfs, plant

from vmmcompose.errors import HostError
from vmmcompose.host import e2fs, ext4, mounts
from vmmcompose.host.ext4 import image_label, read_file
from vmmcompose.host.survey import Survey, survey
from vmmcompose.model.desired import Mount


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = plant(
        tmp_path / "site",
        {
            "index.html": "hello",
            'odd "name"\n\udcff': "odd",
            "sub/big": os.urandom(2 << 20),
            "link": Path("/etc/passwd"),
            "far": Path("/" + "x" * 100),
            "empty": None,
        },
    )
    os.link(folder / "index.html", folder / "hard")
    return folder


def build(site: Path, tmp_path: Path, mode: str = "ro") -> tuple[Path, Path]:
    target, info = tmp_path / "images" / "site.ext4", tmp_path / "images" / "site.json"
    target.parent.mkdir(exist_ok=True)
    mounts.build_mount(Mount("site", str(site), "rw" if mode == "rw" else "ro"), target, info)
    return target, info


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_an_image_shows_the_directory(site: Path, tmp_path: Path, mode: str) -> None:
    site.chmod(0o750)
    os.chown(site, os.getuid(), os.getgid())
    image, info = build(site, tmp_path, mode)
    assert_sound(image)
    assert image_label(image) == "site"
    assert read_file(image, "/index.html") == b"hello"
    assert "Links: 2" in debugfs(image, "stat /hard")
    assert '"/etc/passwd"' in debugfs(image, "stat /link")
    assert "Mode:  0750" in debugfs(image, "stat <2>")
    assert ("has_journal" in debugfs(image, "features")) is (mode == "rw")
    digest = mounts.source_digest(site)
    assert json.loads(info.read_text()) == {
        "source": str(site),
        "mode": mode,
        "sync": "none",
        "ignore": [],
        "owner": "",
        "digest": digest,
    }
    assert sorted(os.listdir(image.parent)) == ["site.ext4", "site.json"]
    assert image.stat().st_blocks * 512 < 8 << 20
    free = int(debugfs(image, "stats").split("Free blocks:")[1].split()[0]) * 4096
    assert free < 3 << 20 if mode == "ro" else free > 1000 << 20


def test_an_empty_directory_and_a_linked_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "via").symlink_to("empty")
    for name in ("empty", "via"):
        image, _ = build(tmp_path / name, tmp_path)
        assert_sound(image)
        assert image.stat().st_size <= 4 << 20


def test_many_small_files_fit(tmp_path: Path) -> None:
    tree = plant(tmp_path / "many", {f"d{i % 40}/file{i}": "x" * (i % 50) for i in range(3000)})
    image, _ = build(tree, tmp_path)
    assert_sound(image)
    assert read_file(image, "/d39/file2999") == b"x" * 49


def test_sparse_files_stay_sparse(tmp_path: Path) -> None:
    tree = plant(tmp_path / "sparse", {"x": "x"})
    with (tree / "hole").open("wb") as file:
        file.truncate(20 << 30)
        file.seek(10 << 30)
        file.write(b"island")
    image, _ = build(tree, tmp_path)
    assert image.stat().st_size < 8 << 20
    assert "Size: 21474836480" in debugfs(image, "stat /hole")
    assert_sound(image)


def test_the_digest_sees_what_a_guest_would_see(site: Path) -> None:
    seen = {mounts.source_digest(site)}

    def changed() -> bool:
        digest = mounts.source_digest(site)
        new = digest not in seen
        seen.add(digest)
        return new

    assert not changed()
    (site / "index.html").write_text("Hello")
    assert changed()
    (site / "index.html").chmod(0o600)
    assert changed()
    os.utime(site / "index.html", ns=(1, 1))
    assert changed()
    (site / "link").unlink()
    (site / "link").symlink_to("/etc/passwE")
    assert changed()
    (site / "sub").rename(site / "sub2")
    assert changed()
    (site / "empty/deep").mkdir()
    assert changed()


def test_the_digest_does_not_see_what_comes_and_goes(site: Path) -> None:
    before = mounts.source_digest(site)
    (site / "swap").touch()
    (site / "swap").unlink()
    assert mounts.source_digest(site) == before


def test_a_change_during_the_copy_is_noticed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ext4.make_image
    copies = []

    def make_then_edit(source: Path, target: Path, **options: object) -> None:
        real(source, target, **options)  # type: ignore[arg-type]
        copies.append(target)
        if len(copies) == 1:
            (site / "index.html").write_text("edited while it was copied")

    monkeypatch.setattr(ext4, "make_image", make_then_edit)
    image, info = build(site, tmp_path)
    assert len(copies) == 2
    assert read_file(image, "/index.html") == b"edited while it was copied"
    assert json.loads(info.read_text())["digest"] == mounts.source_digest(site)


def test_a_directory_that_never_rests_is_an_error(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, info = build(site, tmp_path)
    before = (image.read_bytes(), info.read_bytes())
    real = ext4.make_image

    def make_then_edit(source: Path, target: Path, **options: object) -> None:
        real(source, target, **options)  # type: ignore[arg-type]
        with (site / "log").open("a") as file:
            file.write("line\n")

    monkeypatch.setattr(ext4, "make_image", make_then_edit)
    with pytest.raises(HostError, match="keeps changing"):
        build(site, tmp_path)
    assert (image.read_bytes(), info.read_bytes()) == before
    assert sorted(os.listdir(image.parent)) == ["site.ext4", "site.json"]


CRASH = """
import os, signal, sys
from vmmcompose.host import mounts
from vmmcompose.host.survey import Survey, survey
from vmmcompose.model.desired import Mount
mounts.write_atomic = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
mounts.build_mount(Mount("site", sys.argv[1], "ro"), sys.argv[2], sys.argv[3])
"""


def test_a_crash_between_image_and_sidecar_is_noticed(site: Path, tmp_path: Path) -> None:
    image, info = build(site, tmp_path)
    (site / "index.html").write_text("newer")
    process = subprocess.run([sys.executable, "-c", CRASH, site, image, info], check=False)
    assert process.returncode == -signal.SIGKILL
    assert not info.exists()
    assert read_file(image, "/index.html") == b"newer"


def test_a_directory_that_holds_the_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="vmm's own data"):
        build(tmp_path, tmp_path)
    assert not (tmp_path / "images/site.ext4").exists()


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    for name in ("gone", "file"):
        (tmp_path / "file").touch()
        with pytest.raises(HostError, match=name):
            build(tmp_path / name, tmp_path)
        with pytest.raises(HostError, match=name):
            mounts.source_digest(tmp_path / name)
    assert os.listdir(tmp_path / "images") == []


def test_content_that_occupies_less_here_still_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a compressing file system, where a file's blocks say too little."""
    tree = plant(tmp_path / "tree", {"big": os.urandom(6 << 20)})

    def compressed(folder: Path, ignore: tuple[str, ...]) -> Survey:
        found = survey(folder, ignore)
        return Survey(found.digest, found.inodes, found.allocated // 10, found.apparent)

    monkeypatch.setattr(mounts, "survey", compressed)
    image, _ = build(tree, tmp_path)
    assert_sound(image)
    assert e2fs.read_superblock(image).size_bytes > 6 << 20


def test_what_is_ignored_is_never_in_the_image_and_the_rest_is_its_owners(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {"keep": b"kept", "odd\nname": b"odd", "secret.env": b"swordfish"})
    plant(tree / "node_modules", {"left": b"left-pad"})
    plant(tree / "logs", {"a.log": b"log", "b.log": b"log"})
    (tree / ".vmmignore").write_text("*.env\n*.log\n")
    mount = Mount("site", str(tree), "ro", ignore=("node_modules/", "!b.log"), owner="1000:1001")
    image, info = tmp_path / "site.ext4", tmp_path / "site.json"
    mounts.build_mount(mount, image, info)
    assert_sound(image)
    for gone in (b"swordfish", b"left-pad"):
        assert gone not in image.read_bytes()
    for path in ("/", "/keep", "/logs", "/logs/b.log"):
        assert re.search(r"User: +1000 +Group: +1001 ", debugfs(image, f"stat {path}")), path
    assert "odd\\x0aname" in debugfs(image, "ls -l /")
    assert "a.log" not in debugfs(image, "ls -l /logs")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site.ext4", "site.json", "tree"]
    digest = json.loads(info.read_text())["digest"]
    (tree / "secret.env").write_text("another")
    assert mounts.source_digest(tree, mount.ignore) == digest
    (tree / ".vmmignore").write_text("*.log\n")
    assert mounts.source_digest(tree, mount.ignore) != digest
