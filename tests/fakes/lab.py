"""A host of its own for one test: a network namespace, a data folder with a kernel and the tiny image, a project.

`vmm` runs there as a user would run it. Whatever the test does, no process and no link outlives it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from namespaces import Namespace

from vmmcompose.host.process import scan, signal_process, wait_gone

STORE = os.environ.get("VMM_TEST_STORE", "")
TIMEOUT_S = 300


def missing_for_guests() -> str:
    """What is missing to boot a guest here; empty when nothing is."""
    if os.geteuid() != 0:
        return "root is missing"
    for tool in ("qemu-system-x86_64", "iptables-save", "mke2fs", "ssh"):
        if shutil.which(tool) is None:
            return f"{tool} is missing"
    if not STORE or not os.path.exists(f"{STORE}/images/rootfs/tiny.ext4"):
        return "VMM_TEST_STORE names no data folder with a kernel and the image tiny (tools/test makes one)"
    return ""


class Lab:
    """One throw-away host with one project."""

    def __init__(self, name: str = "lab") -> None:
        # Short, because a Unix socket's path is limited to 107 bytes.
        self.root = Path(tempfile.mkdtemp(prefix="vmm-lab-"))
        self.data = self.root / "data"
        self.project = self.root / name
        self.project.mkdir()
        self.data.mkdir(mode=0o755)
        if STORE:
            (self.data / "images").symlink_to(Path(STORE) / "images")
        self.net = Namespace()
        self.env: dict[str, str] = {}

    def own_images(self) -> Self:
        """A store of its own with the image tiny, for a test that puts images into it or takes them out."""
        images = self.data / "images"
        images.unlink()
        (images / "rootfs").mkdir(parents=True)
        (images / "kernels").symlink_to(Path(STORE) / "images" / "kernels")
        for name in ("tiny.ext4", "tiny.json"):
            shutil.copyfile(Path(STORE) / "images" / "rootfs" / name, images / "rootfs" / name)
        return self

    def __enter__(self) -> Self:
        self.net.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for found in scan(str(self.data / "sockets")):
            signal_process(found.process, signal.SIGKILL)
            wait_gone(found.process, 10)
        self.net.__exit__()
        shutil.rmtree(self.root)

    def write(self, manifest: str, name: str = "vmm.yaml") -> None:
        """Writes the manifest."""
        (self.project / name).write_text(manifest)

    def command(self, *args: str) -> list[str]:
        """The argv of a `vmm` command here."""
        return [sys.executable, "-m", "vmmcompose", "--data-dir", str(self.data), *args]

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Starts a `vmm` command and does not wait for it."""
        with self.net.inside():
            return subprocess.Popen(
                self.command(*args),
                cwd=self.project,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def vmm(self, *args: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs a `vmm` command; its exit code must be `code` unless that is None."""
        with self.net.inside():
            done = subprocess.run(
                self.command(*args),
                cwd=self.project,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        if code is not None:
            assert done.returncode == code, (
                f"vmm {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def plan(self) -> dict[str, Any]:
        """`vmm plan --json`."""
        value: dict[str, Any] = json.loads(self.vmm("plan", "--json").stdout)
        return value

    def reasons(self, address: str) -> list[str]:
        """What the plan says about one thing, in words."""
        return [
            reason["why"] or f"{reason['field']}: {reason['old']} -> {reason['new']}"
            for change in self.plan()["changes"]
            if change["address"] == address
            for reason in change["reasons"]
        ]

    def record(self, vm: str) -> dict[str, Any]:
        """A VM's record."""
        path = self.data / "vms" / f"{self.project.name}-{vm}.json"
        value: dict[str, Any] = json.loads(path.read_text())
        return value

    def pid(self, vm: str) -> int:
        """The pid in a VM's record."""
        return int(self.record(vm)["process"]["pid"])

    def run(
        self, *command: str, code: int | None = 0, timeout_s: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Runs any command in the namespace."""
        with self.net.inside():
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
        if code is not None:
            assert done.returncode == code, f"{command}: {done.returncode} {done.stdout} {done.stderr}"
        return done

    def get(self, url: str) -> str:
        """Fetches a page from within the namespace."""
        return self.run("curl", "-sS", "--fail", "--max-time", "10", url).stdout

    def traces(self) -> dict[str, Any]:
        """Everything `vmm` could leave on this host: links, rules, switches, processes, files but for images."""
        files = sorted(
            str(path.relative_to(self.data))
            for path in self.data.rglob("*")
            if not path.is_symlink()
            and path.relative_to(self.data).parts[0] not in ("images", "state", "ssh")
            if path.is_file() or path.is_socket()
            if path.parent.name != "logs"  # what was done here is remembered
        )
        rules = self.run("iptables-save").stdout.splitlines()
        return {
            "links": sorted(link["ifname"] for link in json.loads(self.run("ip", "-j", "link").stdout)),
            # Chains of the kernel's own tables appear with the first look at them; counters and dates vary.
            "rules": [
                line for line in rules if line.startswith("-A") or (line.startswith(":") and "VMM" in line)
            ],
            "forwarding": self.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip(),
            "processes": [found.vm_id for found in scan(str(self.data / "sockets"))],
            "files": files,
        }


def eventually(check: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Waits until `check` holds."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
