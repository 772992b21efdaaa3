"""Volumes in real guests: what is written there outlives root disks, VMs and projects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = """
defaults: {image: tiny, memory: 128MiB, disk: 64MiB}
vms:
  db:
    volumes: ["data:/var/lib/db"]
    mounts: ["./site:site:ro"]
volumes:
  data: {size: 64MiB}
"""
MOVED = """
defaults: {image: tiny, memory: 128MiB, disk: 64MiB}
vms:
  db: {}
  heir:
    volumes: ["data:/srv/old:ro"]
volumes:
  data: {size: 64MiB}
"""
TEXT = "kept through it all"


@pytest.fixture
def host(lab: Lab) -> Iterator[Lab]:
    (lab.project / "site").mkdir()
    (lab.project / "site" / "index.html").write_text("a page\n")
    lab.write(MANIFEST)
    yield lab
    lab.vmm("down", "--volumes")


def file(lab: Lab) -> Path:
    return lab.data / "volumes" / "lab" / "data.ext4"


def in_guest(lab: Lab, script: str, vm: str = "db") -> str:
    return lab.vmm("exec", vm, "--", "sh", "-c", script).stdout.strip()


def listed(lab: Lab) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(lab.vmm("volume", "list", "--json").stdout)["volumes"]
    return rows


def test_what_is_written_to_a_volume_outlives_everything_but_its_own_end(host: Lab) -> None:
    clean = host.traces()
    host.vmm("up")
    assert "/var/lib/db ext4 rw" in in_guest(host, "grep /var/lib/db /proc/mounts")
    assert in_guest(host, "cat /mnt/site/index.html") == "a page", "a volume beside a mount"
    in_guest(host, f"echo '{TEXT}' > /var/lib/db/file && echo gone > /root/other && sync")

    host.vmm("up", "--recreate", "--allow-data-loss")
    assert in_guest(host, "cat /var/lib/db/file; test -e /root/other || echo gone") == f"{TEXT}\ngone"

    done = host.vmm("down")
    assert "volume `data` stays on this host" in done.stderr
    assert host.traces()["files"] == ["volumes/lab/data.ext4"]
    assert [(row["name"], row["vms"]) for row in listed(host)] == [("data", [])]

    host.write(MANIFEST.replace("size: 64MiB", "size: 200MiB"))
    host.vmm("up")
    assert in_guest(host, "cat /var/lib/db/file") == TEXT
    assert int(in_guest(host, "df -m /var/lib/db | tail -1 | awk '{print $2}'")) > 150
    assert [(row["size_bytes"], row["vms"][0]["vm"], row["vms"][0]["state"]) for row in listed(host)] == [
        (200 << 20, "db", "running")
    ]
    refused = host.vmm("volume", "delete", "data", "--allow-data-loss", code=1)
    assert "cannot be deleted while VM `db` runs" in refused.stderr

    shown = host.vmm("down", "--volumes", "--dry-run").stdout
    assert "data is lost: all that is in volume `data` (200 MiB)" in shown
    assert file(host).exists()
    host.vmm("down", "--volumes")
    assert host.traces() == clean


def test_a_volume_goes_from_one_vm_to_another_and_is_read_only_there(host: Lab) -> None:
    host.vmm("up")
    in_guest(host, f"echo '{TEXT}' > /var/lib/db/file")
    host.write(MOVED)
    host.vmm("up")
    assert in_guest(host, "cat /srv/old/file", "heir") == TEXT
    assert in_guest(host, "touch /srv/old/new 2>&1 || true", "heir").endswith("Read-only file system")
    assert in_guest(host, "ls /var/lib/db") == "", "the mount point stays and is empty"


def test_a_volume_whose_guest_was_cut_off_is_mended_before_it_is_used(host: Lab) -> None:
    host.vmm("up")
    in_guest(host, f"echo '{TEXT}' > /var/lib/db/file && sync")
    host.run("kill", "-KILL", str(host.pid("db")))
    host.vmm("up")
    assert (
        in_guest(host, "cat /var/lib/db/file && touch /var/lib/db/more && echo written") == f"{TEXT}\nwritten"
    )


def test_a_volume_of_a_stopped_vm_is_deleted_only_with_consent(host: Lab) -> None:
    host.vmm("up", "--no-wait")
    host.vmm("stop", "--grace", "0")
    asked = host.vmm("volume", "delete", "data", code=1)
    assert "all that is in volume `data` (64 MiB)" in asked.stderr
    assert file(host).exists()
    host.vmm("volume", "delete", "data", "--allow-data-loss")
    assert not file(host).exists()
    gone = host.vmm("-p", "lab", "--file", "/nowhere/vmm.yaml", "start", code=None)
    assert gone.returncode != 0
    host.vmm("up")
    assert in_guest(host, "ls /var/lib/db") == "lost+found"
