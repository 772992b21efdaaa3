"""Mounts renewed in real guests that run on: read-only ones get another drive, others are compared."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from lab import Lab

import vmmcompose

pytestmark = [pytest.mark.root, pytest.mark.guest]

WEB = Path(vmmcompose.__file__).parent / "images" / "data" / "tiny" / "etc" / "init.d" / "web"
MANIFEST = f"""
defaults: {{image: tiny, memory: 128MiB, disk: 64MiB}}
vms:
  web:
    mounts:
      - {{source: ./site, tag: site, mode: ro, ignore: ["*.bak"], owner: "7:8"}}
      - {{source: ./src, tag: src, sync: push}}
    files: [{{path: /etc/init.d/web, source: {WEB}, mode: "0755"}}]
"""


@pytest.fixture
def host(lab: Lab) -> Iterator[Lab]:
    for name in ("site", "src"):
        (lab.project / name).mkdir()
    (lab.project / "site" / "index.html").write_text("first\n")
    (lab.project / "site" / "index.html.bak").write_text("not for the guest\n")
    (lab.project / "src" / "main.c").write_text("int main;\n")
    lab.write(MANIFEST)
    lab.vmm("up")
    yield lab
    lab.vmm("down")


def in_guest(lab: Lab, script: str) -> str:
    return lab.vmm("exec", "web", "--", "sh", "-c", script).stdout.strip()


def page(lab: Lab) -> str:
    with lab.net.inside(), urlopen(f"http://{lab.record('web')['spec']['ip']}/index.html", timeout=10) as got:
        text: str = got.read().decode()
    return text


def server(lab: Lab) -> str:
    """The web server's process in the guest."""
    return in_guest(lab, "pidof nc")


def test_an_edit_is_served_by_the_same_server_in_the_same_guest(host: Lab) -> None:
    pid, nc = host.pid("web"), server(host)
    assert page(host) == "first\n"
    assert in_guest(host, "ls /mnt/site; stat -c %u:%g /mnt/site /mnt/site/index.html") == (
        "index.html\nlost+found\n7:8\n7:8"
    )
    for size in (1, 1 << 20, 9 << 20):  # the drive grows and shrinks with it
        (host.project / "site" / "index.html").write_text(f"edited {size}\n")
        (host.project / "site" / "ballast").write_bytes(bytes([size % 251]) * size)
        assert host.reasons("vm/web") == ["the folder's content changed"]
        host.vmm("up")
        assert page(host) == f"edited {size}\n"
        assert in_guest(host, "wc -c </mnt/site/ballast") == str(size)
        assert json.loads(host.vmm("plan", "--json").stdout)["changes"] == []
    assert (host.pid("web"), server(host)) == (pid, nc)
    assert sorted(file.name for file in (host.data / "mounts" / "lab-web").iterdir()) == [
        "site.ext4",
        "site.json",
        "src.base.json",
        "src.ext4",
        "src.json",
    ]


def test_a_mount_in_use_keeps_its_content_and_says_by_whom(host: Lab) -> None:
    in_guest(host, "cd /mnt/site && (sleep 1000 >/dev/null 2>&1 &)")
    pid = host.pid("web")
    (host.project / "site" / "index.html").write_text("second\n")
    failed = host.vmm("up", code=None)
    assert failed.returncode != 0
    assert "mount site keeps its old content: the guest uses it (sleep, process" in failed.stderr
    assert page(host) == "first\n"
    assert host.pid("web") == pid
    assert host.reasons("vm/web") == ["the folder's content changed"]
    in_guest(host, "kill $(pidof sleep)")
    host.vmm("up")
    assert page(host) == "second\n"
    assert host.pid("web") == pid


def test_a_mount_that_is_kept_in_step_is_compared_without_a_restart(host: Lab) -> None:
    pid = host.pid("web")
    in_guest(host, "echo of the guest >/mnt/src/own")
    (host.project / "src" / "main.c").write_text("int main(void);\n")
    (host.project / "src" / "new.c").write_text("int new;\n")
    begin = time.monotonic()
    host.vmm("up")
    print(f"compared in {time.monotonic() - begin:.1f} s")
    assert in_guest(host, "cd /mnt/src; cat main.c new.c own") == "int main(void);\nint new;\nof the guest"
    assert host.pid("web") == pid
    # What is written while it is stopped goes over when it starts; what the guest wrote stays.
    host.vmm("stop", "web")
    (host.project / "src" / "new.c").unlink()
    (host.project / "src" / "main.c").write_text("// empty\n")
    host.vmm("up")
    assert in_guest(host, "cd /mnt/src; cat main.c own; ls") == (
        "// empty\nof the guest\nlost+found\nmain.c\nown"
    )


def test_mount_sync_needs_no_restart_where_live_is_possible(host: Lab) -> None:
    pid = host.pid("web")
    for folder in ("site", "src"):
        (host.project / folder / "index.html").write_text("third\n")
    host.vmm("mount", "sync", "web", "site", "src")
    assert page(host) == "third\n"
    assert in_guest(host, "cat /mnt/src/index.html") == "third"
    assert host.pid("web") == pid


def test_what_a_guest_changed_comes_back_after_it_has_stopped(host: Lab) -> None:
    in_guest(host, "cd /mnt/src; echo more >>main.c; mkdir out; echo built >out/a; sync")
    host.vmm("stop", "web")
    told = json.loads(host.vmm("mount", "diff", "web", "src", "--json").stdout)["differences"]
    assert {one["path"]: (one["host"], one["guest"]) for one in told} == {
        "main.c": ("", "changed"),
        "out": ("", "added"),
        "out/a": ("", "added"),
    }
    host.vmm("mount", "pull", "web", "src")
    assert (host.project / "src" / "main.c").read_text() == "int main;\nmore\n"
    assert (host.project / "src" / "out" / "a").read_text() == "built\n"
    assert "in step" in host.vmm("mount", "diff", "web", "src").stderr
    host.vmm("up")
    assert in_guest(host, "cat /mnt/src/out/a") == "built"
