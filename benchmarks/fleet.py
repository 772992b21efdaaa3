"""Fifty VMs up, planned and down, each next to the raw cost of the same copies, processes, TAPs and rules.

    python benchmarks/fleet.py [RUNS]

The flat script does what the host has to do in any case and nothing else: no records, no plan, no checks.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from scene import DOWN, VMS, Lab, fleet, report


def main() -> None:
    """Times both ways in turn and compares what is left afterwards with what was there before."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rows: dict[str, list[float]] = {name: [] for name in ("flat up", "vmm up --no-wait", "vmm plan")}
    rows |= {"flat down": [], "vmm down": []}
    for _ in range(runs):
        with fleet() as lab:
            before = lab.traces()
            rows["vmm up --no-wait"].append(_seconds(lambda: lab.vmm("up", "--no-wait")))
            rows["vmm plan"].append(_seconds(lambda: lab.vmm("plan", "--detailed-exitcode")))
            rows["vmm down"].append(_seconds(lambda: lab.vmm(*DOWN)))
            assert lab.traces() == before, "something was left"
            flat = Flat(lab)
            try:
                rows["flat up"].append(_seconds(flat.up))
            finally:
                rows["flat down"].append(_seconds(flat.down))
    report(
        f"{VMS} VMs up", "flat up", {name: rows[name] for name in ("flat up", "vmm up --no-wait", "vmm plan")}
    )
    report(f"{VMS} VMs down", "flat down", {name: rows[name] for name in ("flat down", "vmm down")})


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


class Flat:
    """The same copies, processes, TAPs and rules, one after the other."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = lab.root / "flat"
        self.processes: list[subprocess.Popen[bytes]] = []

    def up(self) -> None:
        """Copies, TAPs, rules, processes."""
        self.folder.mkdir()
        image = self.lab.data / "images" / "rootfs" / "small.ext4"
        for i in range(VMS):
            disk = self.folder / f"{i}.ext4"
            subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(image), str(disk)], check=True)
            os.truncate(disk, 32 * 2**20)
        batch = ["link add flat0 type bridge", "addr add 172.31.0.1/16 dev flat0", "link set flat0 up"]
        for i in range(VMS):
            batch += [
                f"tuntap add t{i} mode tap vnet_hdr",
                f"link set t{i} master flat0",
                f"link set t{i} up",
            ]
        self._feed(["ip", "-batch", "-"], batch)
        rules = [
            f"-A PREROUTING -p tcp --dport {9000 + i} -j DNAT --to 172.31.0.{i + 2}:80" for i in range(VMS)
        ]
        self._feed(["iptables-restore", "--noflush"], ["*nat", *rules, "COMMIT"])
        for i in range(VMS):
            self._start(i)

    def down(self) -> None:
        """Ends and deletes all of it."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        self._feed(["ip", "-batch", "-"], [f"link delete t{i}" for i in range(VMS)] + ["link delete flat0"])
        self.lab.run("iptables", "-t", "nat", "-F")
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def _feed(self, command: list[str], lines: list[str]) -> None:
        with self.lab.net.inside():
            subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True)

    def _start(self, i: int) -> None:
        path = self.folder / f"{i}.sock"
        with self.lab.net.inside():
            process = subprocess.Popen(
                [self.lab.env["VMM_FIRECRACKER"], "--api-sock", str(path), "--id", f"flat-{i}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.processes.append(process)
        kernel = self.lab.data / "images" / "kernels" / "default" / "vmlinux"
        drive = {"drive_id": "root", "path_on_host": str(self.folder / f"{i}.ext4"), "is_root_device": True}
        requests: list[tuple[str, dict[str, object]]] = [
            ("machine-config", {"vcpu_count": 1, "mem_size_mib": 128}),
            ("boot-source", {"kernel_image_path": str(kernel), "boot_args": "console=ttyS0"}),
            ("drives/root", {**drive, "is_read_only": False}),
            ("network-interfaces/eth0", {"iface_id": "eth0", "host_dev_name": f"t{i}"}),
            ("actions", {"action_type": "InstanceStart"}),
        ]
        with socket.socket(socket.AF_UNIX) as connection:
            while connection.connect_ex(str(path)) != 0:
                time.sleep(0.0005)
            for name, body in requests:
                _put(connection, name, json.dumps(body))


def _put(connection: socket.socket, name: str, body: str) -> None:
    head = f"PUT /{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall((head + body).encode())
    answer = connection.recv(4096)
    assert b" 204 " in answer.split(b"\r\n")[0], answer


if __name__ == "__main__":
    main()
