"""Which VMs that ended are brought up again, and when, on a clock that nobody waits for."""

import itertools

import pytest

from vmmcompose.model.desired import Dependency, DesiredVm, Restart
from vmmcompose.watch.restarts import (
    CAP_S,
    STEADY_S,
    TOLD_AT,
    Restarts,
    Retry,
    delay,
    ended_cleanly,
    with_dependants,
)


def test_the_first_start_comes_at_once_and_each_later_one_after_twice_the_time_up_to_a_cap() -> None:
    assert [delay(ends) for ends in range(1, 6)] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert delay(1000) == CAP_S


def test_a_vm_that_keeps_crashing_is_told_once_and_tried_ever_later() -> None:
    restarts, now, told, starts = Restarts(), 0.0, 0, []
    for process in range(8):
        restarts.runs("web", process, now)
        now += 0.5
        while True:
            verdict = restarts.ended("web", process, "always", now, clean=False)
            told += verdict.tell
            if verdict.what == "start":
                starts.append(now)
                break
            assert verdict.until > now
            now = verdict.until
    waits = [round(later - sooner - 0.5) for sooner, later in itertools.pairwise(starts)]
    assert waits == [1, 2, 4, 8, 16, 32, 64]
    assert told == 1
    assert restarts.crashing("web")


def test_one_end_is_counted_once_however_often_it_is_seen() -> None:
    restarts = Restarts()
    restarts.runs("web", 1, 0.0)
    assert [restarts.ended("web", 1, "always", 1.0, clean=False).ends for _ in range(5)] == [1] * 5


def test_crashes_too_quick_to_be_seen_alive_are_counted_too() -> None:
    restarts = Restarts()
    restarts.runs("web", 0, 0.0)
    ends = [restarts.ended("web", process, "always", 1.0 + process, clean=False).ends for process in range(4)]
    assert ends == [1, 2, 3, 4]


def test_a_vm_that_ran_steadily_begins_anew() -> None:
    restarts = Restarts()
    for process in range(TOLD_AT):
        restarts.runs("web", process, 0.0)
        restarts.ended("web", process, "always", 1.0, clean=False)
    restarts.runs("web", "last", 10.0)
    verdict = restarts.ended("web", "last", "always", 10.0 + STEADY_S, clean=False)
    assert (verdict.what, verdict.ends) == ("start", 1)
    assert not restarts.crashing("web")


@pytest.mark.parametrize(
    ("policy", "clean", "what"),
    [
        ("always", True, "start"),
        ("always", False, "start"),
        ("on-failure", True, "leave"),
        ("on-failure", False, "start"),
        ("no", True, "leave"),
        ("no", False, "leave"),
    ],
)
def test_the_policy_decides(policy: Restart, clean: bool, what: str) -> None:
    restarts = Restarts()
    restarts.runs("web", 1, 0.0)
    verdict = restarts.ended("web", 1, policy, 1.0, clean=clean)
    assert verdict.what == what
    assert verdict.tell == (what == "leave")
    assert not restarts.ended("web", 1, policy, 2.0, clean=clean).tell


def test_a_changed_vm_is_tried_at_once() -> None:
    restarts = Restarts()
    for process in range(6):
        restarts.ended("web", process, "always", 1.0, clean=False)
    restarts.forget("web")
    assert restarts.ended("web", 5, "always", 1.0, clean=False).what == "start"


def test_whoever_waits_may_be_started_at_once_without_that_its_past_is_forgotten() -> None:
    restarts = Restarts()
    for process in range(6):
        verdict = restarts.ended("web", process, "always", 1.0, clean=False)
    assert verdict.what == "wait"
    restarts.hurry()
    assert restarts.ended("web", 5, "always", 1.0, clean=False).what == "start"
    assert restarts.ended("web", 6, "always", 1.0, clean=False).ends == 7


@pytest.mark.parametrize(
    ("console", "vmm", "clean"),
    [
        (["[    3.1] reboot: Power down"], [], True),
        (["[    3.1] reboot: Restarting system"], ["Firecracker exiting successfully. exit_code=0"], True),
        ([], ["2026 [x:main] Firecracker exiting successfully. exit_code=0"], True),
        (
            ["[  1.0] Kernel panic - not syncing: no init", "[  2.0] reboot: Restarting system"],
            ["Firecracker exiting successfully. exit_code=0"],
            False,
        ),
        (["login:"], [], False),
        ([], [], False),
    ],
)
def test_whether_a_guest_meant_to_end(console: list[str], vmm: list[str], clean: bool) -> None:
    assert ended_cleanly(console, vmm) is clean


def test_what_needs_a_vm_that_is_held_back_is_not_started_either_but_what_runs_goes_on() -> None:
    def vm(name: str, *needs: Dependency) -> DesiredVm:
        return DesiredVm(name, "small", depends_on=needs)

    vms = [
        vm("db"),
        vm("web", Dependency("db")),
        vm("edge", Dependency("web")),
        vm("stats", Dependency("db", required=False)),
        vm("old", Dependency("db")),
    ]
    assert with_dependants(vms, frozenset({"db"}), frozenset({"old"})) == {"db", "web", "edge"}


def test_a_look_that_fails_is_made_again_ever_later_until_something_changes() -> None:
    retry = Retry()
    assert [retry.failed(100.0) - 100.0 for _ in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert max(retry.failed(0.0) for _ in range(20)) == 300.0
    retry.good()
    assert retry.failed(0.0) == 2.0
