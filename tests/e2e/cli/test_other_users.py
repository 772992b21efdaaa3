"""Two users of one host: Ada, who calls vmm through sudo, and what she and a stranger see without it."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lab import Lab
from other_user import skip_unless_others_can_run
from sudo_user import UID, SudoUser

pytestmark = [pytest.mark.root, pytest.mark.guest]

SETTINGS = {
    "vm_defaults": {
        "image": "tiny",
        "memory_mb": 128,
        "disk_size_mb": 64,
        "ssh_key_path": "~/.ssh/id_ed25519.pub",
    }
}


@dataclass
class Host:
    """A host with Ada's project on it."""

    lab: Lab
    ada: SudoUser

    def run(self, *command: str, code: int = 0, **env: str) -> str:
        """What a command prints, run in the project's folder with Ada known to the host."""
        with self.lab.net.inside():
            done = self.ada.run(*command, cwd=self.lab.project, env=env)
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + (done.stderr if code else "")

    def sudo_vmm(self, *args: str, code: int = 0) -> str:
        """`sudo vmm …`, called by Ada."""
        return self.run(*self.lab.command(*args), code=code)

    def vmm(self, *args: str, uid: int = UID, code: int = 0) -> str:
        """`vmm …` without sudo."""
        home = str(self.ada.home) if uid == UID else "/nonexistent"
        user = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
        return self.run(*user, *self.lab.command(*args), code=code, HOME=home, SUDO_USER="", SUDO_UID="")


@pytest.fixture(scope="module")
def host(shared_lab: Lab) -> Iterator[Host]:
    skip_unless_others_can_run()
    shared_lab.root.chmod(0o755)
    shared_lab.write("name: lab\nvms: {web: }\n")
    with SudoUser() as ada:
        ada.write(".config/vmm/config.json", json.dumps(SETTINGS), mode=0o600)
        key = ada.home / ".ssh" / "id_ed25519"
        key.parent.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", key], check=True)
        for path in (key.parent, key, key.with_name("id_ed25519.pub")):
            os.chown(path, UID, UID)
        host = Host(shared_lab, ada)
        host.sudo_vmm("up")
        yield host
        host.sudo_vmm("down")


def test_under_sudo_the_invoking_users_settings_and_keys_count(host: Host) -> None:
    spec = host.lab.record("web")["spec"]
    assert (spec["image"], spec["memory_mib"], spec["disk_mib"]) == ("tiny", 128, 64)
    assert spec["ssh_keys"] == [(host.ada.home / ".ssh" / "id_ed25519.pub").read_text().strip()]
    assert json.loads(host.sudo_vmm("plan", "--json"))["changes"] == []


def test_sudo_vmm_start_of_a_single_vm_lets_the_invoking_user_in(host: Host) -> None:
    host.sudo_vmm("create", "solo")
    host.sudo_vmm("start", "solo")
    try:
        assert host.vmm("ssh", "solo", "--", "hostname") == "solo\n"
        states = {row["name"]: row["state"] for row in json.loads(host.vmm("list", "--json"))["vms"]}
        assert states == {"lab-web": "running", "solo": "running"}
    finally:
        host.sudo_vmm("delete", "--force", "solo")


@pytest.mark.parametrize("uid", [UID, 65534])
def test_others_see_roots_vm_run(host: Host, uid: int) -> None:
    (row,) = json.loads(host.vmm("list", "--json", uid=uid))["vms"]
    assert (row["vm"], row["state"], row["pid"]) == ("web", "running", host.lab.pid("web"))
    assert row["uptime_s"] is not None
    assert " running " in host.vmm("list", uid=uid)


def test_whose_key_is_in_the_guest_logs_in_without_root(host: Host) -> None:
    assert host.vmm("exec", "web", "--", "sh", "-c", "id -u; hostname") == "0\nweb\n"
    host.vmm("exec", "web", "--", "sh", "-c", "exit 7", code=7)
    host.vmm("cp", "web:/etc/hostname", f"{host.ada.home}/name")
    assert (host.ada.home / "name").read_text() == "web\n"
    assert (host.ada.home / "name").stat().st_uid == UID


def test_under_sudo_the_managed_key_and_hers_are_tried(host: Host) -> None:
    assert host.sudo_vmm("exec", "web", "--", "hostname") == "web\n"
    (host.lab.data / "ssh" / "id_ed25519").rename(host.lab.data / "ssh" / "away")
    try:
        assert host.sudo_vmm("exec", "web", "--", "hostname") == "web\n"
    finally:
        (host.lab.data / "ssh" / "away").rename(host.lab.data / "ssh" / "id_ed25519")


def test_without_a_key_or_root_the_message_says_what_to_do(host: Host) -> None:
    said = host.vmm("exec", "web", "--", "true", uid=65534, code=69)
    assert "no key to log in with" in said
    assert "run it with sudo" in said
    assert "needs root" in host.vmm("stop", code=69)


def test_the_guests_key_is_verified_for_everybody(host: Host) -> None:
    known = host.lab.data / "ssh" / "known_hosts" / "lab-web"
    right = known.read_text()
    other = host.ada.root / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    known.write_text(f"lab-web {' '.join(other.with_name('other.pub').read_text().split()[:2])}\n")
    try:
        assert "verification failed" in host.vmm("exec", "web", "--", "true", code=255)
    finally:
        known.write_text(right)
