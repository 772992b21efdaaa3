"""What is made of changes: which rules they are for, when something is done, and what."""

import pytest

from vmmcompose.guest.ignoring import Rules
from vmmcompose.model.desired import WatchAction, WatchRule
from vmmcompose.watch.rules import CALM, STRENGTH, Deed, Deeds, counts, patterns


def rule(action: WatchAction, *ignore: str, path: str = "/srv/src") -> WatchRule:
    return WatchRule(path, action, ignore=ignore)


RULES = {action: rule(action) for action in STRENGTH}


def ignoring(*ignore: str) -> Rules:
    return Rules(patterns(rule("sync", *ignore)))


@pytest.mark.parametrize(
    "path",
    [
        ".git/index",
        "deep/.git/HEAD",
        ".page.html.swp",
        ".swo",
        "page.html~",
        "a/4913",
        ".#page",
        "#page#",
        ".DS_Store",
    ],
)
def test_what_editors_and_git_write_beside_the_files_does_not_count(path: str) -> None:
    assert not counts(ignoring(), path, folder=False)


@pytest.mark.parametrize("path", ["page.html", "deep/page", ".env", "swap", "4913.txt", ".gitignore", ""])
def test_files_count(path: str) -> None:
    assert counts(ignoring(), path, folder=False)


def test_a_rules_own_patterns_win() -> None:
    assert counts(ignoring("!*~"), "page~", folder=False)
    assert not counts(ignoring("*.log"), "a/b.log", folder=False)
    assert counts(ignoring("*.log", "!keep.log"), "keep.log", folder=False)


def test_a_pattern_for_folders_takes_what_is_in_them_along() -> None:
    rules = ignoring("node_modules/")
    assert not counts(rules, "node_modules", folder=True)
    assert not counts(rules, "a/node_modules/b/c.js", folder=False)
    assert counts(rules, "node_modules", folder=False)
    assert not counts(rules, "node_modules", folder=None), "what is gone may have been one"


def test_nothing_is_due_before_the_burst_is_over() -> None:
    deeds = Deeds()
    assert deeds.next() is None
    quiet = CALM["restart"].quiet_s
    for tenth in range(5):
        deeds.note("web", 0, RULES["restart"], tenth / 10)
    assert deeds.next() == pytest.approx(0.4 + quiet)
    assert deeds.take(0.4 + quiet - 0.01) == ()
    assert deeds.take(0.4 + quiet) == (Deed("web", "restart", (RULES["restart"],)),)
    assert deeds.next() is None


def test_a_burst_without_end_is_put_off_for_so_long_and_no_longer() -> None:
    deeds, longest = Deeds(), CALM["run"].longest_s
    taken: list[float] = []
    for step in range(100):
        now = step / 10
        deeds.note("web", 0, RULES["run"], now)
        if deeds.take(now):
            taken.append(now)
            deeds.over("web")
    assert taken[0] == pytest.approx(longest)
    assert len(taken) == pytest.approx(10 / longest, abs=1)


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        (("run", "restart"), "restart"),
        (("restart", "rebuild", "run"), "rebuild"),
        (("rebuild", "sync"), "rebuild"),
        (("sync", "run"), "run"),
    ],
)
def test_the_strongest_action_of_a_burst_is_done(asked: tuple[WatchAction, ...], done: WatchAction) -> None:
    deeds = Deeds()
    for number, action in enumerate(asked):
        deeds.note("web", number, RULES[action], 0.0)
    (deed,) = deeds.take(60.0)
    assert deed.action == done
    assert deed.rules == tuple(RULES[action] for action in asked)


def test_a_burst_waits_as_long_as_its_strongest_action_does() -> None:
    deeds = Deeds()
    deeds.note("web", 0, RULES["run"], 0.0)
    assert deeds.next() == CALM["run"].quiet_s
    deeds.note("web", 1, RULES["rebuild"], 0.0)
    assert deeds.next() == CALM["rebuild"].quiet_s


def test_commands_run_in_the_manifests_order_before_a_restart_and_not_before_a_new_disk() -> None:
    first, second = WatchRule("/a", "run", command=("a",)), WatchRule("/b", "run", command=("b",))
    deeds = Deeds()
    for number, one in ((2, second), (3, RULES["restart"]), (0, first)):
        deeds.note("web", number, one, 0.0)
    assert deeds.take(60.0)[0].commands == (first, second)
    assert Deed("web", "rebuild", (first, RULES["rebuild"])).commands == ()


def test_what_comes_while_something_is_done_is_done_once_afterwards() -> None:
    deeds = Deeds()
    deeds.note("web", 0, RULES["run"], 0.0)
    assert len(deeds.take(1.0)) == 1
    for now in (1.1, 1.5, 2.0, 5.0):
        deeds.note("web", 0, RULES["run"], now)
    assert deeds.next() is None
    assert deeds.take(50.0) == ()
    deeds.over("web")
    assert len(deeds.take(50.0)) == 1
    deeds.over("web")
    assert deeds.take(100.0) == ()


def test_vms_do_not_wait_for_each_other() -> None:
    deeds = Deeds()
    deeds.note("web", 0, RULES["run"], 0.0)
    deeds.take(1.0)
    deeds.note("db", 0, RULES["run"], 1.0)
    deeds.note("web", 0, RULES["run"], 1.0)
    assert [deed.vm for deed in deeds.take(2.0)] == ["db"]


def test_a_vm_that_is_gone_has_nothing_done_about_it() -> None:
    deeds = Deeds()
    deeds.note("web", 0, RULES["rebuild"], 0.0)
    deeds.forget("web")
    assert deeds.next() is None
    assert deeds.take(60.0) == ()
