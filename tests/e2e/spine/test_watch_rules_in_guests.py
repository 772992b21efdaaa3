"""Rules of `watch`, a real guest: edits are carried, commands run there, restarts keep its disk, rebuilds do not."""

from collections.abc import Iterator

import pytest
from lab import Lab, eventually, missing_for_guests
from watching import Watching, watching

pytestmark = [pytest.mark.root, pytest.mark.guest]
MANIFEST = """
defaults: {image: tiny, memory: 192MiB, disk: 64MiB}
vms:
  web:
    volumes: ["data:/srv/data"]
    provision: ["echo provisioned >>/srv/data/provisioned"]
    watch:
      - {path: ./src, action: run, target: "/srv/my app", ignore: ["*.log"], command: "sh '/srv/my app/build'"}
      - {path: ./app.conf, action: restart, target: /etc/app/its.conf}
      - {path: ./base, action: rebuild}
volumes: {data: {size: 32MiB}}
"""
BUILD = "echo run >>/srv/data/runs; sleep 1; echo built $(cat '/srv/my app/page'); exit $(cat '/srv/my app/code')\n"


@pytest.fixture(scope="module")
def host() -> Iterator[Lab]:
    if missing := missing_for_guests():
        pytest.skip(missing)
    with Lab() as lab:
        for name in ("src", "base"):
            (lab.project / name).mkdir()
        (lab.project / "src/build").write_text(BUILD)
        (lab.project / "src/code").write_text("0")
        (lab.project / "src/page").write_text("first")
        (lab.project / "app.conf").write_text("colour = red")
        lab.write(MANIFEST)
        lab.vmm("up")
        yield lab
        lab.vmm("down", "--volumes", "--allow-data-loss", code=None)


@pytest.fixture(scope="module")
def watch(host: Lab) -> Iterator[Watching]:
    """It has carried everything, and run the command for it."""
    with watching(host) as found:
        found.until("run-done", timeout_s=60)
        yield found


def in_guest(lab: Lab, script: str) -> str:
    return lab.vmm("exec", "web", "--", "sh", "-c", script).stdout.strip()


def runs(lab: Lab) -> int:
    return int(in_guest(lab, "wc -l </srv/data/runs"))


def details(watch: Watching, event: str, since: int) -> list[str]:
    return [one["detail"] for one in watch.named(event, since)]


def test_what_is_there_at_the_start_is_carried_and_the_command_runs_once_for_it(
    host: Lab, watch: Watching
) -> None:
    assert details(watch, "output", 0) == ["web: built first"]
    assert in_guest(host, "cat /etc/app/its.conf") == "colour = red"
    assert in_guest(host, "stat -c %u:%g '/srv/my app/page'") == "0:0"
    assert runs(host) == 1
    assert not watch.named("restart")


def test_an_edit_runs_the_command_and_edits_meanwhile_once_more(host: Lab, watch: Watching) -> None:
    before, mark = runs(host), watch.mark()
    src = host.project / "src"
    (src / "noise.log").write_text("left out")
    (src / "page").write_text("second")
    watch.until("run", mark)
    for number in range(5):
        (src / "page").write_text(f"third {number}")
    eventually(lambda: len(watch.named("run-done", mark)) == 2, "two runs", 30)
    watch.calm(1.5)
    assert details(watch, "output", mark)[-1] == "web: built third 4"
    assert runs(host) == before + 2
    assert in_guest(host, "ls '/srv/my app'").split() == ["build", "code", "page"]


def test_what_is_deleted_goes_and_what_the_guest_made_stays(host: Lab, watch: Watching) -> None:
    src = host.project / "src"
    (src / "part").mkdir()
    (src / "part/ours").write_text("1")
    eventually(lambda: in_guest(host, "ls '/srv/my app/part' || :") == "ours", "the new folder")
    in_guest(host, "echo 1 >'/srv/my app/part/theirs'")
    (src / "part/ours").unlink()
    (src / "part").rmdir()
    eventually(lambda: in_guest(host, "ls '/srv/my app/part'") == "theirs", "the deletion")
    watch.calm(1.5)


def test_a_command_that_fails_is_told_and_the_next_edit_is_carried_all_the_same(
    host: Lab, watch: Watching
) -> None:
    mark = watch.mark()
    (host.project / "src/code").write_text("3")
    failed = watch.until("run-failed", mark)
    assert failed["detail"] == "web: `sh '/srv/my app/build'` failed with exit code 3"
    assert failed["level"] == "error"
    assert "after the next change" in failed["hint"]
    mark = watch.mark()
    (host.project / "src/code").write_text("0")
    watch.until("run-done", mark)
    assert len(watch.named("run", mark)) == 1


def test_a_restart_has_the_new_file_and_keeps_the_disk(host: Lab, watch: Watching) -> None:
    in_guest(host, "echo kept >/root/mark; sync")
    pid, mark = host.pid("web"), watch.mark()
    (host.project / "app.conf").write_text("colour = green")
    assert watch.until("restart", mark)["detail"] == "web: restarts, as a rule of `watch` says"
    watch.until("ended", mark, timeout_s=60)
    assert host.pid("web") != pid
    eventually(
        lambda: host.vmm("exec", "web", "--", "cat", "/root/mark", code=None).stdout == "kept\n",
        "its disk",
        60,
    )
    assert in_guest(host, "cat /etc/app/its.conf") == "colour = green"
    watch.calm(3)
    assert len(watch.named("restart", mark)) == 1
    assert host.plan()["changes"] == []


def test_a_rebuild_makes_the_disk_anew_provisions_and_carries_again(host: Lab, watch: Watching) -> None:
    in_guest(host, "echo gone >/root/mark; sync")
    before, mark = runs(host), watch.mark()
    (host.project / "base/image.txt").write_text("new")
    (host.project / "src/page").write_text("for the new disk")
    watch.until("rebuild", mark)
    watch.until("ended", mark, timeout_s=120)
    watch.until("run-done", mark, timeout_s=120)
    assert in_guest(host, "ls /root/mark 2>/dev/null || echo none") == "none"
    assert in_guest(host, "cat /srv/data/provisioned").split() == ["provisioned", "provisioned"]
    eventually(lambda: in_guest(host, "cat /etc/app/its.conf") == "colour = green", "carried again", 30)
    assert in_guest(host, "cat '/srv/my app/page'") == "for the new disk"
    assert runs(host) == before + 1
    assert host.plan()["changes"] == []
