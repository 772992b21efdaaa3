"""A run is in the history however it ends; of one that was killed, its beginning."""

import os
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.errors import ApplyFailed, Interrupted, Refused
from vmmcompose.host.history import read_runs, recorded, state_of
from vmmcompose.host.journal import read
from vmmcompose.model.actions import SweepFile, SyncNetwork
from vmmcompose.model.history import Failure, Run
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Change, Event, Plan, Reason, Step

PLAN = Plan(
    "shop", (Change("vm/web", "restart", (Reason("cpus", "1", "2"),)),), (Step(0, "network", SyncNetwork()),)
)
STEP = Step(1, "files", SweepFile("/x"))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(PurePosixPath(tmp_path))


def only_run(paths: Paths) -> Run:
    (run,) = read_runs(paths)
    return run


def test_a_run_that_was_done(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/vmm", "up", "web"])
    heard: list[Event] = []
    with recorded(paths, "shop", "plan-7") as run:
        run.plan = PLAN
        run.begin()
        tell = run.telling(heard.append)
        tell(Event(PLAN.steps[0], "started"))
        tell(Event(PLAN.steps[0], "progress", "half of it"))
        tell(Event(PLAN.steps[0], "done", seconds=0.25))
    begun, ended = only_run(paths).begun, only_run(paths).ended
    assert (begun.command, begun.project, begun.plan, begun.changes) == (
        "vmm up web",
        "shop",
        "plan-7",
        PLAN.changes,
    )
    assert begun.process.pid == os.getpid()
    assert ended is not None
    assert (ended.result, ended.done, ended.failed, ended.skipped, ended.message) == ("done", 1, (), 0, "")
    assert len(heard) == 3
    told = [(event["event"], event["address"], event["run"]) for event in read(paths.events())]
    assert told == [
        ("begun", "", begun.id),
        ("started", "network", begun.id),
        ("done", "network", begun.id),
        ("done", "", begun.id),
    ]


def fail_half_way(paths: Paths) -> None:
    with recorded(paths, "shop", "") as run:
        run.plan = PLAN
        run.begin()
        tell = run.telling(lambda _event: None)
        tell(Event(STEP, "failed", "the disk is full", "last lines of the console"))
        tell(Event(PLAN.steps[0], "skipped", cause=STEP))
        raise ApplyFailed("the disk is full")


def test_what_failed_and_what_was_skipped_is_counted(paths: Paths) -> None:
    with pytest.raises(ApplyFailed):
        fail_half_way(paths)
    ended = only_run(paths).ended
    assert ended is not None
    assert (ended.result, ended.message, ended.skipped) == ("failed", "the disk is full", 1)
    assert ended.failed == (Failure("files", "SweepFile", "the disk is full"),)
    assert [event["detail"] for event in read(paths.events()) if event["event"] == "skipped"] == [
        "files failed"
    ]
    assert "last lines" not in Path(paths.events()).read_text()  # a guest may print secrets


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (Refused("no"), "refused"),
        (Interrupted("interrupted"), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
        (ZeroDivisionError("a bug"), "failed"),
    ],
)
def test_a_run_that_never_began_is_told_of_when_it_ends_in_an_error(
    paths: Paths, error: BaseException, result: str
) -> None:
    with pytest.raises(type(error)), recorded(paths, "shop", ""):
        raise error
    assert state_of(only_run(paths)) == result


def test_nothing_to_do_is_not_worth_a_line(paths: Paths) -> None:
    with recorded(paths, "shop", "") as run:
        run.plan = Plan("shop")
    assert read_runs(paths) == []


def test_a_killed_run_is_seen_as_interrupted_and_a_living_one_as_running(paths: Paths) -> None:
    code = (
        "import sys; from pathlib import PurePosixPath; from vmmcompose.model.paths import Paths\n"
        "from vmmcompose.host.history import recorded\n"
        "with recorded(Paths(PurePosixPath(sys.argv[1])), 'shop', '') as run:\n"
        "    run.begin(); print('begun', flush=True); sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(paths.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert state_of(only_run(paths)) == "running"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert state_of(only_run(paths)) == "interrupted"


def test_damaged_lines_hide_no_run(paths: Paths) -> None:
    for _ in range(2):
        with recorded(paths, "shop", "") as run:
            run.begin()
    file = Path(paths.history())
    lines = file.read_text().splitlines()
    file.write_text(
        "\n".join(["[]", '{"line": "begun"}', lines[0], "\0" * 40, *lines[1:], '{"schema_version": 1}'])
    )
    assert [state_of(run) for run in read_runs(paths)] == ["done", "done"]
