"""Runs the system's network tools (`ip`, `iptables-save`, `iptables-restore`), each as one short child."""

import os
import subprocess

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.programs import find_program

TIMEOUT_S = 30
"""Far above what any of them takes, `-w 5` included: it only ends a hang."""
_PACKAGES = {"ip": "iproute2"}


def find_tool(program: str) -> str:
    """Path of a network tool.

    Raises:
        HostUnfit: it is not installed.
    """
    found = find_program(program, system=True)
    if not found:
        package = _PACKAGES.get(program, "iptables")
        raise HostUnfit(f"{program} is not installed", hint=f"install the package {package}")
    return found


def run_tool(program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a tool with `text` as its input and returns what it said; a failure is the caller's to judge.

    Raises:
        HostUnfit: it is not installed.
        HostError: it could not be run, or did not end.
    """
    command = [find_tool(program), *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(f"{program} could not be run: {error}") from error
