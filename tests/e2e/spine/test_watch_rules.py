"""Rules of `watch` on a host: restarts, new disks, what is refused, and rules that change while it looks on."""

from collections.abc import Iterator
from functools import partial

import pytest
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host
from watching import watching

pytestmark = pytest.mark.root


def manifest(rules: str, more: str = "") -> str:
    return f"{DEFAULTS}vms:\n  a: {{watch: [{rules}]{more}}}\n  b: {{}}\n"


RESTART = "{path: ./conf, action: restart, ignore: ['*.log']}"
REBUILD = "{path: ./base.txt, action: rebuild}"


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        (lab.project / "conf").mkdir()
        (lab.project / "base.txt").write_text("1")
        lab.write(manifest(f"{RESTART}, {REBUILD}"))
        yield lab


def disk(lab: Lab) -> int:
    return (lab.data / "vms" / f"{lab.project.name}-a" / "root.ext4").stat().st_ino


def restarted(lab: Lab, pid: int) -> bool:
    process = lab.record("a")["process"]  # none while it is started
    return bool(process) and process["pid"] != pid


def test_a_burst_is_one_restart_of_that_vm(host: Lab) -> None:
    with watching(host) as watch:
        pid, other, inode, mark = host.pid("a"), host.pid("b"), disk(host), watch.mark()
        for number in range(20):
            (host.project / "conf" / str(number)).write_text("x")
        watch.until("restart", mark)
        eventually(lambda: restarted(host, pid), "another process")
        watch.calm(1.5)
        assert len(watch.named("restart", mark)) == 1
        assert [c["address"] for one in watch.named("ended", mark) for c in one["changes"]] == ["vm/a"]
        assert host.pid("b") == other
        assert disk(host) == inode
        mark = watch.mark()
        (host.project / "conf/noise.log").write_text("x")
        watch.calm(1.5)
        assert not watch.named("restart", mark)


def test_a_file_that_is_saved_over_makes_the_disk_anew_without_being_asked(host: Lab) -> None:
    with watching(host) as watch:
        pid, mark = host.pid("a"), watch.mark()
        (host.project / "new").write_text("2")
        (host.project / "new").rename(host.project / "base.txt")
        watch.until("rebuild", mark)
        ended = watch.until("ended", mark, timeout_s=30)
        assert [(c["address"], c["kind"]) for c in ended["changes"]] == [("vm/a", "replace")]
        assert host.pid("a") != pid
        watch.calm()
        assert not watch.named("failed", mark)
        assert host.plan()["changes"] == []


def test_a_protected_disk_stays_and_that_is_told_once(host: Lab) -> None:
    host.write(manifest(f"{RESTART}, {REBUILD}", ", lifecycle: {prevent_delete: true}"))
    with watching(host) as watch:
        pid, inode, mark = host.pid("a"), disk(host), watch.mark()
        (host.project / "base.txt").write_text("2")
        failed = watch.until("rule-failed", mark)
        assert "no new disk of a until the next change" in failed["detail"]
        assert "prevent_delete" in failed["problems"][0]["message"]
        watch.calm(2)
        assert len(watch.named("rule-failed", mark)) == 1
        assert (host.pid("a"), disk(host)) == (pid, inode)
        mark = watch.mark()
        (host.project / "conf/x").write_text("x")
        watch.until("restart", mark)
        eventually(lambda: restarted(host, pid), "the restart")


def test_other_rules_change_nothing_and_count_at_once(host: Lab) -> None:
    with watching(host) as watch:
        pid, mark = host.pid("a"), watch.mark()
        (host.project / "later").mkdir()
        host.write(manifest("{path: ./later, action: restart}"))
        watch.until("look", mark)
        watch.calm()
        assert not watch.named("plan", mark)
        assert host.plan()["changes"] == []
        (host.project / "conf/x").write_text("x")
        watch.calm(1.5)
        assert not watch.named("restart", mark)
        (host.project / "later/x").write_text("x")
        watch.until("restart", mark)
        eventually(lambda: restarted(host, pid), "the restart")


def test_what_a_rule_names_may_come_later_and_go_and_come_back(host: Lab) -> None:
    host.write(manifest("{path: ./late, action: restart}"))
    with watching(host) as watch:
        for _ in range(2):
            pid, mark = host.pid("a"), watch.mark()
            (host.project / "late").mkdir()
            watch.until("restart", mark)
            eventually(partial(restarted, host, pid), "the restart")
            watch.calm(1.5)
            mark = watch.mark()
            (host.project / "late/x").write_text("x")
            watch.until("restart", mark)
            watch.calm(1.5)
            mark = watch.mark()
            (host.project / "late/x").unlink()
            (host.project / "late").rmdir()
            watch.until("restart", mark)
            watch.calm(1.5)


def test_a_vm_that_was_stopped_by_hand_stays_so(host: Lab) -> None:
    with watching(host) as watch:
        host.vmm("stop", "a")
        watch.calm()
        mark = watch.mark()
        (host.project / "conf/x").write_text("x")
        (host.project / "base.txt").write_text("2")
        watch.calm(2)
        assert not watch.named("restart", mark)
        assert not watch.named("rebuild", mark)
        assert host.record("a")["state"] == "stopped"
