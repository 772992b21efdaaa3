"""Images imported from files: what reaches the image, which one is chosen, and what is refused without a trace."""

import gzip
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from archive_lab import Layout, docker_save, named, platform, write_folder, write_tar
from image_lab import assert_sound, debugfs, image_of
from tar_lab import folder, hardlink, member, tar_of

from vmmcompose.errors import HostError, HostUnfit, UsageError, VmmError
from vmmcompose.host import store
from vmmcompose.images import importing, rootfsfile
from vmmcompose.images.importing import Wanted
from vmmcompose.images.oci import architecture
from vmmcompose.model.paths import Paths

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is missing, for the owners of files"),
]
OTHER = "arm64" if architecture() == "amd64" else "amd64"
PLAIN = Wanted("it", init="none")
LOWER = tar_of(folder("etc"), member("etc/old"), folder("opt/app"), member("opt/app/old"), member("gone"))
UPPER = tar_of(
    member("etc/new", b"new"), member("opt/app/new"), member("opt/app/.wh..wh..opq"), member(".wh.gone")
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(PurePosixPath(tmp_path) / "data")


def names(paths: Paths, where: str) -> list[str]:
    rows = debugfs(Path(paths.image("it")), f"ls -p {where}").splitlines()
    return sorted({row.split("/")[5] for row in rows if row} - {".", "..", "lost+found"})


def holds_one(*layers: bytes) -> dict[str, bytes]:
    layout = Layout()
    return layout.listing(layout.image(*layers, **named("latest")))


@pytest.mark.parametrize("write", [write_tar, write_folder])
def test_two_layers_with_markers_become_an_image(
    paths: Paths, tmp_path: Path, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    file = write(tmp_path / "archive", holds_one(LOWER, UPPER))
    image = importing.import_archive(paths, file, "", PLAIN, print)
    assert names(paths, "/") == ["etc", "opt"]
    assert (names(paths, "/etc"), names(paths, "/opt/app")) == (["new", "old"], ["new"])
    assert_sound(Path(image.path))
    info = store.read_info(paths.image_info("it"))
    assert info["config"] == {"Env": ["A=1"], "Entrypoint": ["/app"], "Cmd": ["serve"]}
    assert info["source"] == f"{file} (latest)"


def test_a_compressed_archive_is_decompressed_first(paths: Paths, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "archive", holds_one(LOWER))
    file.write_bytes(gzip.compress(file.read_bytes()))
    importing.import_archive(paths, file, "", PLAIN, print)
    assert names(paths, "/") == ["etc", "gone", "opt"]
    assert sorted(os.listdir(paths.rootfs())) == ["it.ext4", "it.json"]


def test_what_docker_save_wrote(paths: Paths, tmp_path: Path) -> None:
    file = docker_save(tmp_path / "saved.tar", {"shop:1": [LOWER], "shop:latest": [LOWER, UPPER]})
    importing.import_archive(paths, file, "shop", PLAIN, print)
    assert names(paths, "/") == ["etc", "opt"]
    importing.import_archive(
        paths, file, "docker.io/library/shop:1", Wanted("it", init="none", force=True), print
    )
    assert names(paths, "/") == ["etc", "gone", "opt"]
    with pytest.raises(UsageError) as caught:
        importing.import_archive(paths, file, "", Wanted("other", init="none"), print)
    assert (caught.value.message, caught.value.hint) == (
        "saved.tar holds 2 images",
        "name one of them: shop:1, shop:latest",
    )
    with pytest.raises(UsageError, match="holds no image shop:3"):
        importing.import_archive(paths, file, "shop:3", Wanted("other", init="none"), print)


def test_of_several_machines_this_one_is_taken(paths: Paths, tmp_path: Path) -> None:
    layout = Layout()
    mine = layout.image(LOWER, **platform(architecture()))
    other = layout.image(UPPER, machine=OTHER, **platform(OTHER))
    note = layout.image(b"", annotations={"vnd.docker.reference.type": "attestation-manifest"})
    for number, listing in enumerate(
        (layout.listing(other, mine, note), layout.listing(layout.index(note, other, mine)))
    ):
        file = write_tar(tmp_path / f"{number}.tar", listing)
        importing.import_archive(paths, file, "", Wanted("it", init="none", force=True), print)
        assert names(paths, "/") == ["etc", "gone", "opt"]
    for listing in (layout.listing(other), layout.listing(layout.index(other))):
        file = write_tar(tmp_path / "other.tar", listing)
        with pytest.raises(HostUnfit, match=f"is for linux/{OTHER}"):
            importing.import_archive(paths, file, "", Wanted("other", init="none"), print)


def test_capabilities_owners_links_and_holes_survive(paths: Paths, tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    ping = member("bin/ping", b"x" * 5000, mode=0o4711, uid=1000, gid=70_000, mtime=1_600_000_000)
    ping[0].pax_headers = {"SCHILY.xattr.security.capability": capability.decode()}
    big = member("big", bytes(64 << 20) + b"end")
    layer = tar_of(folder("bin"), ping, hardlink("bin/ping6", "bin/ping"), big)
    image = importing.import_archive(paths, write_tar(tmp_path / "a", holds_one(layer)), "", PLAIN, print)
    told = debugfs(Path(image.path), "stat /bin/ping")
    assert "Mode:  04711" in told
    assert "User:  1000   Group: 70000" in told.replace("  Project:", "")
    assert "Links: 2" in told
    assert "mtime: 0x5f5e1000" in told
    inode = debugfs(Path(image.path), "stat /bin/ping6").split()[1]
    assert inode == told.split()[1]
    raw = debugfs(Path(image.path), "ea_get -x /bin/ping security.capability")
    assert bytes.fromhex(raw.split("=")[1].strip().replace(" ", "")) == capability
    assert "Size: 67108867" in debugfs(Path(image.path), "stat /big")
    assert os.stat(image.path).st_blocks * 512 < 8 << 20


@pytest.mark.parametrize("tool", ["cat", "gzip", "xz", "zstd"])
def test_a_root_filesystem_in_a_tar(paths: Paths, tmp_path: Path, tool: str) -> None:
    file = tmp_path / "rootfs"
    file.write_bytes(subprocess.run([tool], input=LOWER, capture_output=True, check=True).stdout)
    image = importing.import_rootfs(paths, file, Wanted("it", size_mib=100, init="none"), print)
    assert names(paths, "/") == ["etc", "gone", "opt"]
    assert image.size_bytes == 100 << 20


def test_an_ext4_is_taken_as_it_is(paths: Paths, tmp_path: Path) -> None:
    file = image_of(tmp_path, {"etc/x": "y"})
    importing.import_rootfs(paths, file, Wanted("it"), print)
    assert names(paths, "/etc") == ["x"]
    for wanted in (Wanted("other", init="tiny"), Wanted("other", size_mib=999)):
        with pytest.raises(UsageError, match="an ext4 is taken as it is"):
            importing.import_rootfs(paths, file, wanted, print)
    os.truncate(file, 9 << 20)
    with pytest.raises(HostError, match="cut short"):
        importing.import_rootfs(paths, file, Wanted("other"), print)
    assert sorted(os.listdir(paths.rootfs())) == ["it.ext4", "it.json"]


def test_a_squashfs_becomes_an_image(paths: Paths, tmp_path: Path) -> None:
    if shutil.which("mksquashfs") is None:
        pytest.skip("mksquashfs is missing")
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/x").write_text("y")
    os.chown(tmp_path / "tree/etc/x", 1000, 70_000)
    os.mknod(tmp_path / "tree/etc/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0))
    os.mkfifo(tmp_path / "tree/etc/pipe")
    (tmp_path / "tree/etc/link").symlink_to("/etc/shadow")
    subprocess.run(["mksquashfs", tmp_path / "tree", tmp_path / "s"], check=True, capture_output=True)
    importing.import_rootfs(paths, tmp_path / "s", PLAIN, print)
    assert names(paths, "/etc") == ["link", "x"]
    assert "User:  1000   Group: 70000" in debugfs(Path(paths.image("it")), "stat /etc/x")


def test_unsquashfs_can_write_into_the_tree_only(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    prefix = rootfsfile._confined(tmp_path / "inside")
    if not prefix:
        pytest.skip("bwrap is missing, or may not be used here")
    for place, made in (("inside", True), (".", False)):
        done = subprocess.run([*prefix, "touch", tmp_path / place / "file"], capture_output=True, check=False)
        assert (done.returncode == 0, (tmp_path / place / "file").exists()) == (made, made)


def test_a_damaged_ext4_is_refused(paths: Paths, tmp_path: Path) -> None:
    file = image_of(tmp_path, {"etc/x": "y"})
    debugfs(file, "set_inode_field /etc mode 0100644", write=True)
    with pytest.raises(HostError, match=r"the file system in image.ext4 is damaged"):
        importing.import_rootfs(paths, file, PLAIN, print)
    assert os.listdir(paths.rootfs()) == []


def test_many_small_files_on_a_full_disk_are_told_and_leave_nothing(tmp_path: Path) -> None:
    file = tmp_path / "small.tar"
    file.write_bytes(tar_of(*(member(f"d/{number}", b"x") for number in range(4000))))
    script = """mount -t tmpfs -o size=10m tmpfs "$1" || exit 9
        shift; "$@"; echo "$?"; ls "$5/images/rootfs" """
    (tmp_path / "disk").mkdir()
    paths = Paths(PurePosixPath(tmp_path) / "disk/d")
    command = vmm(paths, "import", "--rootfs", str(file), "--name", "it", "--init", "none")
    argv = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path / "disk"), *command]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "No space left on device" in done.stderr
    assert "free some space there" in done.stderr
    assert done.stdout.split()[0] == "1"
    assert "it" not in done.stdout


def test_an_image_of_the_name_is_left_alone(paths: Paths, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a", holds_one(LOWER))
    first = importing.import_archive(paths, file, "", PLAIN, print)
    said: list[str] = []
    assert importing.import_archive(paths, tmp_path / "missing", "", PLAIN, said.append) == first
    assert said == ["image it is in the store already; --force replaces it"]


def flipped(files: dict[str, bytes], part: bytes) -> dict[str, bytes]:
    """The files with one byte changed in the first that holds `part`."""
    name = next(name for name, data in files.items() if part in data)
    data = bytearray(files[name])
    data[-3] ^= 1
    return {**files, name: bytes(data)}


def without(files: dict[str, bytes], part: bytes) -> dict[str, bytes]:
    name = next(name for name, data in files.items() if part in data)
    return {key: data for key, data in files.items() if key != name}


BAD: dict[str, tuple[dict[str, bytes], str]] = {
    "a layer was changed": (flipped(holds_one(LOWER), b"\x1f\x8b"), "damaged|is not what"),
    "the configuration was changed": (flipped(holds_one(LOWER), b"diff_ids"), "is not what|is no JSON"),
    "the manifest was changed": (flipped(holds_one(LOWER), b'"layers"'), "is not what|is no JSON"),
    "a layer is missing": (without(holds_one(LOWER), b"\x1f\x8b"), "lacks the layer"),
    "the configuration is missing": (without(holds_one(LOWER), b"diff_ids"), "lacks blobs"),
    "it holds no image": (Layout().listing(), "holds no image"),
    "it is another tar": ({"etc/passwd": b"x"}, "neither an archive"),
    "a blob with a path": (Layout().listing({"digest": "sha256:../../../etc/passwd"}), "which is no digest"),
    "JSON that is too deep": ({"index.json": b"[" * 100_000}, "is no JSON"),
    "a list instead of an object": ({"index.json": b"[1]"}, "not what it should be"),
    "a hostile layer": (holds_one(tar_of(member("../x"))), "leads out of its folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_archives_are_refused_and_leave_nothing(paths: Paths, tmp_path: Path, case: str) -> None:
    files, said = BAD[case]
    with pytest.raises(VmmError, match=said):
        importing.import_archive(paths, write_tar(tmp_path / "a", files), "", PLAIN, print)
    assert os.listdir(paths.rootfs()) == []
    with pytest.raises(VmmError, match=said):
        importing.import_archive(paths, write_folder(tmp_path / "f", files), "", PLAIN, print)
    assert os.listdir(paths.rootfs()) == []


def test_what_does_not_fit_into_the_size_is_refused(paths: Paths, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a", holds_one(tar_of(member("big", os.urandom(3 << 20)))))
    with pytest.raises(HostError, match="more does not fit into --size"):
        importing.import_archive(paths, file, "", Wanted("it", size_mib=2, init="none"), print)


def vmm(paths: Paths, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "vmmcompose", "--data-dir", str(paths.root), "image", *arguments]


def test_a_killed_import_is_cleaned_up_by_the_next(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "long.tar"
    file.write_bytes(tar_of(*(member(f"d{number % 50}/f{number}") for number in range(10_000))))
    running = subprocess.Popen(vmm(paths, "import", "--rootfs", str(file), "--name", "it", "--init", "none"))
    deadline = time.monotonic() + 30
    while not list(Path(paths.rootfs()).glob("*.tmp.*/tree/d*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.kill()
    running.wait()
    assert list(Path(paths.rootfs()).glob("*.tmp.*"))
    importing.import_archive(paths, write_tar(tmp_path / "a", holds_one(LOWER)), "", PLAIN, print)
    assert sorted(os.listdir(paths.rootfs())) == ["it.ext4", "it.json"]


def test_the_command_and_the_listing(paths: Paths, tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a", holds_one(LOWER))
    command = vmm(paths, "import", "--archive", str(file), "--name", "it", "--init", "none")
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "it\n"
    assert "unpacking layer 1 of 1" in done.stderr
    listed = subprocess.run(vmm(paths, "list", "--json"), capture_output=True, text=True, check=True)
    assert json.loads(listed.stdout)["images"][0]["config"]["Entrypoint"] == ["/app"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to import"),
        (["--archive", "a", "--rootfs", "b"], "two sources"),
        (["shop", "--rootfs", "b"], "holds one root filesystem"),
        (["--archive", "a", "--engine", "docker"], "--engine is for"),
        (["shop", "--size", "much"], "--size"),
        (["--rootfs", "missing"], "there is no file missing"),
    ],
)
def test_command_lines_that_make_no_sense(paths: Paths, arguments: list[str], said: str) -> None:
    command = vmm(paths, "import", "--name", "it", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert said in done.stderr
