"""A stopped VM's disk as an image: what was made in it is there, what was that VM's own is not."""

import json
import re
from collections.abc import Iterator

import pytest
from lab import Lab, missing_for_guests

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A store of its own, for this one is written to."""
    with Lab().own_images() as made:
        yield made


def test_a_vm_becomes_an_image_without_its_secrets(lab: Lab) -> None:
    (lab.project / "vmm.yaml").write_text(
        "name: shop\nvms:\n  web: {image: tiny, memory: 128MiB, env: {TOKEN: hunter2-in-env}}\n"
    )
    lab.vmm("up")
    script = "echo precious > /srv/www/kept; mkdir -p /home/ada/.ssh; echo adas-key > /home/ada/.ssh/authorized_keys;"
    script += "echo deleted-long-ago > /root/secret; sync; rm /root/secret; sync"
    lab.vmm("exec", "web", "--", "sh", "-c", script)
    assert "vmm stop web" in lab.vmm("image", "snapshot", "web", "--name", "ready", code=1).stderr
    lab.vmm("stop", "web")
    assert lab.vmm("image", "snapshot", "web", "--name", "ready").stdout == "ready\n"
    assert "already" in lab.vmm("image", "snapshot", "web", "--name", "ready", code=64).stderr

    disk = (lab.data / "vms" / "shop-web" / "root.ext4").read_bytes()
    image = (lab.data / "images" / "rootfs" / "ready.ext4").read_bytes()
    key = (lab.data / "vms" / "shop-web" / "ssh_host_ed25519_key").read_bytes().splitlines()[2]
    managed = (lab.data / "ssh" / "id_ed25519.pub").read_bytes().split()[1]
    for secret in (key, managed, b"hunter2-in-env", b"adas-key", b"deleted-long-ago"):
        assert secret in disk, "the test looks for something that was never there"
        assert secret not in image, secret
    assert len(image) < len(disk)
    mode = (lab.data / "images" / "rootfs" / "ready.ext4").stat().st_mode
    assert not mode & 0o077, "what a VM held is nobody else's to read"

    lab.vmm("create", "other", "--image", "ready", "--memory", "128")
    lab.vmm("start", "other")
    done = lab.vmm(
        "exec", "other", "--", "sh", "-c", "cat /srv/www/kept /etc/hostname; env | grep -c TOKEN", code=1
    )
    assert done.stdout == "precious\nother\n0\n"
    rows = json.loads(lab.vmm("image", "list", "--json").stdout)["images"]
    assert {row["name"]: row["source"] for row in rows}["ready"] == "snapshot of VM shop-web"

    assert "is used by other" in lab.vmm("image", "delete", "ready", code=1).stderr
    assert re.search(r"did you mean .ready.", lab.vmm("image", "delete", "redy", code=64).stderr)
    lab.vmm("delete", "--force", "other")
    lab.vmm("image", "delete", "ready")
    assert not list((lab.data / "images" / "rootfs").glob("ready*"))
    assert "is used by shop-web" in lab.vmm("image", "delete", "tiny", code=1).stderr


def test_a_vm_that_was_never_started_has_nothing_to_give(lab: Lab) -> None:
    lab.vmm("create", "fresh", "--image", "tiny")
    assert "has no disk yet" in lab.vmm("image", "snapshot", "fresh", "--name", "x", code=64).stderr
    assert "cannot be a name" in lab.vmm("image", "snapshot", "fresh", "--name", "../x", code=64).stderr
