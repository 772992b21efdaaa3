"""Whether guests answer, while the loop does other things: real sockets for guests, a real process for the VMM."""

import select
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import Guest, Scene, free_port

from vmmcompose.host import records
from vmmcompose.host.locks import hold
from vmmcompose.host.process import signal_process, wait_gone
from vmmcompose.model.desired import Healthcheck
from vmmcompose.model.record import Record
from vmmcompose.watch import Answers, Notice
from vmmcompose.watch.answers import EVERY_S


class Project:
    """One VM with a record, and who asks it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.told: list[Notice] = []
        self.now = 0.0
        self.answers = Answers(scene.paths, self.told.append, lambda: self.now)

    def record(self, check: Healthcheck, state: str = "running", health: str = "") -> None:
        spec = replace(self.scene.spec, healthcheck=check)
        record = Record(spec, state, process=self.scene.process, health=health)  # type: ignore[arg-type]
        records.write_record(self.scene.paths, record)

    @property
    def health(self) -> str:
        found = records.read_record(self.scene.paths, self.scene.spec.name)
        assert isinstance(found, Record)
        return found.health

    def look(self) -> None:
        known, _ = records.read_records(self.scene.paths)
        self.answers.arrange(
            {record.spec.vm: record for record in known}, {self.scene.spec.vm: self.scene.process}
        )

    def heard(self, timeout_s: float = 20) -> bool:
        """Waits for an answer and lets it be written."""
        if not select.select([self.answers], [], [], timeout_s)[0]:
            return False
        self.answers.hand_over()
        return True


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    scene = Scene(tmp_path)
    scene.spec = replace(scene.spec, name="shop-web")
    Path(scene.paths.logs("shop-web")).mkdir()
    project = Project(scene)
    with project.answers:
        yield project
    signal_process(scene.process, signal.SIGKILL)
    assert wait_gone(scene.process, 10)


def test_an_answer_is_in_the_record_and_told_once(project: Project) -> None:
    with closing(Guest(b"")) as guest:
        project.record(Healthcheck(tcp=guest.port))
        project.look()
        assert project.heard()
        assert project.health == "healthy"
        project.look()
        project.now = EVERY_S
        project.look()
        assert project.heard()
    assert [one.event for one in project.told] == ["healthy"]


def test_a_guest_that_stops_answering_and_comes_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmmcompose.watch.answers.AGAIN_S", 0.5)
    check = Healthcheck(tcp=free_port(), interval_s=0.1)
    project.record(check, health="healthy")
    project.look()
    assert project.heard()
    assert project.health == "unhealthy"
    assert project.told[0].bad
    project.look()
    assert not project.heard(0.3)  # not before its time
    project.now = EVERY_S
    assert check.tcp is not None
    with closing(Guest(b"", port=check.tcp)):
        project.look()
        assert project.heard()
    assert project.health == "healthy"
    assert [one.event for one in project.told] == ["unhealthy", "healthy"]


def test_another_healthcheck_is_asked_at_once(project: Project) -> None:
    project.record(Healthcheck(tcp=free_port(), timeout_s=60))
    project.look()
    with closing(Guest(b"")) as guest:
        project.record(Healthcheck(tcp=guest.port))
        project.look()
        assert project.heard()
    assert project.health == "healthy"


def test_a_vm_that_ended_or_is_paused_gets_no_verdict(project: Project) -> None:
    with closing(Guest(b"")) as guest:
        project.record(Healthcheck(tcp=guest.port), state="paused")
        project.look()
        assert not project.heard(0.3)
    project.record(Healthcheck(tcp=free_port()))
    project.look()
    signal_process(project.scene.process, signal.SIGKILL)
    assert project.heard()
    assert project.health == ""
    assert project.told == []


def test_while_somebody_works_on_the_project_the_verdict_waits(project: Project) -> None:
    scene = project.scene
    with closing(Guest(b"")) as guest:
        project.record(Healthcheck(tcp=guest.port))
        with hold(scene.paths.work_lock(scene.spec.project, ""), "the test"):
            project.look()
            assert project.heard()
            assert project.health == ""
        project.look()
    assert project.health == "healthy"


def test_the_end_waits_for_nobody(project: Project) -> None:
    project.record(Healthcheck(tcp=free_port(), timeout_s=60))
    threads = threading.active_count()
    with Answers(project.scene.paths, project.told.append) as project.answers:
        project.look()
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
