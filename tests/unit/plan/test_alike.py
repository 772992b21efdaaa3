"""A mistake that all replicas have is one problem."""

import pytest

from vmmcompose.model.desired import Desired, DesiredVm
from vmmcompose.model.problem import Problem, Severity
from vmmcompose.plan import told_once

DESIRED = Desired(
    "shop",
    (
        DesiredVm("db", "tiny"),
        *(DesiredVm(f"web-{n}", "tiny", replica_of="web", replica=n) for n in (1, 2, 3)),
    ),
)


def problem(vm: str, code: str = "no-image", severity: Severity = "error") -> Problem:
    return Problem(code, f"VM `{vm}`: there is no image `x`", ("vms", vm, "image"), "build it", severity)


def test_all_replicas_are_their_vm() -> None:
    (found,) = told_once([problem("web-1"), problem("web-2"), problem("web-3")], DESIRED)
    assert found == problem("web")


def test_some_of_them_are_counted() -> None:
    (found,) = told_once([problem("web-3"), problem("web-1")], DESIRED)
    assert found.message == "VM `web` (2 of 3 replicas): there is no image `x`"
    assert found.at == ("vms", "web", "image")


def test_one_of_them_keeps_its_name() -> None:
    assert told_once([problem("web-2")], DESIRED) == (problem("web-2"),)


def test_what_only_has_the_name_in_it_is_no_name() -> None:
    """Each record is a file of its own; there is none called shop-web.json."""
    broken = [
        Problem(
            "unreadable-record", f"the record of VM `{vm}` is broken", ("vms", vm), f"repair shop-{vm}.json"
        )
        for vm in ("web-1", "web-2")
    ]
    assert told_once(broken, DESIRED) == tuple(broken)


def test_the_order_stays_and_others_are_left_alone() -> None:
    given = [
        problem("db"),
        problem("web-1"),
        Problem("orphan", "VM `old` is left"),
        problem("web-2"),
        problem("db", "x"),
    ]
    found = told_once(given, DESIRED)
    assert [one.at[1:2] for one in found] == [("db",), ("web",), (), ("db",)]


@pytest.mark.parametrize("other", [problem("web-2", "other"), problem("web-2", severity="note")])
def test_what_differs_in_anything_but_the_name_stays_apart(other: Problem) -> None:
    assert told_once([problem("web-1"), other], DESIRED) == (problem("web-1"), other)
