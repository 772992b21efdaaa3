"""An image whose files are links to the host's paths: the host is not touched, and the guest works all the same."""

import shutil
import subprocess
from pathlib import Path

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]


def plant(image: Path, commands: list[str]) -> None:
    script = image.with_suffix(".debugfs")
    script.write_text("\n".join(commands) + "\n")
    subprocess.run(["debugfs", "-w", "-f", str(script), str(image)], check=True, capture_output=True)


def test_links_out_of_the_image_lead_nowhere(lab: Lab) -> None:
    victim = lab.root / "victim"
    for name in ("ssh/authorized_keys", "resolv.conf", "hosts"):
        (victim / name).parent.mkdir(parents=True, exist_ok=True)
        (victim / name).write_text(f"the host's own {name}\n")
    before = {
        path: (path.read_text(), path.stat().st_mtime_ns) for path in victim.rglob("*") if path.is_file()
    }
    image = lab.root / "hostile.ext4"
    shutil.copy(lab.data / "images" / "rootfs" / "tiny.ext4", image)
    plant(
        image,
        [
            "rm /root/.ssh/authorized_keys",
            "rmdir /root/.ssh",
            f"symlink /root/.ssh {victim}/ssh",
            "rm /etc/resolv.conf",
            f"symlink /etc/resolv.conf {victim}/resolv.conf",
            "rm /etc/hosts",
            f"symlink /etc/hosts {victim}/hosts",
        ],
    )
    listing = subprocess.run(
        ["debugfs", "-R", "stat /etc/hosts", str(image)], check=True, capture_output=True, text=True
    )
    assert "symlink" in listing.stdout, "the trap is set"
    lab.write(f"vms: {{web: {{image: {image}, memory: 128MiB, disk: 64MiB, dns: [192.0.2.53]}}}}")
    lab.vmm("up")
    said = lab.vmm("exec", "web", "--", "sh", "-c", "cat /etc/resolv.conf; hostname; grep -c web /etc/hosts")
    assert "nameserver 192.0.2.53" in said.stdout
    assert "web" in said.stdout.splitlines()
    assert {path: (path.read_text(), path.stat().st_mtime_ns) for path in before} == before
    lab.vmm("down")
    assert {path: (path.read_text(), path.stat().st_mtime_ns) for path in before} == before
