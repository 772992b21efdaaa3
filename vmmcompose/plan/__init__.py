"""The planner: desired and observed in, a plan out; a pure function.

`planner.py` is the whole in order, `specs.py` makes every choice (addresses, drivers), `costs.py` says what a
difference costs, `view.py` gathers what the host shows of one VM, `vms.py`, `endings.py` and `restoring.py` say
what that VM needs, as a `work.py`, `provisioning.py` which of its scripts are left, `volumes.py` what volumes
need. Refused is what `checks.py`, `hand.py`, `profiles.py`, `protection.py` and `volumechecks.py` say;
`leaving.py` says which VMs are no part of the project any more, `strays.py` what belongs to no VM. `graph.py`
knows which step waits for which, `rolling.py` in which turns replicas restart, `alike.py` what they have in
common; `facts.py` is what a saved plan tells of the host.
"""

from vmmcompose.plan.alike import told_once
from vmmcompose.plan.planner import make_plan

__all__ = ["make_plan", "told_once"]
