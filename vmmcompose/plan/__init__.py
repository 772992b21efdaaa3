"""The planner: desired and observed in, a plan out; a pure function.

`planner.py` is the whole in order, `specs.py` makes every choice (addresses, drivers), `costs.py` says what a
difference costs, `view.py` gathers what the host shows of one VM, `vms.py` and `endings.py` say what that VM
needs, `checks.py` what is refused, `strays.py` what belongs to no VM, `graph.py` which step waits for which.
"""

from vmmcompose.plan.planner import make_plan

__all__ = ["make_plan"]
