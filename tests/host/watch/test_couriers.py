"""What is carried into guests, in which portions, and what happens when the way is lost."""

import json
import os
import select
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from courier_guest import Guest
from guest_spec import SPEC
from lab import eventually

from vmmcompose.errors import NoSpace
from vmmcompose.host.locks import hold
from vmmcompose.host.mounts import source_digest
from vmmcompose.host.records import write_record
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.watch import Couriers, Notice

PROCESS = Process(1, 2, "boot")


@pytest.fixture
def guest() -> Guest:
    return Guest()


@pytest.fixture
def told() -> list[Notice]:
    return []


@pytest.fixture
def couriers(guest: Guest, told: list[Notice]) -> Iterator[Couriers]:
    with Couriers(Paths(PurePosixPath("/nowhere")), told.append, guest.way) as found:
        yield found


def record(sync: str = "push") -> Record:
    mount = replace(Mount("site", "/srv/site"), sync=sync)  # type: ignore[arg-type]
    return Record(replace(SPEC, mounts=(mount,)), "running", PROCESS)


def arranged(couriers: Couriers, guest: Guest) -> None:
    couriers.arrange({"web": record()}, {"web": PROCESS})
    eventually(lambda: guest.arrived == [("everything",)], "the first comparison")


def change(couriers: Couriers, *paths: str) -> None:
    couriers.changed({"/srv/site": set(paths)}, overflow=False)


def test_it_begins_with_a_comparison_of_everything_and_then_carries_what_changed(
    couriers: Couriers, guest: Guest
) -> None:
    arranged(couriers, guest)
    change(couriers, "index.html")
    eventually(lambda: guest.arrived[1:] == [("index.html",)], "the change")
    couriers.changed({"/srv/other": {"x"}}, overflow=False)
    time.sleep(0.2)
    assert len(guest.arrived) == 2


def test_a_burst_is_one_portion_and_what_comes_meanwhile_the_next(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    guest.slow.clear()
    for name in "abc":
        change(couriers, name)
    time.sleep(0.3)
    for name in "de":
        change(couriers, name)
    guest.slow.set()
    eventually(lambda: guest.arrived[1:] == [("a", "b", "c"), ("d", "e")], "two portions")


def test_an_overflow_is_a_comparison_of_everything(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    couriers.changed({}, overflow=True)
    eventually(lambda: guest.arrived[1:] == [("everything",)], "everything")


def test_what_is_written_all_the_time_holds_nothing_up_for_long(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    until = time.monotonic() + 2
    while len(guest.arrived) == 1 and time.monotonic() < until:
        change(couriers, "log")
        time.sleep(0.01)
    assert guest.arrived[1:] == [("log",)]


def test_a_directory_that_is_back_is_worth_a_try_at_once(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    guest.broken = True
    change(couriers, "a")
    time.sleep(1.7)  # three tries; the next would be in two seconds
    guest.broken = False
    change(couriers, "")
    eventually(lambda: len(guest.arrived) == 2, "another comparison", 1)


def test_a_full_guest_is_told_at_once_and_tried_again_when_something_changes(
    couriers: Couriers, guest: Guest, told: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    arranged(couriers, guest)

    def full(_changed: Collection[str]) -> Report:
        raise NoSpace("no room for a")

    monkeypatch.setattr(guest, "push", full)
    for _ in range(3):
        before = len(guest.arrived)
        change(couriers, "a")
        while len(guest.arrived) == before:
            time.sleep(0.01)
        time.sleep(0.1)
    couriers.hand_over()
    assert [notice.event for notice in told] == ["sync-failed", "sync-recovered"] * 3


def test_a_fault_that_nobody_expected_is_tried_again_as_well(
    couriers: Couriers, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    arranged(couriers, guest)
    monkeypatch.setattr(guest, "push", lambda _changed: 1 // 0)
    change(couriers, "a")
    eventually(lambda: len(guest.arrived) == 2, "another comparison")


def test_a_lost_way_is_opened_again_with_a_comparison(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    guest.broken = True
    change(couriers, "lost")
    eventually(lambda: guest.open == 0, "the way is closed")
    guest.broken = False
    eventually(lambda: guest.arrived[1:] == [("everything",)], "everything again")


def test_a_vm_that_stopped_and_one_that_was_started_anew(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    couriers.arrange({"web": record()}, {"web": Process(2, 3, "boot")})
    eventually(
        lambda: guest.arrived == [("everything",)] * 2 and guest.open == 1, "a new way for a new process"
    )
    couriers.arrange({"web": record()}, {})
    eventually(lambda: guest.open == 0, "none for one that is stopped")
    change(couriers, "x")
    time.sleep(0.1)
    assert len(guest.arrived) == 2


def test_a_vm_that_is_paused_is_not_waited_for(couriers: Couriers, guest: Guest) -> None:
    arranged(couriers, guest)
    couriers.arrange({"web": replace(record(), state="paused")}, {"web": PROCESS})
    eventually(lambda: guest.open == 0, "none for one that is paused")
    couriers.arrange({"web": record()}, {"web": PROCESS})
    eventually(lambda: guest.arrived == [("everything",)] * 2, "everything once it is resumed")


def test_mounts_without_sync_are_none_of_its_business(couriers: Couriers, guest: Guest) -> None:
    couriers.arrange({"web": record("none")}, {"web": PROCESS})
    time.sleep(0.1)
    assert guest.arrived == []


def test_what_it_has_to_say_is_said_by_the_thread_that_waits(
    couriers: Couriers, guest: Guest, told: list[Notice]
) -> None:
    guest.report = Report(sent=2, deleted=1, conflicts=("both",))
    arranged(couriers, guest)
    assert select.select([couriers], [], [], 5)[0]
    assert told == []

    def handed_over() -> bool:
        if select.select([couriers], [], [], 0)[0]:
            couriers.hand_over()
        return [notice.event for notice in told] == ["sync", "sync-conflict"]

    eventually(handed_over, "what it said")
    assert told[0].words == "web: site: 2 sent, 1 deleted"


def test_what_is_left_out_is_told_once(couriers: Couriers, guest: Guest, told: list[Notice]) -> None:
    guest.report = Report(skipped=("log\n: it keeps changing", *(f"{number}: a link" for number in range(6))))
    arranged(couriers, guest)
    left_out = guest.report
    for report in (Report(), left_out, Report(sent=1)):
        guest.report, before = report, len(guest.arrived)
        change(couriers, "other")
        eventually(lambda before=before: len(guest.arrived) > before, "the change")  # type: ignore[misc]

    def handed_over() -> bool:
        if select.select([couriers], [], [], 0)[0]:
            couriers.hand_over()
        return [notice.event for notice in told] == ["sync-skipped", "sync"]

    eventually(handed_over, "what it said")
    assert told[0].lines[:2] == (r"log\n: it keeps changing", "0: a link")
    assert told[0].lines[-1] == "and 2 more"


def test_nothing_is_left_when_it_ends(guest: Guest, told: list[Notice]) -> None:
    threads = threading.active_count()
    with Couriers(Paths(PurePosixPath("/nowhere")), told.append, guest.way) as couriers:
        arranged(couriers, guest)
    assert guest.open == 0
    assert threading.active_count() == threads


def test_what_is_in_step_is_noted_once_it_is_calm(
    guest: Guest, told: list[Notice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmmcompose.watch.couriers.NOTE_S", 0.2)
    monkeypatch.setattr("vmmcompose.watch.couriers.SURE_S", 0.1)
    site, paths = tmp_path / "site", Paths(PurePosixPath(tmp_path / "data"))
    site.mkdir()
    (site / "index.html").write_text("x")
    mount = Mount("site", str(site), sync="push")
    known = Record(replace(SPEC, mounts=(mount,)), "running", PROCESS)
    write_record(paths, known)
    info = Path(paths.mount_info(SPEC.name, "site"))
    info.parent.mkdir(parents=True)
    guest.report = Report(sent=1)
    with Couriers(paths, told.append, guest.way) as couriers:

        def noted() -> str:
            while select.select([couriers], [], [], 0)[0]:
                couriers.hand_over()
            return str(json.loads(info.read_text())["digest"]) if info.exists() else ""

        couriers.arrange({"web": known}, {"web": PROCESS})
        eventually(lambda: noted() == source_digest(site), "the first comparison is noted")
        before = noted()
        (site / "index.html").write_text("changed")
        couriers.changed({str(site): {"index.html"}}, overflow=False)
        with hold(paths.work_lock(SPEC.project, ""), "the test"):
            time.sleep(1)
            assert noted() == before  # somebody else works on the project
        couriers.arrange({"web": known}, {"web": PROCESS})
        eventually(lambda: noted() == source_digest(site), "the change is noted")
        assert guest.kept == 2
        guest.report = Report()
        os.utime(site / "index.html", ns=(1, 1))
        couriers.changed({str(site): {"index.html"}}, overflow=False)
        eventually(
            lambda: noted() == source_digest(site), "what looks other and is the same in the guest is noted"
        )
        write_record(paths, replace(known, process=Process(7, 8, "boot")))
        (site / "index.html").write_text("another VM has another image")
        couriers.changed({str(site): {"index.html"}}, overflow=False)
        time.sleep(1)
        assert noted() != source_digest(site)


def test_what_was_overwritten_is_told_without_what_a_terminal_obeys(
    couriers: Couriers, guest: Guest, told: list[Notice]
) -> None:
    guest.report = Report(sent=101, overwritten=("\x1b[2J", *map(str, range(100))))
    arranged(couriers, guest)
    while len(told) < 2 and select.select([couriers], [], [], 5)[0]:
        couriers.hand_over()
    assert [notice.event for notice in told] == ["sync", "sync-overwritten"]
    assert told[1].lines[0] == r"\x1b[2J"
    assert told[1].lines[-1].endswith("more")
