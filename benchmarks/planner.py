"""What planning costs, and how it grows: one manifest of 100, 1 000 and 10 000 VMs.

Every VM has a forward, and nine of ten depend on another. Nothing is started: the host is one of values, as the
planner's own tests use it. A row's ratio says how much dearer a VM is than in a project of a hundred; 1 is linear.

    python benchmarks/planner.py [COUNT ...]
"""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "fakes"))

from known_drivers import CAPABILITIES  # noqa: E402 - found through the line above
from simulated_host import SimulatedHost  # noqa: E402 - found through the line above

from vmmcompose.__main__ import COLLECT  # noqa: E402 - found through the line above
from vmmcompose.manifest import parse_manifest  # noqa: E402
from vmmcompose.model.desired import Desired  # noqa: E402
from vmmcompose.model.options import Options  # noqa: E402
from vmmcompose.model.plan import Plan  # noqa: E402
from vmmcompose.plan import make_plan  # noqa: E402

COUNTS = (100, 1_000, 10_000)
RUNS = 3
T = TypeVar("T")


def manifest(count: int) -> bytes:
    """A manifest that names each VM."""
    lines = ["name: fleet", "defaults: {image: tiny, memory: 128MiB}", "vms:"]
    for i in range(count):
        after = f", depends_on: [vm-{i - 1:05}]" if i % 10 else ""
        lines.append(f"  vm-{i:05}: {{ports: ['{10_000 + i}:80']{after}}}")
    return "\n".join(lines).encode()


def timed(action: Callable[[], T]) -> tuple[float, T]:
    """Least wall seconds of some runs, and the last result."""
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - begin)
    return min(seconds), result


def measure(count: int) -> dict[str, float]:
    """Seconds of each stage, and MiB of memory that the plan of a first `up` takes."""
    data, host = manifest(count), SimulatedHost()
    read, parsed = timed(lambda: parse_manifest(data, "vmm.yaml", "/srv/fleet"))
    desired = parsed.desired

    def plan(wanted: Desired) -> Plan:
        return make_plan(wanted, seen, host.settings, CAPABILITIES, Options())

    seen = host.observe(desired)
    create, first = timed(lambda: plan(desired))
    tracemalloc.start()
    kept = plan(desired)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    host.run(kept)
    seen = host.observe(desired)
    converged, nothing = timed(lambda: plan(desired))
    assert not nothing.changes
    changed = replace(desired, vms=tuple(replace(vm, cpus=2) for vm in desired.vms))
    restart, again = timed(lambda: plan(changed))
    assert len(again.changes) == len(first.changes) - 1 == count  # the first makes the network as well
    return {
        "read the manifest": read,
        "plan a first up": create,
        "plan where nothing differs": converged,
        "plan a restart of all": restart,
        "peak memory of a first plan": peak / 2**20,
    }


def main(counts: tuple[int, ...]) -> None:
    """Prints a table: each stage at each size, and what a VM costs beside one of the smallest project."""
    gc.set_threshold(*COLLECT)  # as the program has it
    found = {count: measure(count) for count in counts}
    least = min(counts)
    print(f"{'':<30}" + "".join(f"{f'{count} VMs':>22}" for count in counts))
    for stage in found[least]:
        cells = []
        for count in counts:
            value = found[count][stage]
            unit = f"{value:.1f} MiB" if "memory" in stage else f"{value * 1000:.1f} ms"
            ratio = value / count / (found[least][stage] / least)
            cells.append(f"{unit:>14}  x{ratio:.2f}")
        print(f"{stage:<30}" + "".join(f"{cell:>22}" for cell in cells))


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or COUNTS)
