"""Images imported from archives and from podman, booted for real."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_lab import Layout, docker_save, named, write_tar
from bare_guest import BareGuest
from guest_duties import check_duties
from image_lab import debugfs
from tar_lab import folder, member, symlink, tar_of

from vmmcompose.errors import HostError
from vmmcompose.host import store as listing
from vmmcompose.images import importing, packages
from vmmcompose.images.importing import Wanted
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths

pytestmark = [pytest.mark.guest, pytest.mark.root]
CAPABILITY = "0100000200040000000000000000000000000000"
ENGINE = """#!/bin/sh
exec {podman} --root {place}/root --runroot {place}/run --tmpdir {place}/tmp --storage-driver=vfs \\
  --cgroup-manager=cgroupfs --events-backend=none "$@"
"""


def application() -> tuple[bytes, bytes]:
    """Two layers: the second replaces, removes and hides something of the first."""
    ping = member("app/tool", b"#!/bin/sh\n", mode=0o755, uid=1000, gid=1001)
    ping[0].pax_headers = {"SCHILY.xattr.security.capability": bytes.fromhex(CAPABILITY).decode()}
    lower = tar_of(folder("app"), ping, member("app/data", b"old\n"), member("app/gone"), member("cache/old"))
    upper = tar_of(member("app/data", b"new\n"), member("app/.wh.gone"), member("cache/.wh..wh..opq"))
    return lower, upper


@pytest.mark.parametrize("shape", ["layout", "docker save"])
def test_an_archive_of_two_layers_boots(store: Paths, kernel: Kernel, tmp_path: Path, shape: str) -> None:
    if shape == "layout":
        layout = Layout()
        listing_ = layout.listing(layout.image(*application(), **named("app:1")))
        file = write_tar(tmp_path / "app.tar", listing_)
    else:
        file = docker_save(tmp_path / "app.tar", {"app:1": list(application())})
    wanted = Wanted("app", init="tiny", force=True)
    image = importing.import_archive(store, file, "app:1", wanted, print)
    with BareGuest(image, kernel) as guest:
        guest.start().wait_for_ssh()
        if shape == "layout":
            check_duties(guest)
        assert guest.says("cat /app/data; ls /app; ls /cache") == "new\ndata\ntool"
        assert guest.says("stat -c %u:%g:%a /app/tool") == "1000:1001:755"
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """podman with a store of its own, as the only engine."""
    found = shutil.which("podman")
    if found is None:
        pytest.skip("podman is missing")
    wrapper = tmp_path / "bin/podman"
    wrapper.parent.mkdir()
    # podman refuses a --runroot of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="p") as place:
        wrapper.write_text(ENGINE.format(podman=found, place=place))
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", str(wrapper.parent), prepend=":")
        yield str(wrapper)
        subprocess.run([wrapper, "rm", "-af"], capture_output=True, check=False)


def containers(engine: str) -> str:
    return subprocess.run([engine, "ps", "-aq"], capture_output=True, text=True, check=True).stdout


def test_an_image_of_podman_is_imported_and_its_container_removed(
    store: Paths, tmp_path: Path, podman: str
) -> None:
    tree = tar_of(folder("app"), member("app/data", b"podman's\n", uid=5), symlink("lib", "app"))
    (tmp_path / "tree.tar").write_bytes(tree)
    load = [podman, "import", "--change", "ENV=A=1", str(tmp_path / "tree.tar"), "localhost/app:1"]
    subprocess.run(load, check=True, capture_output=True)
    left = subprocess.run(
        [podman, "create", "--label", f"vmm.import={store.root}", "localhost/app:1", "/x"],
        check=True,
        capture_output=True,
    )
    assert left.stdout
    image = importing.import_from_engine(
        store, "localhost/app:1", "podman", Wanted("pod", init="none", force=True), print
    )
    assert containers(podman) == ""
    assert "A=1" in listing.read_info(store.image_info("pod"))["config"]["Env"]
    told = debugfs(Path(image.path), "stat /app/data")
    assert "User:     5" in told
    assert debugfs(Path(image.path), "cat /app/data") == "podman's\n"


def test_what_podman_does_not_have_is_said(store: Paths, podman: str) -> None:
    with pytest.raises(HostError, match="podman has no image localhost/nothing"):
        importing.import_from_engine(store, "localhost/nothing", "podman", Wanted("none"), print)
    assert containers(podman) == ""


def test_a_failed_import_leaves_no_container(store: Paths, tmp_path: Path, podman: str) -> None:
    (tmp_path / "tree.tar").write_bytes(tar_of(member("data", bytes(2 << 20))))
    load = [podman, "import", str(tmp_path / "tree.tar"), "localhost/big:1"]
    subprocess.run(load, check=True, capture_output=True)
    # What podman itself adds needs no room; the file of two MiB does.
    wanted = Wanted("big", size_mib=1, init="none")
    with pytest.raises(HostError, match="more does not fit into --size"):
        importing.import_from_engine(store, "localhost/big:1", "podman", wanted, print)
    assert containers(podman) == ""
    assert not list(Path(store.rootfs()).glob("big*"))


@pytest.mark.slow
def test_a_debian_out_of_podman_boots_with_systemd(
    store: Paths, kernel: Kernel, tmp_path: Path, podman: str
) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is missing")
    tar = tmp_path / "debian.tar"
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--quiet"]
    argv += ["--include=systemd-sysv,openssh-server,iputils-ping", "bookworm", str(tar)]
    packages.run(argv, "build a Debian", cwd=str(tmp_path), timeout_s=600)
    subprocess.run([podman, "import", str(tar), "localhost/debian:12"], check=True, capture_output=True)
    tar.unlink()
    image = importing.import_from_engine(store, "localhost/debian:12", "", Wanted("deb", force=True), print)
    with BareGuest(image, kernel, memory_mib=512) as guest:
        guest.start().wait_for_ssh()
        assert guest.says("systemctl is-system-running --wait || systemctl --failed") == "running"
        assert guest.says("stat -c %a /usr/bin/passwd") == "4755"
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()
