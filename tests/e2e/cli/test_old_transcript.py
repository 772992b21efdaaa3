"""What baremetalvmm's users type first, line by line, on real guests: docs/from-baremetalvmm.md promises it."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from lab import Lab, missing_for_guests

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A store of its own, for this one is written to."""
    with Lab().own_images() as made:
        yield made


def rows(lab: Lab) -> list[tuple[str, str]]:
    """Name and state of each line that `vmm list` shows."""
    lines = lab.vmm("list").stdout.splitlines()
    head = lines[0].split()
    return [(words[head.index("VM")], words[head.index("STATE")]) for words in map(str.split, lines[1:])]


def test_the_old_tools_basic_usage(lab: Lab) -> None:
    before = lab.traces()
    (lab.root / "code").mkdir()
    (lab.root / "code" / "hello.txt").write_text("first\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.root / "key"], check=True)
    create_start_list(lab)
    address = str(json.loads(lab.vmm("inspect", "myvm").stdout)["spec"]["ip"])
    log_in(lab, address)
    forward_ports(lab)
    sync_a_mount(lab)
    assert json.loads(lab.vmm("inspect", "myvm").stdout)["spec"]["ip"] == address
    assert "<" in lab.get("http://127.0.0.1:8081/"), "a forward outlives stop and start"
    a_second_from_the_firsts_disk(lab)
    # $ vmm delete; vmm list
    assert "vmm stop second" in lab.vmm("delete", "second", code=1).stderr
    lab.vmm("delete", "-f", "second", "myvm")
    assert rows(lab) == []
    lab.vmm("image", "delete", "base")
    assert lab.traces() == before


def create_start_list(lab: Lab) -> None:
    # $ vmm create myvm with all of the old README's options
    done = lab.vmm(
        *("create", "myvm", "--cpus", "2", "--memory", "128", "--disk", "64"),
        *("--ssh-key", f"{lab.root}/key.pub", "--dns", "9.9.9.9", "--dns", "1.1.1.1"),
        *("--image", "tiny", "--kernel", "default", "--mount", f"{lab.root}/code:code:ro"),
    )
    assert done.stdout == "myvm\n"
    assert rows(lab) == [("myvm", "stopped")]
    assert lab.traces()["links"] == ["lo"], "creating writes a record, nothing else"
    # $ vmm start myvm; vmm list
    lab.vmm("start", "myvm")
    assert rows(lab) == [("myvm", "running")]


def log_in(lab: Lab, address: str) -> None:
    # $ vmm ssh myvm -u root
    script = "nproc; df -k / | awk 'END { print ($2 > 50000) }'; cat /etc/resolv.conf /mnt/code/hello.txt"
    said = lab.vmm("ssh", "myvm", "-u", "root", "--", script).stdout
    assert said == "2\n1\nnameserver 9.9.9.9\nnameserver 1.1.1.1\nfirst\n"
    assert lab.vmm("ssh", "myvm", "-u", "root", "exit 42", code=42).stdout == ""
    refused = lab.vmm("ssh", "myvm", "--", "echo x > /mnt/code/hello.txt", code=1)
    assert "Read-only file system" in refused.stderr
    # $ ssh -i key root@address, as the old README offers it
    own = ("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", f"{lab.root}/key")
    pinned = ("-o", f"UserKnownHostsFile={lab.data}/ssh/known_hosts/myvm", "-o", "HostKeyAlias=myvm")
    assert lab.run(*own, *pinned, f"root@{address}", "id -un").stdout == "root\n"


def forward_ports(lab: Lab) -> None:
    # $ vmm port-forward add myvm 8080:80; vmm port-forward list myvm
    lab.vmm("port-forward", "add", "myvm", "8080:80")
    listed = lab.vmm("port-forward", "list", "myvm").stdout
    assert re.search(r"^myvm +\*:8080 +80 +tcp ", listed, re.MULTILINE)
    assert "<" in lab.get("http://127.0.0.1:8080/")
    # $ vmm port-forward remove myvm 8080:80
    lab.vmm("port-forward", "remove", "myvm", "8080:80")
    assert "8080" not in lab.vmm("port-forward", "list", "myvm").stdout
    assert lab.run("curl", "-s", "-m", "5", "http://127.0.0.1:8080/", code=None).returncode == 7
    lab.vmm("port-forward", "add", "myvm", "8081:80")


def sync_a_mount(lab: Lab) -> None:
    # $ vmm mount list myvm
    row = rf"^code +{re.escape(str(lab.root))}/code +ro +none +/mnt/code +"
    assert re.search(row + "as the directory$", lab.vmm("mount", "list", "myvm").stdout, re.MULTILINE)
    (lab.root / "code" / "hello.txt").write_text("second\n")
    assert re.search(row + "the directory has changed", lab.vmm("mount", "list", "myvm").stdout, re.MULTILINE)
    lab.vmm("ssh", "myvm", "--", "echo mine > /root/work; sync")
    # $ vmm stop myvm; vmm mount sync myvm code; vmm start myvm
    lab.vmm("stop", "myvm")
    assert rows(lab) == [("myvm", "stopped")]
    lab.vmm("mount", "sync", "myvm", "code")
    lab.vmm("start", "myvm")
    assert lab.vmm("ssh", "myvm", "--", "cat /mnt/code/hello.txt /root/work").stdout == "second\nmine\n"


def a_second_from_the_firsts_disk(lab: Lab) -> None:
    # $ vmm stop myvm; vmm image snapshot myvm --name base; vmm image list
    lab.vmm("stop", "myvm")
    lab.vmm("image", "snapshot", "myvm", "--name", "base")
    assert re.search(r"^base ", lab.vmm("image", "list").stdout, re.MULTILINE)
    # $ vmm create second --image base; vmm start second; vmm ssh second
    lab.vmm("create", "second", "--image", "base", "--memory", "128", "--ssh-key", f"{lab.root}/key.pub")
    lab.vmm("start", "second")
    said = lab.vmm("ssh", "second", "-u", "root", "--", "cat /root/work /etc/hostname").stdout
    assert said == "mine\nsecond\n"
    assert rows(lab) == [("myvm", "stopped"), ("second", "running")]
