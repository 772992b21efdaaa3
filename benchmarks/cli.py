"""How quick the command line is when there is nothing to do: fifty VMs, everything converged.

python benchmarks/cli.py [RUNS]
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scene import DOWN, VMS, alternating, fleet, report


def main() -> None:
    """Times the commands, next to bare Python and, where it is installed, a no-op `terraform plan`."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with fleet() as lab:
        lab.vmm("up", "--no-wait")
        try:
            actions: dict[str, Callable[[], object]] = {
                "python3 -c pass": lambda: lab.run(sys.executable, "-c", "pass"),
                "vmm --version": lambda: lab.run(sys.executable, "-m", "vmmcompose", "--version"),
                "vmm ps --json": lambda: lab.vmm("ps", "--json"),
                "vmm plan": lambda: lab.vmm("plan", "--detailed-exitcode"),
                "vmm up": lambda: lab.vmm("up", "--no-wait"),
            }
            with terraform() as plan:
                rows = alternating(actions | plan, runs)
        finally:
            lab.vmm(*DOWN)
    report(f"{VMS} VMs, converged", "python3 -c pass", rows)
    if "terraform plan" in rows:
        report("the same, against Terraform", "terraform plan", rows)


@contextmanager
def terraform() -> Iterator[dict[str, Callable[[], object]]]:
    """A no-op `terraform plan` of as many built-in resources, with local state; empty where it is missing."""
    program = shutil.which("terraform")
    if program is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.tf").write_text(
            f'resource "terraform_data" "vm" {{\n  count = {VMS}\n  input = "x"\n}}\n'
        )

        def run(*args: str) -> None:
            subprocess.run([program, f"-chdir={folder}", *args], check=True, capture_output=True)

        run("init")
        run("apply", "-auto-approve")
        yield {"terraform plan": lambda: run("plan", "-input=false")}


if __name__ == "__main__":
    main()
