"""Bursts become one look, on a clock that nobody waits for."""

import itertools

import pytest

from vmmcompose.watch.agenda import CALM, Agenda


def looks(saves: list[float], until: float, step: float = 0.01) -> list[float]:
    """When a look is due, for a manifest saved at these times."""
    agenda, found, now = Agenda(), [], 0.0
    left = sorted(saves)
    while now < until:
        while left and left[0] <= now:
            agenda.note("manifest", left.pop(0))
        if agenda.take(now):
            found.append(round(now, 2))
        now += step
    return found


def test_one_save_is_one_look_once_it_is_calm() -> None:
    assert looks([1.0], 10) == [pytest.approx(1.0 + CALM["manifest"].quiet_s, abs=0.02)]


def test_ten_saves_in_a_second_are_one_look() -> None:
    assert len(looks([1.0 + number / 10 for number in range(10)], 10)) == 1


def test_saves_without_end_are_not_put_off_without_end() -> None:
    found = looks([number / 10 for number in range(100)], 12)
    assert found[0] <= CALM["manifest"].longest_s + 0.02
    assert all(
        later - sooner <= CALM["manifest"].longest_s + 0.2 for sooner, later in itertools.pairwise(found)
    )


def test_a_death_does_not_wait_for_a_manifest_that_is_being_written_and_does_not_take_it_along() -> None:
    agenda = Agenda()
    agenda.note("manifest", 0.0)
    agenda.note("death", 0.0)
    agenda.note("manifest", 0.1)
    assert agenda.take(0.1) == ("death",)
    assert agenda.take(0.2) == ()
    assert agenda.take(0.36) == ("manifest",)
    assert agenda.next() is None


def test_a_manifest_and_mounted_files_that_change_at_once_are_one_look_when_both_are_calm() -> None:
    for first, second in (("manifest", "mount"), ("mount", "manifest")):
        agenda = Agenda()
        agenda.note(first, 0.0)  # type: ignore[arg-type]
        agenda.note(second, 0.2)  # type: ignore[arg-type]
        agenda.note("mount", 0.6)
        assert agenda.take(1.0) == ()
        assert agenda.take(1.2) == ("manifest", "mount")
        assert agenda.next() is None


def test_mounted_files_that_change_without_end_take_a_manifest_along() -> None:
    agenda, now = Agenda(), 0.0
    agenda.note("manifest", now)
    while not (found := agenda.take(now)):
        agenda.note("mount", now)
        now += 0.1
    assert found == ("manifest", "mount")
    assert now <= CALM["manifest"].longest_s + 0.2


def test_what_is_due_together_is_one_look() -> None:
    agenda = Agenda()
    agenda.note("drift", 0.0)
    agenda.note("record", 0.0)
    agenda.later("timer", 0.2)
    assert agenda.take(1.0) == ("drift", "record", "timer")


def test_a_later_look_replaces_the_one_before_and_can_be_taken_back() -> None:
    agenda = Agenda()
    agenda.later("retry", 5.0)
    agenda.later("retry", 9.0)
    assert agenda.next() == 9.0
    assert agenda.take(8.0) == ()
    agenda.later("retry", None)
    assert agenda.next() is None
