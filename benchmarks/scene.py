"""What the benchmarks share: fifty VMs in a namespace of their own, and timing that prints ratios.

The VMs run under the firecracker driver. Where VMM_FIRECRACKER names a real binary it is used, else the
server of tests/fakes stands for it: what is measured is this program, not a guest's boot.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests" / "fakes"))

from lab import Lab  # noqa: E402 - found through the line above
from tiny_kernel import write_tiny_kernel  # noqa: E402

VMS = 50
REAL = "VMM_FIRECRACKER" in os.environ
"""With a real binary the guest only halts, as fifty busy ones would share the host's cores; it hears no stop."""
DOWN = ("down", "--grace", "0") if REAL else ("down",)
COMPILED = tempfile.TemporaryDirectory(prefix="vmm-bytecode-")
os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": COMPILED.name}
"""An installed program has its bytecode; without it every command would be measured with its own compilation."""
IMAGE_MIB = 16


def fleet(count: int = VMS) -> Lab:
    """A lab with a manifest of `count` VMs, not yet up."""
    lab = Lab("fleet")
    images = lab.data / "images"
    if images.is_symlink():
        images.unlink()
    kernel = images / "kernels" / "default"
    kernel.mkdir(parents=True)
    write_tiny_kernel(kernel / "vmlinux", obeys=not REAL)
    (kernel / "kernel.json").write_text(
        '{"source": "tests/fakes", "version": "0", "created": "2026-01-01T00:00:00Z"}'
    )
    rootfs = images / "rootfs"
    rootfs.mkdir()
    image = rootfs / "small.ext4"
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", str(image), f"{IMAGE_MIB}M"], check=True, capture_output=True
    )
    (rootfs / "small.json").write_text(
        f'{{"source": "mke2fs", "sha256": "0", "created": "2026-01-01T00:00:00Z", "size": {IMAGE_MIB * 2**20}}}'
    )
    lab.env["VMM_FIRECRACKER"] = os.environ.get(
        "VMM_FIRECRACKER", str(REPOSITORY / "tests" / "fakes" / "firecracker")
    )
    lines = ["defaults: {image: small, memory: 128MiB, disk: 32MiB, hypervisor: firecracker}", "vms:"]
    lines += [f"  vm{i:02}: {{ports: ['{9000 + i}:80']}}" for i in range(count)]
    lab.write("\n".join(lines) + "\n")
    return lab


def timed(action: Callable[[], object], runs: int) -> list[float]:
    """Wall seconds of several runs."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begin)
    return seconds


def alternating(actions: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Wall seconds of several runs of each, taking turns: what else the machine does meets all alike."""
    for action in actions.values():
        action()
    rounds = [{name: timed(action, 1)[0] for name, action in actions.items()} for _ in range(runs)]
    return {name: [seconds[name] for seconds in rounds] for name in actions}


def report(title: str, baseline: str, rows: dict[str, list[float]]) -> None:
    """Prints a table: minimum, median, and the ratio of medians to the baseline's."""
    base = statistics.median(rows[baseline])
    print(f"\n{title} (ratios of medians to `{baseline}`, {len(rows[baseline])} runs)")
    for name, seconds in rows.items():
        median = statistics.median(seconds)
        print(
            f"  {name:<34} min {min(seconds) * 1000:8.1f} ms   median {median * 1000:8.1f} ms   x{median / base:.2f}"
        )
