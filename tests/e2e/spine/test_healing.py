"""What is damaged by hand between two `vmm up` is named by `vmm plan` and mended by `vmm up`."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from lab import Lab, eventually
from namespaces import Namespace

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = """
vms:
  web:
    image: tiny
    memory: 128MiB
    disk: 64MiB
    mounts: ["./site:site:ro"]
    ports: ["8080:80"]
"""


@pytest.fixture(scope="module")
def healthy(shared_lab: Lab) -> Iterator[Lab]:
    (shared_lab.project / "site").mkdir()
    (shared_lab.project / "site" / "index.html").write_text("hello\n")
    shared_lab.write(MANIFEST)
    shared_lab.vmm("up")
    yield shared_lab
    shared_lab.vmm("down")


def kill(lab: Lab) -> None:
    os.kill(lab.pid("web"), signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{lab.pid('web')}/exe"), "the killed process is gone")


def delete_tap(lab: Lab) -> None:
    lab.run("ip", "link", "delete", lab.record("web")["spec"]["tap"])


def delete_bridge(lab: Lab) -> None:
    lab.run("ip", "link", "delete", "vmm-br0")


def flush_filter(lab: Lab) -> None:
    lab.run("iptables", "-F")


def flush_nat(lab: Lab) -> None:
    lab.run("iptables", "-t", "nat", "-F")


def half_a_copy(lab: Lab) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    (lab.data / "vms" / "lab-web" / f"root.ext4.tmp.{child}").write_bytes(b"half")


def delete_record(lab: Lab) -> None:
    (lab.data / "vms" / "lab-web.json").unlink()


def reboot(lab: Lab) -> None:
    """The namespace goes with everything in it; the guest does not survive either."""
    kill(lab)
    lab.net.__exit__()
    lab.net = Namespace()
    lab.net.__enter__()


DAMAGES: list[tuple[Callable[[Lab], None], str, str]] = [
    (kill, "vm/web", "is gone"),
    (delete_tap, "vm/web", "TAP"),
    (delete_bridge, "network", "bridge vmm-br0 missing"),
    (flush_filter, "network", "VMM-FWD"),
    (flush_nat, "network", "forward 8080->"),
    (half_a_copy, "files", "root.ext4.tmp."),
    (delete_record, "vm/web", "without a record"),
    (reboot, "vm/web", "is gone"),
]


@pytest.mark.parametrize(("damage", "address", "words"), DAMAGES, ids=[case[0].__name__ for case in DAMAGES])
def test_damage_is_named_and_mended(
    healthy: Lab, damage: Callable[[Lab], None], address: str, words: str
) -> None:
    kept = f"kept through {damage.__name__}"
    healthy.vmm("exec", "web", "--", "sh", "-c", f"echo '{kept}' > /root/note; sync")
    damage(healthy)
    assert any(words in reason for reason in healthy.reasons(address)), healthy.plan()
    assert healthy.vmm("plan", "--detailed-exitcode", code=2)
    healthy.vmm("up")
    assert healthy.plan()["changes"] == []
    assert healthy.get("http://127.0.0.1:8080/") == "hello\n"
    assert healthy.vmm("exec", "web", "--", "cat", "/root/note").stdout.strip() == kept
    assert "root.ext4.tmp" not in " ".join(healthy.traces()["files"])
