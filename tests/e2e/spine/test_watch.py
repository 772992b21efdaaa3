"""`vmm watch` on a host: what is saved, killed, deleted and stopped while it looks on."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host
from tiny_kernel import write_tiny_kernel
from watching import Watching, watching

from vmmcompose.host.process import identify

pytestmark = pytest.mark.root


def manifest(port: int = 9100, more: str = "", a: str = "") -> str:
    return f"{DEFAULTS}vms:\n  a: {{ports: ['{port}:80']{a}}}\n  b: {{}}\n{more}"


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        lab.write(manifest())
        yield lab


def alive(lab: Lab, vm: str) -> bool:
    process = lab.record(vm)["process"]  # none while it is started
    return bool(process and identify(process["pid"]))


def kill(lab: Lab, vm: str) -> int:
    os.kill(pid := lab.pid(vm), signal.SIGKILL)
    return pid


def console(lab: Lab, text: str) -> None:
    """What guests print from their next start on."""
    write_tiny_kernel(lab.data / "images" / "kernels" / "default" / "vmlinux", text, obeys=True)


def nothing_differs(lab: Lab) -> bool:
    return lab.vmm("plan", "--detailed-exitcode", code=None).returncode == 0


def test_a_killed_vm_is_back_and_the_other_is_left_alone(host: Lab) -> None:
    with watching(host) as watch:
        other, mark = host.pid("b"), watch.mark()
        old = kill(host, "a")
        ended = watch.until("ended", mark)
        assert host.pid("a") != old
        assert alive(host, "a")
        assert host.pid("b") == other
        assert [change["address"] for change in ended["changes"]] == ["vm/a"]


def test_rules_and_taps_that_somebody_deletes_are_made_anew(host: Lab) -> None:
    with watching(host) as watch:
        mark = watch.mark()
        host.run("iptables", "-F")
        host.run("iptables", "-t", "nat", "-F")
        assert {change["address"] for change in watch.until("ended", mark)["changes"]} == {"network"}
        watch.calm()
        mark = watch.mark()
        host.run("ip", "link", "delete", host.record("b")["spec"]["tap"])
        assert {change["address"] for change in watch.until("ended", mark)["changes"]} == {"vm/b"}
        watch.calm()
        assert nothing_differs(host)


def test_saved_manifests(host: Lab) -> None:
    with watching(host) as watch:
        pid, mark = host.pid("a"), watch.mark()
        host.write(manifest(9101))
        watch.until("ended", mark)
        assert host.record("a")["spec"]["ports"][0]["host"] == 9101
        assert host.pid("a") == pid

        watch.calm()
        mark = watch.mark()
        for number in range(10):
            host.write(manifest(9110 + number))
            time.sleep(0.1)
        watch.until("ended", mark)
        watch.calm()
        assert len([look for look in watch.named("look", mark) if "manifest" in look["detail"]]) == 1
        assert len(watch.named("ended", mark)) == 1
        assert host.record("a")["spec"]["ports"][0]["host"] == 9119

        mark = watch.mark()
        host.write(manifest(9120).replace("ports", "prts"))
        told = watch.until("manifest-invalid", mark)
        assert told["problems"][0]["place"]["line"] == 3
        host.write(manifest(9121).replace("ports", "prts") + "# still\n")
        watch.calm()
        assert not watch.named("plan", mark)
        old = kill(host, "b")
        watch.until("ended", mark)
        assert host.pid("b") != old  # what was good is kept up meanwhile
        mark = watch.mark()
        host.write(manifest(9122))
        watch.until("manifest-good", mark)
        watch.until("ended", mark)
        assert host.record("a")["spec"]["ports"][0]["host"] == 9122
        assert host.pid("a") == pid


def test_a_save_that_means_the_same_changes_nothing(host: Lab) -> None:
    with watching(host) as watch:
        mark = watch.mark()
        host.write(manifest() + "# a comment\n")
        watch.until("look", mark)
        watch.calm()
        assert not watch.named("plan", mark)


def test_all_files_of_a_manifest_count_those_too_that_appear(host: Lab) -> None:
    (host.project / "parts").mkdir()
    host.write("vms: {c: {cpus: '${CPUS:-1}'}}\n", "parts/c.yaml")
    host.write("include: [parts/c.yaml]\n" + manifest())
    with watching(host) as watch:
        mark = watch.mark()
        host.write("CPUS=2\n", "parts/.env")
        watch.until("ended", mark)
        assert host.record("c")["spec"]["cpus"] == 2
        watch.calm()
        mark = watch.mark()
        host.write("vms: {a: {labels: {tier: front}}}\n", "vmm.override.yaml")
        watch.until("ended", mark)
        assert "front" in json.dumps(host.record("a")["spec"]["labels"])
        watch.calm()
        mark = watch.mark()
        (host.project / "vmm.override.yaml").unlink()
        watch.until("ended", mark)
        assert not host.record("a")["spec"]["labels"]


def test_what_is_stopped_paused_or_deleted_by_hand_stays_so_until_it_is_started(host: Lab) -> None:
    with watching(host) as watch:
        host.vmm("stop", "b")
        watch.until("away")
        watch.calm()
        assert host.record("b")["state"] == "stopped"
        mark = watch.mark()
        kill(host, "a")
        watch.until("ended", mark)
        assert host.record("b")["state"] == "stopped"
        host.vmm("start", "b", "--no-wait")
        watch.calm()
        mark, old = watch.mark(), kill(host, "b")
        watch.until("ended", mark)
        assert host.pid("b") != old
        watch.calm()
        mark = watch.mark()
        host.vmm("down")
        watch.calm()
        assert not (host.data / "vms" / "lab-a.json").exists()
        assert not watch.named("plan", mark)
        host.write(manifest(9105))
        watch.until("ended", mark)
        assert alive(host, "a")


def test_restart_policies(host: Lab) -> None:
    host.write(manifest(a=", restart: 'no'", more="  c: {restart: on-failure}\n"))
    with watching(host) as watch:
        mark = watch.mark()
        kill(host, "a")
        assert "restart: no" in watch.until("left", mark)["detail"]
        old = kill(host, "c")
        watch.until("ended", mark)
        assert host.pid("c") != old
        watch.calm()
        assert not alive(host, "a")
        # The console of a guest that shut itself down says so.
        (host.data / "logs" / "lab-c" / "console.log").write_text("[    9.1] reboot: Power down\n")
        mark, old = watch.mark(), kill(host, "c")
        watch.until("left", mark)
        watch.calm()
        assert host.pid("c") == old
        assert [told["vm"] for told in watch.named("left")] == ["a", "c"]


def test_a_vm_that_keeps_crashing_is_told_once_with_its_console(host: Lab) -> None:
    console(host, "[    1.0] Kernel panic - not syncing: no init\n")
    with watching(host) as watch:
        begin, seen = time.monotonic(), host.pid("a")
        while time.monotonic() - begin < 12:
            with suppress(TypeError, ProcessLookupError):  # it is being started
                if alive(host, "a"):
                    seen = kill(host, "a")
            time.sleep(0.05)
        told = watch.named("crashing")
        assert [one["vm"] for one in told] == ["a"]
        assert any("Kernel panic" in line for line in told[0]["lines"])
        assert len(watch.named("plan")) < 8  # and not one for each tenth of a second
        mark = watch.mark()
        host.write(manifest(9130))
        watch.until("plan", mark)
        eventually(lambda: alive(host, "a") and host.pid("a") != seen, "a changed VM is tried at once")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_vms_run_on_when_it_ends(host: Lab, signum: int) -> None:
    with watching(host) as watch:
        assert watch.end(signum) == 0
    assert alive(host, "a")
    assert nothing_differs(host)


def test_down_on_exit(host: Lab) -> None:
    with watching(host, "--down-on-exit") as watch:
        assert alive(host, "a")
        assert watch.end() == 0
    assert host.traces()["processes"] == []
    assert not (host.data / "vms" / "lab-a.json").exists()


def test_once_is_for_scripts(host: Lab) -> None:
    host.vmm("watch", "--once", "--no-wait")
    assert alive(host, "a")
    host.vmm("stop", "a")
    kill(host, "b")
    host.vmm("watch", "--once", "--no-wait")
    assert host.record("a")["state"] == "stopped"
    assert alive(host, "b")
    host.write("vms: {a: {imag: x}}\n")
    host.vmm("watch", "--once", code=65)


def test_up_watch_brings_up_what_was_stopped_and_shows_the_consoles(host: Lab) -> None:
    console(host, "hello from the guest\n")
    host.vmm("up", "--no-wait")
    host.vmm("stop", "a")
    process = host.start("up", "--no-wait", "--watch")
    watch = Watching(host, process)
    try:
        eventually(lambda: any("watching project" in line for line in watch.other), "it watches")
        assert alive(host, "a")
        kill(host, "b")
        eventually(lambda: any("b | hello" in line for line in watch.other), f"consoles: {watch.other}")
    finally:
        assert watch.end() == 0


def test_changes_that_lose_data_are_refused_and_the_rest_is_kept_up(host: Lab) -> None:
    with watching(host) as watch:
        mark, pid = watch.mark(), host.pid("a")
        host.write(manifest(a=", image: other"))
        assert "data would be lost" in watch.until("failed", mark)["detail"]
        old = kill(host, "b")
        watch.until("ended", mark)
        assert host.pid("b") != old
        assert host.pid("a") == pid
        watch.calm()
        assert len(watch.named("failed", mark)) == 1
        host.write(manifest())
        watch.until("recovered", mark)


def test_an_image_made_anew_is_told_once(host: Lab) -> None:
    with watching(host) as watch:
        about = host.data / "images" / "rootfs" / "small.json"
        value = {**json.loads(about.read_text()), "sha256": "1"}
        new = about.with_suffix(".new")
        new.write_text(json.dumps(value))
        new.replace(about)
        watch.until("image")
        watch.calm(2)
        assert sorted(told["vm"] for told in watch.named("image")) == ["a", "b"]


def test_a_service_manager_is_told(host: Lab) -> None:
    path = host.root / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        host.env["NOTIFY_SOCKET"] = str(path)
        with watching(host) as watch:
            first = manager.recv(4096).decode()
            assert "READY=1" in first
            assert "STATUS=2 VMs, as the manifest says" in first
            assert watch.end(signal.SIGTERM) == 0
        last = first
        while "STOPPING" not in last:
            last = manager.recv(4096).decode()
