"""How quick the command line is when there is nothing to do: fifty VMs, everything converged.

python benchmarks/cli.py [RUNS]
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scene import DOWN, VMS, fleet, report, timed


def main() -> None:
    """Times the commands, next to bare Python and, where it is installed, a no-op `terraform plan`."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with fleet() as lab:
        lab.vmm("up", "--no-wait")
        try:
            rows = {
                "python3 -c pass": timed(lambda: lab.run(sys.executable, "-c", "pass"), runs),
                "vmm --version": timed(
                    lambda: lab.run(sys.executable, "-m", "vmmcompose", "--version"), runs
                ),
                "vmm ps --json": timed(lambda: lab.vmm("ps", "--json"), runs),
                "vmm plan": timed(lambda: lab.vmm("plan", "--detailed-exitcode"), runs),
                "vmm up": timed(lambda: lab.vmm("up", "--no-wait"), runs),
            }
            rows |= terraform(runs)
        finally:
            lab.vmm(*DOWN)
    report(f"{VMS} VMs, converged", "python3 -c pass", rows)
    if "terraform plan" in rows:
        report("the same, against Terraform", "terraform plan", rows)


def terraform(runs: int) -> dict[str, list[float]]:
    """A no-op `terraform plan` of as many built-in resources, with local state; empty where it is missing."""
    program = shutil.which("terraform")
    if program is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.tf").write_text(
            f'resource "terraform_data" "vm" {{\n  count = {VMS}\n  input = "x"\n}}\n'
        )

        def run(*args: str) -> None:
            subprocess.run([program, f"-chdir={folder}", *args], check=True, capture_output=True)

        run("init")
        run("apply", "-auto-approve")
        return {"terraform plan": timed(lambda: run("plan", "-input=false"), runs)}


if __name__ == "__main__":
    main()
