"""Rules of `watch` at work: real files, and guests whose other end is here."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rule_lab import Shop

from vmmcompose.model.desired import Desired
from vmmcompose.model.mountsync import Report
from vmmcompose.model.record import Process
from vmmcompose.watch import workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    found = Shop(tmp_path)
    with found.workshop:
        yield found


def test_a_command_runs_when_what_changed_has_arrived(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "run", target="/srv/app", command=("make", "all")))
    shop.until(lambda: shop.guest.done == ["all of src"], "the first comparison")
    shop.guest.carried.clear()
    shop.change("src", "a")
    shop.settle(0.5)
    assert shop.guest.done == ["all of src"]
    shop.guest.carried.set()
    shop.until(lambda: "run-done" in shop.events(), "the run")
    assert shop.guest.done == ["all of src", "a of src", "run all"]
    assert shop.agenda.next() is None


def test_changes_while_a_command_runs_are_one_more_run(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "run", command=("sh", "-c", "make")))
    shop.guest.held.clear()
    shop.change("src", "a")
    shop.until(lambda: shop.guest.done == ["run make"], "the first run")
    for name in "bcd":
        shop.change("src", name)
        shop.settle(0.3)
    assert shop.guest.done == ["run make"]
    shop.guest.held.set()
    shop.settle()
    assert shop.guest.done == ["run make", "run make"]


def test_files_are_carried_while_a_command_runs(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "run", command=("make",)), shop.rule("site", "sync", target="/srv/site"))
    shop.guest.held.clear()
    shop.change("src", "a")
    shop.until(lambda: "run make" in shop.guest.done, "the run")
    shop.change("site", "page")
    shop.until(lambda: "page of site" in shop.guest.done, "the page")
    shop.guest.held.set()


def test_output_is_told_line_by_line_without_what_a_terminal_would_obey(shop: Shop) -> None:
    shop.guest.lines = (b"built \x1b[2Jit", b"done")
    shop.guest.code = 2
    shop.arrange(shop.rule("src", "run", command=("sh", "-c", "make\n  all")))
    shop.change("src", "a")
    shop.until(lambda: "run-failed" in shop.events(), "the failure")
    words = [notice.words for notice in shop.told]
    assert words[0] == "web: running `make all`"
    assert "\x1b" not in "".join(words)
    assert words[2:] == ["web: done", "web: `make all` failed with exit code 2"]
    assert shop.told[-1].bad
    shop.guest.code, shop.guest.lost = 0, True
    shop.change("src", "a")
    shop.until(lambda: shop.events().count("run-failed") == 2, "the second failure")
    assert "the connection ended" in shop.told[-1].words
    assert shop.told[-1].hint == "look there\nit runs again after the next change"


def test_a_command_that_prints_without_end_waits_to_be_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "MOST_UNTOLD", 5)
    shop.guest.lines = tuple(str(number).encode() for number in range(50))
    shop.arrange(shop.rule("src", "run", command=("yes",)))
    shop.change("src", "a")
    shop.until(lambda: "run yes" in shop.guest.done, "the run")
    time.sleep(0.3)  # the loop is busy
    assert len(shop.told) <= 8
    shop.until(lambda: "run-done" in shop.events(), "the end")
    assert [notice.words for notice in shop.told if notice.event == "output"] == [
        f"web: {n}" for n in range(50)
    ]


def test_a_restart_comes_after_what_is_carried_and_commands_and_once(shop: Shop) -> None:
    shop.arrange(
        shop.rule("conf", "restart", target="/etc/app"),
        shop.rule("src", "run", command=("make",)),
    )
    shop.until(lambda: shop.guest.done == ["all of conf"], "the first comparison")
    shop.change("conf", "a")
    shop.change("src", "a")
    shop.until(lambda: bool(shop.made), "the restart")
    assert shop.guest.done == ["all of conf", "a of conf", "run make"]
    shop.settle()
    assert shop.made == [{"web": False}]
    shop.change("conf", "b")
    shop.until(lambda: len(shop.made) == 2, "the next restart")


def test_a_rebuild_waits_for_nothing_and_runs_no_command(shop: Shop) -> None:
    shop.arrange(shop.rule("base", "rebuild"), shop.rule("src", "run", command=("make",)))
    shop.change("base", "a")
    shop.change("src", "a")
    shop.until(lambda: bool(shop.made), "the rebuild")
    shop.settle()
    assert shop.made == [{"web": True}]
    assert shop.guest.done == []


def test_replicas_are_restarted_together(shop: Shop) -> None:
    rule = shop.rule("conf", "restart", target="/etc/app")
    shop.arrange(rule, more={"web-1": "web", "web-2": "web"})
    shop.until(lambda: len(shop.guest.done) == 2, "both comparisons")
    shop.change("conf", "a")
    shop.until(lambda: bool(shop.made), "the restarts")
    assert shop.made == [{"web-1": False, "web-2": False}]


def test_what_arrives_with_a_comparison_runs_the_command_and_restarts_nothing(shop: Shop) -> None:
    shop.guest.first = Report(sent=3)
    shop.arrange(
        shop.rule("src", "run", target="/srv/app", command=("make",)),
        shop.rule("conf", "restart", target="/etc/app"),
    )
    shop.until(lambda: "run-done" in shop.events(), "the run")
    shop.settle()
    assert shop.guest.done.count("run make") == 1
    assert shop.made == []


def test_rules_that_carry_the_same_carry_it_once(shop: Shop) -> None:
    shop.arrange(
        shop.rule("src", "sync", target="/srv/app"),
        shop.rule("src", "run", target="/srv/app", command=("make",)),
        shop.rule("src", "run", target="/srv/app", command=("check",)),
    )
    shop.until(lambda: shop.guest.done == ["all of src"], "the first comparison")
    shop.change("src", "a")
    shop.until(lambda: len(shop.guest.done) == 4, "the runs")
    assert shop.guest.done[1:] == ["a of src", "run make", "run check"]


def test_a_vm_that_ends_before_its_turn_is_not_restarted_for_a_rule(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "run", command=("make",)), shop.rule("conf", "restart"))
    shop.guest.held.clear()
    shop.change("src", "a")
    shop.change("conf", "a")
    shop.until(lambda: shop.guest.done == ["run make"], "the command before the restart")
    shop.workshop.arrange(Desired("shop"), {}, {})
    shop.guest.held.set()
    shop.settle()
    assert shop.made == []
    shop.arrange(shop.rule("conf", "restart"), process=Process(2, 3, "boot"))
    shop.change("conf", "b")
    shop.until(lambda: shop.made == [{"web": False}], "a later one")


def test_what_is_ignored_does_nothing_and_the_directorys_own_file_counts_at_once(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "restart", ignore=("*.log",)))
    shop.change("src", "a.log", ".page.swp", ".git/index")
    shop.settle()
    assert shop.made == []
    (shop.root / "src/.vmmignore").write_text("*.tmp\n")
    shop.change("src", ".vmmignore")
    shop.until(lambda: len(shop.made) == 1, "the file itself counts")
    shop.change("src", "a.tmp")
    shop.settle()
    assert len(shop.made) == 1
    shop.change("src", "a.txt")
    shop.until(lambda: len(shop.made) == 2, "others")


def test_other_rules_count_at_once_and_a_vm_that_stopped_has_none(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "run", target="/srv/app", command=("make",)))
    shop.until(lambda: shop.guest.done == ["all of src"], "the first comparison")
    shop.arrange(shop.rule("src", "restart"))
    shop.change("src", "a")
    shop.until(lambda: shop.made == [{"web": False}], "the new rule")
    shop.workshop.arrange(Desired("shop"), {}, {})
    shop.change("src", "b")
    shop.settle()
    assert len(shop.made) == 1
    assert shop.guest.done == ["all of src"]


def test_a_lost_queue_compares_everything_and_never_makes_a_disk_anew(shop: Shop) -> None:
    shop.arrange(shop.rule("src", "sync", target="/srv/app"), shop.rule("base", "rebuild"))
    shop.until(lambda: shop.guest.done == ["all of src"], "the first comparison")
    shop.workshop.changed({}, overflow=True)
    shop.until(lambda: shop.guest.done == ["all of src"] * 2, "another comparison")
    shop.settle()
    assert shop.made == []
    (notice,) = (one for one in shop.told if one.event == "rule-failed")
    assert "vmm up --recreate web" in notice.hint


def test_what_a_comparison_shows_later_on_is_a_change_like_others(shop: Shop) -> None:
    shop.arrange(shop.rule("conf", "restart", target="/etc/app"), shop.rule("base", "restart"))
    shop.until(lambda: shop.guest.done == ["all of conf"], "the first comparison")
    shop.workshop.changed({}, overflow=True, unwatched=True)
    shop.until(lambda: len(shop.guest.done) == 2, "another comparison")
    shop.settle()
    assert shop.made == [], "nothing differed, and nobody knows more of the other one"
    shop.guest.first = Report(sent=1)
    shop.workshop.changed({}, overflow=True, unwatched=True)
    shop.until(lambda: shop.made == [{"web": False}], "the restart")


def test_what_cannot_be_carried_is_not_acted_upon_and_holds_up_nothing_else(shop: Shop) -> None:
    shop.arrange(shop.rule("conf", "restart", target="/etc/app"), shop.rule("src", "run", command=("make",)))
    shop.until(lambda: shop.guest.done == ["all of conf"], "the first comparison")
    shop.guest.full = True
    shop.change("conf", "a")
    shop.until(lambda: "rule-failed" in shop.events(), "the refusal")
    assert shop.events().index("sync-failed") < shop.events().index("rule-failed")
    shop.change("src", "a")
    shop.until(lambda: "run-done" in shop.events(), "the command of another rule")
    shop.guest.full = False
    shop.change("conf", "a")
    shop.until(lambda: shop.made == [{"web": False}], "the restart after the next change")


def test_a_command_is_ended_and_nothing_is_left_when_the_watch_ends(tmp_path: Path) -> None:
    threads, shop = threading.active_count(), Shop(tmp_path)
    with shop.workshop:
        shop.arrange(shop.rule("src", "run", target="/srv/app", command=("make",)))
        shop.until(lambda: shop.guest.done == ["all of src"], "the first comparison")
        shop.guest.held.clear()
        shop.change("src", "a")
        shop.until(lambda: "run make" in shop.guest.done, "the run")
    assert threading.active_count() == threads
