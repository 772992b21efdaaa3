"""What rules of `watch` make the watch see, and which VMs they may touch."""

from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.model.desired import Desired, DesiredVm, Mount, WatchRule
from vmmcompose.model.options import Options
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings
from vmmcompose.watch.eyes import Sights
from vmmcompose.watch.keeping import narrowed_to
from vmmcompose.watch.rules import LEFT_OUT
from vmmcompose.watch.sights import sights_of


def sights(*vms: DesiredVm) -> Sights:
    return sights_of(Desired("shop", vms), Settings(), Paths(PurePosixPath("/nowhere")), (), {})


def test_directories_are_trees_and_files_and_what_is_not_there_yet_are_waited_for(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "conf").write_text("x")
    rules = tuple(
        WatchRule(str(tmp_path / name), "restart", ignore=("*.log",)) for name in ("src", "conf", "later")
    )
    seen = sights(DesiredVm("web", "tiny", watch=rules))
    assert seen.trees == {str(tmp_path / "src"): {(*LEFT_OUT, "*.log")}}
    assert seen.watched == {str(tmp_path / "conf"), str(tmp_path / "later")}
    assert not seen.looked_at, "nothing is planned for them"


def test_a_directory_of_a_mount_and_a_rule_is_left_out_only_as_far_as_both_leave_out(tmp_path: Path) -> None:
    folder = str(tmp_path)
    mount = Mount("src", folder, sync="push", ignore=("build/",))
    seen = sights(DesiredVm("web", "tiny", mounts=(mount,), watch=(WatchRule(folder, "restart"),)))
    assert seen.trees == {folder: {("build/",), LEFT_OUT}}


@pytest.mark.parametrize(
    ("chosen", "wanted", "only"),
    [
        ((), {"web-1", "db"}, ("db", "web-1")),
        (("web", "web-1", "web-2"), {"web-1"}, ("web-1",)),
        (("db",), {"web-1"}, None),
        ((), set(), None),
        ((), {"gone"}, None),
    ],
)
def test_rules_touch_the_vms_they_stand_at_and_none_that_was_not_chosen(
    chosen: tuple[str, ...], wanted: set[str], only: tuple[str, ...] | None
) -> None:
    vms = tuple(DesiredVm(f"web-{n}", "tiny", replica_of="web", replica=n) for n in (1, 2))
    desired = Desired("shop", (DesiredVm("db", "tiny"), *vms), replicas=(("web", 2),))
    options = narrowed_to(desired, Options(only=chosen), wanted)
    if only is None:
        assert options is None
    else:
        assert options is not None
        assert tuple(sorted(options.only)) == only
        assert options.alone
