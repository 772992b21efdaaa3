"""Images that were not made for vmm, equipped and booted for real."""

import os
import shutil
from pathlib import Path

import pytest
from bare_guest import BareGuest
from guest_duties import check_duties
from image_lab import plant

from vmmcompose.host import store as listing
from vmmcompose.images import equip, packages, publish
from vmmcompose.images.imagefile import publish_tree
from vmmcompose.model.observed import Image, Kernel
from vmmcompose.model.paths import Paths

pytestmark = [pytest.mark.guest, pytest.mark.root]


def published(paths: Paths, name: str, tree: Path) -> Image:
    publish.prepare(paths)
    publish_tree(paths, name, tree, {"source": "a test"}, slack_mib=32)
    return listing.list_images(paths)[name]


def test_an_image_of_one_file_becomes_a_guest(store: Paths, kernel: Kernel, tmp_path: Path) -> None:
    """As `FROM scratch` gives: neither shell nor accounts nor libraries."""
    tree = plant(
        tmp_path / "tree", {"app/data": "the image's own\n", "etc/inittab": "::respawn:/app/server\n"}
    )
    (tmp_path / "work").mkdir()
    found = equip.equip(tree, "tiny", tmp_path / "work", print)
    assert "dropbear-bin" in found
    with BareGuest(published(store, "scratch", tree), kernel) as guest:
        guest.start().wait_for_ssh()
        check_duties(guest)
        assert guest.says("cat /app/data") == "the image's own"
        assert guest.says("cat /etc/inittab.before-vmm") == "::respawn:/app/server"
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()
        assert "Restarting system" in guest.console()


@pytest.mark.slow
def test_a_debian_without_init_gets_one(store: Paths, kernel: Kernel, tmp_path: Path) -> None:
    for tool in ("mmdebstrap", "bwrap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    tree = tmp_path / "tree"
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--quiet",
        "--format=directory",
        "bookworm",
        str(tree),
    ]
    packages.run(argv, "build a Debian", cwd=str(tmp_path), timeout_s=600)
    assert not os.path.lexists(tree / "sbin/init")
    found = equip.equip(tree, "auto", tmp_path / "work", print)
    assert "openssh-server" in found
    with BareGuest(published(store, "equipped", tree), kernel, memory_mib=512) as guest:
        guest.start().wait_for_ssh()
        check_duties(guest)
        assert guest.says("systemctl is-system-running --wait || systemctl --failed") == "running"
        assert guest.says("ls /etc/ssh | grep ^ssh_host") == "ssh_host_ed25519_key"
        guest.press_ctrl_alt_delete()
        guest.wait_for_end()
