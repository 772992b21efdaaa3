"""Mounts kept in step with real guests: what is changed on the host is in the guest at once, whatever it is."""

import hashlib
import json
import os
import shutil
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
from lab import Lab, missing_for_guests

from vmmcompose.errors import HostError
from vmmcompose.host.records import read_record
from vmmcompose.host.sync.session import Session
from vmmcompose.model.desired import Mount
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record

pytestmark = [pytest.mark.root, pytest.mark.guest]
MANIFEST = """
defaults: {image: tiny, memory: 192MiB, disk: 64MiB}
vms:
  web:
    mounts:
      - ./site:site
      - {source: ./app, tag: app, sync: push, target: "/srv/my app"}
      - {source: ./conf, tag: conf, mode: ro, target: "/etc/it's conf"}
    ports: ["8080:80"]
"""
DIGESTS = "cd /mnt/site && find . -type f ! -path './.vmm-sync.*' -exec sha256sum {} +"
EDITS = 50
BIG_MIB = int(os.environ.get("VMM_TEST_BIG_MIB", "64"))
"""An emulated guest takes a minute for 200 and a digest of them."""


@pytest.fixture(scope="module")
def host() -> Iterator[Lab]:
    if missing := missing_for_guests():
        pytest.skip(missing)
    with Lab() as lab:
        for name in ("site", "app", "conf"):
            (lab.project / name).mkdir()
        lab.write(MANIFEST)
        lab.vmm("up")
        yield lab
        lab.vmm("down")


@pytest.fixture
def site(host: Lab) -> Path:
    """The directory, empty on both sides."""
    folder = host.project / "site"
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    in_guest(host, "cd /mnt/site && find . -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +")
    return folder


@contextmanager
def session(lab: Lab, sync: str = "push") -> Iterator[Session]:
    paths = Paths(PurePosixPath(lab.data))
    record = read_record(paths, "lab-web")
    assert isinstance(record, Record)
    mount = Mount("site", str(lab.project / "site"), "rw", "two-way" if sync == "two-way" else "push")
    with lab.net.inside(), Session(paths, record.spec, mount) as opened:
        yield opened


def in_guest(lab: Lab, script: str) -> str:
    return lab.vmm("exec", "web", "--", "sh", "-c", script).stdout


def digests(folder: Path) -> set[str]:
    return {
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(folder)}"
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def require_identical(lab: Lab, folder: Path) -> None:
    assert set(in_guest(lab, DIGESTS).splitlines()) == digests(folder)


def test_an_edit_is_served(host: Lab, site: Path) -> None:
    page = site / "index.html"
    page.write_text("before")
    pid = host.pid("web")
    with session(host) as opened:
        opened.full()
        taken = []
        for number in range(EDITS):
            begin = time.monotonic()
            page.write_text(f"edit {number}")
            opened.push({"index.html"})
            with urllib.request.urlopen("http://127.0.0.1:8080/index.html", timeout=5) as answer:
                served = answer.read().decode()
            taken.append(time.monotonic() - begin)
            assert served == f"edit {number}"
    print(f"edit to served page: median {statistics.median(taken):.3f} s, worst {max(taken):.3f} s")
    assert host.pid("web") == pid


def test_a_thousand_files_at_once(host: Lab, site: Path) -> None:
    with session(host) as opened:
        opened.full()
        for number in range(1000):
            folder = site / f"part {number % 10}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.txt").write_text(f"file {number}\n" * (number % 50))
        begin = time.monotonic()
        report = opened.push({f"part {number}" for number in range(10)})
        print(f"1000 files: {time.monotonic() - begin:.2f} s")
        assert report.sent == 1010
        require_identical(host, site)
        shutil.rmtree(site / "part 3")
        (site / "part 4").rename(site / "-part\n4")
        (site / "part 5/5.txt").chmod(0o700)
        (site / "part 6/ünï").symlink_to("../part 5/5.txt")
        opened.push({"part 3", "part 4", "-part\n4", "part 5/5.txt", "part 6"})
    look = "ls -d part*; ls ./-part*4 | wc -l; stat -c %a 'part 5/5.txt'; readlink part*6/*n*"
    told = in_guest(host, f"cd /mnt/site; {look}")
    assert "part 3" not in told
    assert "part 4" not in told
    assert told.splitlines()[-3:] == ["100", "700", "../part 5/5.txt"]
    assert in_guest(host, "ls -A /mnt/site | grep vmm || echo none").strip() == "none"


def test_what_the_guest_changed_is_shown_and_brought_back(host: Lab, site: Path) -> None:
    (site / "page").write_text("1")
    (site / "both").write_text("1")
    with session(host) as opened:
        opened.full()
    in_guest(
        host, "cd /mnt/site; echo there > page; echo there > both; mkdir up; echo 2 > up/load; ln -s /etc out"
    )
    (site / "both").write_text("of the host")
    assert [line.split() for line in host.vmm("mount", "diff", "web", "site").stdout.splitlines()] == [
        ["HOST", "GUEST", "PATH"],
        ["changed", "changed", "both"],
        ["-", "added", "out"],
        ["-", "changed", "page"],
        ["-", "added", "up"],
        ["-", "added", "up/load"],
    ]
    done = host.vmm("mount", "pull", "web", "site", code=1)
    assert "3 fetched" in done.stderr
    assert "left out: out: a link that leads out of the directory" in done.stderr
    assert "both" in done.stderr
    assert (site / "page").read_text() == "there\n"
    assert (site / "both").read_text() == "of the host"
    host.vmm("mount", "pull", "web", "site", "--force")
    assert (site / "both").read_text() == "there\n"
    found = json.loads(host.vmm("mount", "diff", "web", "site", "--json").stdout)
    assert [one["path"] for one in found["differences"]] == ["out"]
    assert "no mount 'nosuch'" in host.vmm("mount", "pull", "web", "nosuch", code=64).stderr


def test_what_a_guest_did_before_the_first_session_can_be_told(host: Lab) -> None:
    """The image itself is what both sides had."""
    site = host.project / "site"
    host.vmm("stop", "web")
    (site / "early").write_text("1")
    host.vmm("mount", "sync", "web", "site", "--allow-data-loss")
    host.vmm("start", "web")
    in_guest(host, "echo there > /mnt/site/early")
    found = json.loads(host.vmm("mount", "diff", "web", "site", "--json").stdout)["differences"]
    assert found == [{"path": "early", "host": "", "guest": "changed", "conflict": False}]


@pytest.mark.slow
def test_a_big_file_and_one_that_changes_on_its_way(host: Lab, site: Path) -> None:
    big = site / "big"
    size = BIG_MIB << 20
    with big.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    with session(host) as opened:
        timer = threading.Timer(2, lambda: os.utime(big))
        timer.start()
        begin = time.monotonic()
        report = opened.full()
        timer.join()
        print(f"{BIG_MIB} MiB, touched once meanwhile: {time.monotonic() - begin:.1f} s")
        assert report.bytes >= size
        assert report.skipped == ()
        require_identical(host, site)


def test_a_mount_is_at_its_target_and_edits_get_there_without_a_restart(host: Lab) -> None:
    pid = host.pid("web")
    (host.project / "app/main.py").write_text("print(1)")
    (host.project / "conf/settings").write_text("colour = green")
    assert "restart" not in host.vmm("plan").stdout
    host.vmm("up")
    assert in_guest(host, "cat '/srv/my app/main.py'") == "print(1)"
    assert in_guest(host, 'cat "/etc/it\'s conf/settings"') == "colour = green"
    assert in_guest(host, "ls /mnt").split() == ["site"]
    assert host.pid("web") == pid
    told = {
        row["tag"]: row["target"]
        for row in json.loads(host.vmm("mount", "list", "web", "--json").stdout)["mounts"]
    }
    assert told == {"site": "/mnt/site", "app": "/srv/my app", "conf": "/etc/it's conf"}


def test_nothing_is_written_where_the_mount_is_missing(host: Lab, site: Path) -> None:
    in_guest(host, "umount -l /mnt/site")
    try:
        with pytest.raises(HostError, match="has not mounted /mnt/site"), session(host):
            pass
    finally:
        in_guest(host, "mount /mnt/site")
