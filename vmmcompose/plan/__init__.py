"""The planner: desired and observed in, a plan out; a pure function.

`planner.py` is the whole in order, `specs.py` makes every choice (addresses, drivers), `costs.py` says what a
difference costs, `view.py` gathers what the host shows of one VM, `vms.py` and `endings.py` say what that VM
needs, `checks.py` and `profiles.py` what is refused, `leaving.py` which VMs are no part of the project any more,
`strays.py` what belongs to no VM, `graph.py` which step waits for which, `alike.py` what replicas have in common.
"""

from vmmcompose.plan.alike import told_once
from vmmcompose.plan.planner import make_plan

__all__ = ["make_plan", "told_once"]
