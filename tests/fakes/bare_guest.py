"""A guest started by hand, without any of vmm's drivers: an image and a kernel must boot with plain QEMU.

It has user-mode networking that reaches nothing but two ports forwarded from the host's loopback.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from vmmcompose.guest.entries import GuestEntry, folder
from vmmcompose.host import ext4
from vmmcompose.model.observed import Image, Kernel

BOOT_S = 120
"""How long a guest may take to answer; emulated, on a busy machine."""
HOSTNAME = "web"
TOOLS = ("qemu-system-x86_64", "ssh", "ssh-keygen", "apt-get", "dpkg-deb", "mke2fs", "lz4", "xz")


def missing() -> str:
    """What is missing to build and boot a guest here; empty when nothing is."""
    if os.geteuid() != 0:
        return "root is missing"
    return next((f"{tool} is missing" for tool in TOOLS if shutil.which(tool) is None), "")


class BareGuest:
    """One guest with a disk copied from an image, files in it, and a second disk with the label `site`."""

    def __init__(self, image: Image, kernel: Kernel, *, memory_mib: int = 256) -> None:
        self.work = work = Path(tempfile.mkdtemp(prefix="vmm-guest-"))
        self.kernel = kernel
        self.memory_mib = memory_mib
        self.disk = work / "root.ext4"
        self.site = work / "site.ext4"
        self.console_file = work / "console.log"
        self.ssh_port, self.web_port = _free_port(), _free_port()
        subprocess.run(["cp", "--sparse=always", image.path, self.disk], check=True)
        for name in ("user", "host", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / name], check=True)
        host_public = " ".join((work / "host.pub").read_text().split()[:2])
        (work / "known_hosts").write_text(f"[127.0.0.1]:{self.ssh_port} {host_public}\n")
        (work / "tree").mkdir()
        (work / "tree/index.html").write_text("a page of the mount\n")
        ext4.make_image(work / "tree", self.site, label="site", size_mib=4, read_only=True)
        ext4.write_files(self.disk, self._files())
        self.process: subprocess.Popen[bytes] | None = None

    def _files(self) -> list[GuestEntry]:
        return [
            GuestEntry("/etc/hostname", f"{HOSTNAME}\n".encode()),
            GuestEntry("/etc/hosts", b"127.0.0.1 localhost\n10.0.2.15 web web.shop\n10.0.2.99 db db.shop\n"),
            GuestEntry("/etc/resolv.conf", b"nameserver 192.0.2.53\n"),
            GuestEntry("/etc/fstab", b"# a comment\nLABEL=site /mnt/site ext4 ro,noatime,nofail 0 0\n"),
            GuestEntry("/etc/environment", b'COLOR="dark red"\n'),
            GuestEntry("/etc/profile.d/vmm.sh", b"export COLOR='dark red'\n"),
            GuestEntry("/etc/ssh/ssh_host_ed25519_key", (self.work / "host").read_bytes(), 0o600),
            folder("/root/.ssh", 0o700),
            GuestEntry("/root/.ssh/authorized_keys", (self.work / "user.pub").read_bytes(), 0o600),
            folder("/mnt/site"),
        ]

    def start(self, *, root: str = "/dev/vda", kernel_file: str = "") -> Self:
        """Starts it and does not wait."""
        forwards = f"hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22,hostfwd=tcp:127.0.0.1:{self.web_port}-:80"
        address = f"ip=10.0.2.15::10.0.2.2:255.255.255.0:{HOSTNAME}:eth0:off"
        argv = ["qemu-system-x86_64", "-M", "q35,sata=off,smbus=off,usb=off", "-accel", "tcg,thread=multi"]
        argv += ["-cpu", "max", "-m", str(self.memory_mib), "-nodefaults", "-no-user-config"]
        argv += ["-display", "none", "-no-reboot", "-kernel", kernel_file or self.kernel.bzimage]
        argv += ["-initrd", self.kernel.initrd, "-serial", f"file:{self.console_file}"]
        argv += ["-append", f"console=ttyS0 root={root} rw {address} net.ifnames=0"]
        argv += [
            "-drive",
            f"id=root,if=none,format=raw,file={self.disk}",
            "-device",
            "virtio-blk-pci,drive=root",
        ]
        site = f"id=site,if=none,format=raw,readonly=on,file={self.site}"
        argv += ["-drive", site, "-device", "virtio-blk-pci,drive=site"]
        argv += ["-netdev", f"user,id=net,restrict=on,{forwards}"]
        argv += ["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"]
        argv += ["-qmp", f"unix:{self.work}/qmp,server=on,wait=off"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.work)

    def console(self) -> str:
        """What the guest has printed."""
        return self.console_file.read_text(errors="replace") if self.console_file.exists() else ""

    def wait_for_ssh(self) -> Self:
        """Waits until the guest's SSH server greets."""
        deadline = time.monotonic() + BOOT_S
        # QEMU accepts before the guest does, and what it cannot deliver is lost: a new connection each time,
        # with more patience each time, because a slow server takes a while for its greeting.
        patience = 0.3
        while not self._greets(patience):
            assert self.process is not None
            assert self.process.poll() is None, f"the VMM ended\n{self.console()}"
            assert time.monotonic() < deadline, f"no SSH server within {BOOT_S} s\n{self.console()}"
            patience = min(5.0, patience * 1.1)
        return self

    def _greets(self, patience_s: float) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.ssh_port), patience_s) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            time.sleep(0.05)
            return False

    def ssh(
        self, command: str, *, key: str = "user", stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command as root; the host key must be the one put on the disk."""
        options = ["-F", "none", "-i", str(self.work / key), "-p", str(self.ssh_port)]
        checked = ("BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "ConnectTimeout=60")
        for option in (*checked, f"UserKnownHostsFile={self.work / 'known_hosts'}"):
            options += ["-o", option]
        argv = ["ssh", *options, "root@127.0.0.1", command]
        return subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=BOOT_S)

    def says(self, command: str) -> str:
        """What a command prints in the guest; it must succeed."""
        done = self.ssh(command)
        assert done.returncode == 0, f"{command}: {done.returncode} {done.stderr.decode()}\n{self.console()}"
        return done.stdout.decode().strip()

    def press_ctrl_alt_delete(self) -> None:
        """Presses the keys."""
        keys = [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]
        self._qmp({"execute": "send-key", "arguments": {"keys": keys}})

    def press_power_button(self) -> None:
        """Presses the ACPI power button."""
        self._qmp({"execute": "system_powerdown"})

    def _qmp(self, request: dict[str, object]) -> None:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(30)
            control.connect(str(self.work / "qmp"))
            stream = control.makefile("rw")
            for message in ({"execute": "qmp_capabilities"}, request):
                stream.write(json.dumps(message) + "\n")
                stream.flush()
            answers = [json.loads(stream.readline()) for _ in range(3)]
            assert all("error" not in answer for answer in answers), answers

    def wait_for_end(self) -> None:
        """Waits until the VMM has ended; the disk must be sound and its journal empty."""
        assert self.process is not None
        assert self.process.wait(BOOT_S) == 0
        done = subprocess.run(["e2fsck", "-fn", self.disk], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert "recover" not in done.stdout + done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
