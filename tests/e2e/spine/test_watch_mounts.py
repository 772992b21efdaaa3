"""`vmm watch` with a real guest: a saved file is served by it in a moment, and nothing is restarted for that."""

import os
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from lab import Lab, eventually, missing_for_guests
from watching import Watching, watching

pytestmark = [pytest.mark.root, pytest.mark.guest]
MANIFEST = """
defaults: {image: tiny, memory: 192MiB, disk: 64MiB}
vms:
  web:
    mounts: [{source: ./site, tag: site, sync: push}]
    ports: ["8080:80"]
"""
WAITING = """
  db:
    healthcheck: {command: "false", interval: 1s, timeout: 60s}
  app:
    depends_on: {db: {condition: healthy}}
"""
EDITS = 50
MANY = 20_000
IDLE_S = float(os.environ.get("VMM_TEST_IDLE_S", "5"))
"""How long it is looked at while nothing happens; a minute gives figures to go by."""
MOST_KIB = 50 * 1024
"""What it may weigh with all these files."""


@pytest.fixture(scope="module")
def host() -> Iterator[Lab]:
    if missing := missing_for_guests():
        pytest.skip(missing)
    with Lab() as lab:
        (lab.project / "site").mkdir()
        lab.write(MANIFEST)
        lab.vmm("up")
        yield lab
        lab.vmm("down", "--allow-data-loss", code=None)


def page(lab: Lab, name: str = "index.html") -> str:
    with lab.net.inside():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:8080/{name}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.code)


def in_step(watch: Watching, timeout_s: float = 60) -> None:
    """Waits until what is in the directory has come to the guest."""
    marker = watch.lab.project / "site" / "marker"
    marker.write_text(str(time.monotonic()))
    eventually(lambda: page(watch.lab, "marker") == marker.read_text(), "in step", timeout_s)


def test_an_edit_is_served_and_so_are_a_rename_and_a_deletion(host: Lab) -> None:
    site, pid = host.project / "site", host.pid("web")
    with watching(host) as watch:
        in_step(watch)
        taken = []
        for number in range(EDITS):
            begin = time.monotonic()
            if number % 2:  # editors do either
                (site / ".index.swp").write_text(f"edit {number}")
                (site / ".index.swp").rename(site / "index.html")
            else:
                (site / "index.html").write_text(f"edit {number}")
            while page(host) != f"edit {number}":
                assert time.monotonic() - begin < 30
                time.sleep(0.01)
            taken.append(time.monotonic() - begin)
        print(f"save to served page: median {statistics.median(taken):.3f} s, worst {max(taken):.3f} s")
        (site / "index.html").rename(site / "moved.html")
        eventually(lambda: page(host, "moved.html") == f"edit {EDITS - 1}", "the rename")
        eventually(lambda: page(host) == "404", "the old name is gone")
        (site / "moved.html").unlink()
        eventually(lambda: page(host, "moved.html") == "404", "the deletion")
        assert host.pid("web") == pid
        assert not watch.named("plan")
        assert not watch.named("sync-failed")


def test_a_guest_that_was_killed_has_what_was_saved_meanwhile_and_not_what_was_deleted(host: Lab) -> None:
    site = host.project / "site"
    with watching(host) as watch:
        (site / "gone.html").write_text("sent while it ran")
        in_step(watch)

        def settled() -> bool:
            return host.vmm("plan", "--no-wait", "--detailed-exitcode", code=None).returncode == 0

        eventually(settled, "what was sent is noted")
        os.kill(host.pid("web"), 9)
        (site / "gone.html").unlink()
        (site / "index.html").write_text("while it was away")
        watch.until("ended", timeout_s=120)  # compared once the guest is up

        def served() -> bool:
            try:
                return page(host) == "while it was away"
            except OSError:
                return False  # it boots

        eventually(served, "the page after a crash", 120)
        assert page(host, "gone.html") == "404"


def test_an_edit_is_served_while_another_vm_is_waited_for(host: Lab) -> None:
    site = host.project / "site"
    with watching(host) as watch:
        in_step(watch)
        host.write(f"{MANIFEST}{WAITING}")
        watch.until("started", timeout_s=60)
        (site / "index.html").write_text("in the middle of a run")
        eventually(lambda: page(host) == "in the middle of a run", "the page", 30)
        assert not watch.named("ended")
        host.write(MANIFEST)
    host.vmm("up", "--remove-orphans", "--allow-data-loss")


@pytest.mark.slow
def test_what_twenty_thousand_files_cost_while_nothing_happens() -> None:
    if missing := missing_for_guests():
        pytest.skip(missing)
    with Lab() as lab:
        many = lab.project / "site" / "many"
        for folder in range(MANY // 100):
            (many / str(folder)).mkdir(parents=True)
            for number in range(100):
                (many / str(folder) / f"{number}.txt").write_text("x")
        lab.write(MANIFEST)
        lab.vmm("up")
        begin = time.monotonic()
        # Without --json, as a user has it: what writes JSON weighs 8 MiB by itself.
        watch = Watching(lab, lab.start("watch", "--no-wait"))
        try:
            in_step(watch, 300)
            first_s = time.monotonic() - begin
            watch.calm(5)
            before = watch.cpu_s()
            time.sleep(IDLE_S)
            share, rss = (watch.cpu_s() - before) / IDLE_S, watch.status("VmRSS")
            begin = time.monotonic()
            in_step(watch)
            later_s = time.monotonic() - begin
        finally:
            watch.end()
        print(
            f"{MANY} files: in step after {first_s:.1f} s, an edit after {later_s:.2f} s; "
            f"idle {share:.2%} of a core, {rss} KiB"
        )
        assert rss < MOST_KIB
        lab.vmm("down", "--allow-data-loss", code=None)
