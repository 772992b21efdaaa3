"""A mount that was not kept in step for a while: what its guest changed meanwhile does not go without a word."""

import pytest
from projects import converged, edit, plan_for, shop

from vmmcompose.model.actions import StartVm, SyncMount
from vmmcompose.model.desired import Mount, Sync

LOSS = "what VM `web` changed of the folder's files in mount src"


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("sync", "loss"), [("push", LOSS), ("two-way", "")])
def test_one_that_was_left_alone_for_a_while(sync: Sync, loss: str, *, restarted: bool) -> None:
    kept = edit(shop(), "web", mounts=(Mount("src", "/srv/src", "rw", "push"),))
    host = converged(kept)
    host.run(plan_for(host, edit(kept, "web", mounts=(Mount("src", "/srv/src"),))))
    again = edit(kept, "web", mounts=(Mount("src", "/srv/src", "rw", sync),))
    plan = plan_for(host, edit(again, "web", memory_mib=1024) if restarted else again)
    (change,) = plan.changes
    assert change.data_loss == loss
    actions = [type(step.action) for step in plan.steps]
    assert SyncMount in actions
    assert (StartVm in actions) == restarted
    host.run(plan)
    assert plan_for(host, edit(again, "web", memory_mib=1024) if restarted else again).changes == ()
