"""`vmm watch` when much happens at once: a checkout of another branch, and more than the kernel keeps in its queue."""

import signal
import subprocess
from pathlib import Path

import pytest
from lab import Lab, eventually
from watching import watching

pytestmark = [pytest.mark.root, pytest.mark.guest]

FILES = 400
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


def manifest(port: int, more: str = "") -> str:
    return f"""
defaults: {{image: tiny, memory: 192MiB, disk: 64MiB}}
vms:
  a: {{ports: ["{port}:80"], mounts: [{{source: ./site, tag: site, mode: ro}}]}}
{more}"""


def git(lab: Lab, *args: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *args], cwd=lab.project, check=True, capture_output=True)


def fill(folder: Path, text: str) -> None:
    for number in range(FILES):
        path = folder / str(number % 20) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text * 100)


def test_a_checkout_of_another_branch_is_one_run(lab: Lab) -> None:
    site = lab.project / "site"
    git(lab, "init")
    lab.write(manifest(9300))
    fill(site / "old", "main")
    git(lab, "add", ".")
    git(lab, "commit", "-m", "main")
    git(lab, "checkout", "-b", "other")
    git(lab, "rm", "-rq", "site/old")
    fill(site / "new", "other")
    (lab.project / "parts").mkdir()
    lab.write("vms: {c: {ports: ['9302:80']}}\n", "parts/c.yaml")
    lab.write("include: [parts/c.yaml]\n" + manifest(9301, "  b: {}\n"))
    git(lab, "add", ".")
    git(lab, "commit", "-m", "other")
    git(lab, "checkout", "main")
    lab.vmm("up")
    with watching(lab) as watch:
        for branch, there, port in (("other", {"a", "b", "c"}, 9301), ("main", {"a"}, 9300)):
            watch.calm()
            mark = watch.mark()
            git(lab, "checkout", branch)
            watch.until("ended", mark, 60)
            watch.calm(2)
            assert len(watch.named("plan", mark)) == 1, watch.events[mark:]
            assert not watch.named("manifest-invalid", mark)
            assert not watch.named("failed", mark)
            assert {vm for vm in "abc" if (lab.data / "vms" / f"lab-{vm}.json").exists()} >= there
            assert lab.record("a")["spec"]["ports"][0]["host"] == port
        # VMs that the manifest no longer names are left alone without --remove-orphans.
        assert lab.record("b")


def test_what_the_kernel_had_no_room_for_is_found_by_looking_at_everything(lab: Lab) -> None:
    site = lab.project / "site"
    site.mkdir()
    limit = int(QUEUE.read_text())
    lab.write(manifest(9300))
    lab.vmm("up")
    with watching(lab) as watch:
        mark, descriptors = watch.mark(), watch.count("fd")
        watch.process.send_signal(signal.SIGSTOP)
        for number in range(limit + 1):
            (site / str(number % 2)).write_text("x")
        (site / "late" / "deep").mkdir(parents=True)  # nobody is told of these any more
        lab.write(manifest(9305))
        watch.process.send_signal(signal.SIGCONT)
        eventually(
            lambda: any("overflow" in look["detail"] for look in watch.named("look", mark)), "a full look"
        )
        watch.until("ended", mark, 60)
        watch.calm(2)
        assert lab.record("a")["spec"]["ports"][0]["host"] == 9305
        assert lab.vmm("plan", "--detailed-exitcode", "--no-wait", code=None).returncode == 0
        mark = watch.mark()
        (site / "late" / "deep" / "x").write_text("seen")
        assert {change["address"] for change in watch.until("ended", mark)["changes"]} == {"vm/a"}
        watch.calm()
        assert watch.count("fd") == descriptors
