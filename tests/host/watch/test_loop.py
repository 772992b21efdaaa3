"""What the loop makes of what it sees, on a clock of its own: a real manifest and records, a spine that only notes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from guest_spec import SPEC

from vmmcompose.errors import HostError, HostUnfit, VmmError
from vmmcompose.host.records import read_records, write_record
from vmmcompose.loading import Project, paths_of
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.reading import Reading
from vmmcompose.model.record import Record, State
from vmmcompose.model.settings import Settings
from vmmcompose.watch import Course, Eyes, Notice, Watcher
from vmmcompose.watch.agenda import Trigger
from vmmcompose.watch.eyes import Seen, Sights

VMS = "vms: {web: {image: tiny, mounts: ['./site:site:ro']}, db: {image: tiny}}\n"


@dataclass
class World:
    """Everything around the loop."""

    folder: Path
    now: float = 1000.0
    sees_rules: bool = True
    unwatched: dict[str, HostUnfit] = field(default_factory=dict)
    coming: list[Seen] = field(default_factory=list)
    sights: Sights = field(default_factory=Sights)
    runs: list[Options] = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        (self.folder / "vmm.yaml").write_text(f"name: shop\n{VMS}")
        self.settings = Settings(data_dir=str(self.folder / "data"))

    def watcher(self) -> Watcher:
        reading = Reading((str(self.folder / "vmm.yaml"),))
        course = Course(self.settings, reading, Options(), Options(wait=True))
        return Watcher(course, cast("Eyes", self), self.run, self.told.append, lambda: self.now)

    def wait(self, timeout_s: float | None) -> Seen:
        """What comes next, or else the time that was waited for."""
        if self.coming:
            return self.coming.pop(0)
        self.now += timeout_s or 0.0
        return Seen()

    def see(self, sights: Sights) -> set[Trigger]:
        self.sights = sights
        return set()

    def run(
        self,
        project: Project,
        options: Options,
        expect: Callable[[Plan, Observed], None],
        meanwhile: Callable[[int], None],
        *,
        quiet: bool,
    ) -> None:
        """The spine: notes what it was asked for, and looks at the records as it does."""
        self.runs.append(options)
        during, self.during = self.during, lambda: None
        during()
        expect(Plan("shop"), Observed(records=self.records()))

    def records(self) -> tuple[Record, ...]:
        return tuple(read_records(paths_of(self.settings))[0])

    def record(self, state: State) -> None:
        write_record(paths_of(self.settings), Record(replace(SPEC), state))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def look(world: World, watcher: Watcher, *triggers: Trigger) -> Options:
    """What the spine is asked for when these come."""
    world.coming.append(Seen(set(triggers)))
    return next_run(world, watcher)


def next_run(world: World, watcher: Watcher) -> Options:
    """What the spine is asked for next, within a minute."""
    before, until = len(world.runs), world.now + 60
    while len(world.runs) == before:
        assert world.now < until
        watcher.turn()
    return world.runs[-1]


@pytest.mark.parametrize("trigger", ["mount", "overflow", "asked", "retry", "manifest", "death", "back-off"])
def test_whoever_may_be_started_gets_what_its_directories_hold_now(world: World, trigger: Trigger) -> None:
    """A change that was seen while a VM waited for its turn is not seen once more when it starts."""
    watcher = world.watcher()
    watcher.begin()
    assert look(world, watcher, trigger).contents


@pytest.mark.parametrize("trigger", ["timer", "drift", "record", "image"])
def test_directories_are_not_walked_for_what_has_nothing_to_do_with_them(
    world: World, trigger: Trigger
) -> None:
    watcher = world.watcher()
    watcher.begin()
    assert not look(world, watcher, trigger).contents


def test_directories_that_could_not_be_brought_over_are_walked_until_they_are(world: World) -> None:
    watcher = world.watcher()
    watcher.begin()

    def fail() -> None:
        raise HostError("the guest hangs")

    world.during = fail
    assert look(world, watcher, "mount").contents
    world.during = lambda: None
    assert look(world, watcher, "record").contents
    assert not look(world, watcher, "record").contents


def test_what_was_to_be_looked_at_still_is_when_somebody_stops_a_vm_meanwhile(world: World) -> None:
    world.record("running")
    watcher = world.watcher()
    watcher.begin()
    world.during = lambda: world.record("stopped")
    look(world, watcher, "mount")
    again = next_run(world, watcher)
    assert (again.contents, again.only) == (True, ("db",))


@pytest.mark.parametrize("error", [HostUnfit("no"), VmmError("unexpected MemoryError: ")])
def test_whatever_hinders_reading_the_manifest_the_last_good_state_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, error: VmmError
) -> None:
    watcher = world.watcher()
    watcher.begin()
    with monkeypatch.context() as broken:
        broken.setattr("vmmcompose.watch.loop.read_apart", lambda *_: (set(), error))
        look(world, watcher, "manifest")
    assert world.told[-1].event == "manifest-invalid"
    look(world, watcher, "manifest")
    assert world.told[-1].event == "manifest-good"
