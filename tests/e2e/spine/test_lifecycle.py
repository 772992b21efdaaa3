"""From a manifest to running VMs, through every class of change, and back to a clean host."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from lab import Lab, eventually
from namespaces import Namespace

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = """
defaults: {image: tiny, memory: 128MiB, disk: 64MiB}
vms:
  db:
    healthcheck: {tcp: 22, timeout: 60s}
  web:
    mounts: ["./site:site:ro", "./data:data:rw"]
    ports: ["8080:80"]
    depends_on: {db: {condition: healthy}}
    env: {GREETING: "good day, it's $$5"}
    files:
      - {path: /etc/motd, content: "welcome\\n"}
"""


@pytest.fixture(scope="module")
def up(shared_lab: Lab) -> Iterator[Lab]:
    lab = shared_lab
    for folder, text in (("site", "a page\n"), ("data", "some data\n")):
        (lab.project / folder).mkdir()
        (lab.project / folder / "index.html").write_text(text)
    lab.write(MANIFEST)
    lab.vmm("up")
    yield lab
    lab.vmm("down")


def in_guest(lab: Lab, script: str, vm: str = "web") -> str:
    return lab.vmm("exec", vm, "--", "sh", "-c", script).stdout.strip()


def test_a_second_up_changes_nothing_and_says_so(up: Lab) -> None:
    before = (up.pid("web"), up.pid("db"), up.traces())
    done = up.vmm("up")
    assert "othing to do" in done.stdout + done.stderr
    assert (up.pid("web"), up.pid("db"), up.traces()) == before
    up.vmm("plan", "--detailed-exitcode", code=0)


def test_the_guest_has_what_the_manifest_says(up: Lab) -> None:
    assert in_guest(up, "hostname") == "web"
    assert in_guest(up, "cat /mnt/site/index.html /mnt/data/index.html") == "a page\nsome data"
    assert in_guest(up, "cat /etc/motd") == "welcome"
    assert in_guest(up, 'echo "$GREETING"') == "good day, it's $5"
    assert in_guest(up, "touch /mnt/data/new && echo written") == "written"
    up.vmm("exec", "web", "--", "touch", "/mnt/site/new", code=1)
    assert re.fullmatch("[0-9a-f]{32}", in_guest(up, "cat /etc/machine-id"))


def test_vms_reach_each_other_by_name(up: Lab) -> None:
    assert in_guest(up, "wget -qO- http://db/ >/dev/null && echo reached") == "reached"
    assert in_guest(up, "ping -c1 -W5 web.lab >/dev/null && echo reached", "db") == "reached"


def test_the_exit_code_of_a_remote_command_is_kept(up: Lab) -> None:
    assert up.vmm("exec", "web", "--", "sh", "-c", "exit 37", code=37).stdout == ""
    assert up.vmm("exec", "web", "--", "printf", "%s|", "a b", "$HOME", "'").stdout == "a b|$HOME|'|"


def test_the_forward_works_from_localhost_and_from_outside(up: Lab) -> None:
    assert up.get("http://127.0.0.1:8080/") == "a page\n"
    with Namespace() as outside:
        up.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", outside.path)
        try:
            up.run("ip", "addr", "add", "192.0.2.1/24", "dev", "up0")
            up.run("ip", "link", "set", "up0", "up")
            outside.run("ip", "addr", "add", "192.0.2.2/24", "dev", "up1")
            outside.run("ip", "link", "set", "up1", "up")
            page = outside.run("curl", "-sS", "--max-time", "10", "http://192.0.2.1:8080/")
            assert page == "a page\n"
        finally:
            up.run("ip", "link", "delete", "up0")


def test_comments_and_order_cost_nothing(up: Lab) -> None:
    text = MANIFEST.replace(
        '["./site:site:ro", "./data:data:rw"]', '["./data:data:rw", "./site:site:ro"] # swapped'
    )
    up.write("# a comment\n" + text.replace("vms:\n", "\nvms:\n\n"))
    assert up.plan()["changes"] == []
    up.write(MANIFEST)


def test_ports_change_live_under_a_running_ssh_connection(up: Lab) -> None:
    pid = up.pid("web")
    session = up.start(
        "exec", "web", "--", "sh", "-c", "echo begun; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo done"
    )
    assert session.stdout is not None
    assert session.stdout.readline() == "begun\n"
    up.write(MANIFEST.replace('["8080:80"]', '["8081:80", "127.0.0.1:2222:22"]'))
    assert [(change["address"], change["kind"]) for change in up.plan()["changes"]] == [("vm/web", "update")]
    up.vmm("up")
    assert up.pid("web") == pid
    assert up.get("http://127.0.0.1:8081/") == "a page\n"
    assert up.run("curl", "-sS", "--max-time", "5", "http://127.0.0.1:8080/", code=None).returncode != 0
    in_guest(up, "touch /tmp/end")
    assert session.communicate(timeout=30)[0] == "done\n"
    assert session.returncode == 0
    up.write(MANIFEST)
    up.vmm("up")
    assert up.pid("web") == pid


def test_cpus_restart_and_keep_the_disk(up: Lab) -> None:
    in_guest(up, "echo kept > /root/note && sync")
    up.write(MANIFEST.replace("    env:", "    cpus: 2\n    env:"))
    shown = up.vmm("plan", "--detailed-exitcode", code=2).stdout
    assert "cpus: 1 -> 2" in shown
    assert "restart" in shown
    up.vmm("up")
    assert in_guest(up, "nproc; cat /root/note") == "2\nkept"
    up.write(MANIFEST)
    up.vmm("up")


def test_another_image_is_refused_without_a_word_about_the_data(up: Lab) -> None:
    in_guest(up, "echo kept > /root/note && sync", "db")
    other = up.root / "other.ext4"
    other.write_bytes((up.data / "images" / "rootfs" / "tiny.ext4").read_bytes())
    up.write(MANIFEST.replace("  db:\n", f"  db:\n    image: {other}\n"))
    pid = up.pid("db")
    refused = up.vmm("up", code=1)
    assert "--allow-data-loss" in refused.stderr
    assert up.pid("db") == pid
    up.vmm("up", "--allow-data-loss")
    up.vmm("exec", "db", "--", "test", "-e", "/root/note", code=1)
    up.write(MANIFEST)
    up.vmm("up", "--allow-data-loss")


def test_a_new_vm_is_known_to_the_old_ones_without_a_restart(up: Lab) -> None:
    pid = up.pid("web")
    up.write(MANIFEST + "  cache: {}\n")
    up.vmm("up")
    assert up.pid("web") == pid
    assert in_guest(up, "ping -c1 -W5 cache >/dev/null && echo reached") == "reached"
    up.write(MANIFEST)
    assert "--remove-orphans" in (up.vmm("plan").stdout + up.vmm("plan").stderr)
    up.vmm("up", "--remove-orphans")
    assert up.pid("web") == pid
    assert "cache" not in in_guest(up, "cat /etc/hosts")


def test_stop_and_start_keep_disk_and_address(up: Lab) -> None:
    address = up.record("db")["spec"]["ip"]
    in_guest(up, "echo kept > /root/note && sync", "db")
    up.vmm("stop", "db")
    assert up.record("db")["state"] == "stopped"
    assert up.record("db")["spec"]["tap"] not in up.traces()["links"]
    up.vmm("start", "db")
    assert in_guest(up, "cat /root/note", "db") == "kept"
    assert up.record("db")["spec"]["ip"] == address
    assert up.plan()["changes"] == []


def test_ps_and_inspect_speak_json(up: Lab) -> None:
    listed = json.loads(up.vmm("ps", "--json").stdout)
    assert listed["schema_version"] == 1
    assert {vm["vm"]: vm["state"] for vm in listed["vms"]} == {"db": "running", "web": "running"}
    assert json.loads(up.vmm("inspect", "web").stdout)


def test_down_leaves_nothing_and_touches_nothing_foreign(lab: Lab) -> None:
    lab.write("vms: {one: {image: tiny, memory: 128MiB, disk: 64MiB, ports: ['7000:80']}}")
    lab.run("ip", "link", "add", "br-other", "type", "bridge")
    lab.run("ip", "tuntap", "add", "tap-other", "mode", "tap")
    lab.run("iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "1234", "-j", "ACCEPT")
    lab.run(
        "iptables",
        "-t",
        "nat",
        "-A",
        "PREROUTING",
        "-p",
        "tcp",
        "--dport",
        "99",
        "-j",
        "REDIRECT",
        "--to-port",
        "98",
    )
    before = lab.traces()
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        lab.vmm("up")
        eventually(lambda: "vmm-br0" in lab.traces()["links"], "the bridge is there")
        lab.vmm("down")
        assert lab.traces() == before
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
