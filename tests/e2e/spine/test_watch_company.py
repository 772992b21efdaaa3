"""`vmm watch` beside others: a second one, consoles that begin anew, and somebody who takes away what it stands on."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host
from tiny_kernel import write_tiny_kernel
from watching import Watching, watching

from vmmcompose.host.process import identify
from vmmcompose.watch.loop import BLIND_TIMER_S

pytestmark = pytest.mark.root


def manifest(port: int = 9100) -> str:
    return f"{DEFAULTS}vms:\n  a: {{ports: ['{port}:80']}}\n  b: {{}}\n"


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        lab.write(manifest())
        yield lab


def kill(lab: Lab, vm: str) -> int:
    os.kill(pid := lab.pid(vm), signal.SIGKILL)
    return pid


def test_two_of_one_project_do_the_same_once(host: Lab) -> None:
    with watching(host) as first, watching(host) as second:
        marks = first.mark(), second.mark()
        old, other = kill(host, "a"), host.pid("b")
        eventually(lambda: (host.record("a")["process"] or {}).get("pid", old) != old, "it runs again")
        host.write(manifest(9144))
        eventually(lambda: host.record("a")["spec"]["ports"][0]["host"] == 9144, "the save is applied")
        first.calm(2)
        second.calm(2)
        ended = [*first.named("ended", marks[0]), *second.named("ended", marks[1])]
        assert len(ended) == 2  # one for the death, one for the save
        assert not first.named("failed") + second.named("failed")
        assert host.pid("b") == other
        assert second.end() == 0
        mark, old = first.mark(), kill(host, "a")
        first.until("ended", mark)
        assert host.pid("a") != old


def test_a_manifest_and_its_folder_that_are_away_for_a_while(host: Lab) -> None:
    with watching(host) as watch:
        pids = host.pid("a"), host.pid("b")
        for path in (host.project / "vmm.yaml", host.project):
            mark, aside = watch.mark(), path.with_name("aside")
            path.rename(aside)
            assert "there is no manifest" in watch.until("manifest-invalid", mark)["detail"]
            watch.calm()
            aside.rename(path)
            watch.until("manifest-good", mark)
            watch.calm()
            assert not watch.named("plan", mark)
            mark = watch.mark()
            host.write(manifest(9150 + mark % 40))
            watch.until("ended", mark)
            watch.calm()
        assert (host.pid("a"), host.pid("b")) == pids


def test_records_that_are_deleted_under_it_are_told_and_nothing_is_started_twice(host: Lab) -> None:
    with watching(host) as watch:
        pids = host.pid("a"), host.pid("b")
        for record in (host.data / "vms").glob("*.json"):
            record.unlink()
        watch.until("away")
        watch.calm(2)
        assert watch.process.poll() is None
        assert all(identify(pid) for pid in pids)
        host.vmm("up", "--no-wait")
        watch.calm()
        mark = watch.mark()
        host.write(manifest(9160))
        watch.until("ended", mark)
        assert watch.end() == 0


def test_the_consoles_of_all_vms_carry_names_also_when_one_begins_anew(host: Lab) -> None:
    kernel = host.data / "images" / "kernels" / "default" / "vmlinux"
    write_tiny_kernel(kernel, "hello\n", obeys=True)
    host.vmm("up", "--no-wait")
    follow = Watching(host, host.start("logs", "-f"))
    watch = Watching(host, host.start("up", "--no-wait", "--watch"))
    try:
        eventually(lambda: {"a | hello\n", "b | hello\n"} <= set(follow.other), "both consoles")
        eventually(lambda: any("watching project" in line for line in watch.other), "it watches")
        write_tiny_kernel(kernel, "once more\n", obeys=True)
        kill(host, "b")
        for shown in (follow, watch):
            eventually(lambda shown=shown: "b | once more\n" in shown.other, f"anew: {shown.other}")  # type: ignore[misc]
        lines = [line for line in follow.other if "hello" in line or "once" in line]
        assert "\x1b" not in "".join(follow.other + watch.other)  # a pipe has no colours
        assert sorted(lines) == ["a | hello\n", "b | hello\n", "b | once more\n"]
    finally:
        watch.end()
        follow.end()


def test_names_have_colours_on_a_terminal_unless_they_are_not_wanted(host: Lab) -> None:
    write_tiny_kernel(host.data / "images" / "kernels" / "default" / "vmlinux", "hello\n", obeys=True)
    host.vmm("up", "--no-wait")
    eventually(lambda: host.vmm("logs").stdout.count("| hello") == 2, "both have spoken")
    code = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    for colour, env in ((True, {"TERM": "xterm"}), (False, {"TERM": "xterm", "NO_COLOR": "1"})):
        done = subprocess.run(
            [sys.executable, "-c", code, *host.command("logs")],
            cwd=host.project,
            env={
                **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
                **host.env,
                **env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("\x1b[36ma | \x1b[0mhello" in done.stdout) == colour
        assert ("\x1b" in done.stdout) == colour


def test_rules_of_iptables_legacy_of_which_nobody_is_told_are_looked_at_more_often(host: Lab) -> None:
    tools = host.root / "bin"
    tools.mkdir()
    for tool in ("iptables", "iptables-save", "iptables-restore"):
        legacy = shutil.which(tool.replace("iptables", "iptables-legacy"))
        if legacy is None:
            pytest.skip("iptables-legacy is missing")
        (tools / tool).symlink_to(legacy)
    if host.run("iptables-legacy", "-L", code=None).returncode != 0:
        pytest.skip("the kernel has no tables of iptables-legacy")
    host.env["PATH"] = f"{tools}:{os.environ['PATH']}"
    with watching(host) as watch:
        whole = host.run("iptables-legacy-save").stdout.count("VMM")
        assert whole
        mark = watch.mark()
        host.run("iptables-legacy", "-F")
        host.run("iptables-legacy", "-t", "nat", "-F")
        ended = watch.until("ended", mark, BLIND_TIMER_S + 10)
        assert {change["address"] for change in ended["changes"]} == {"network"}
        assert host.run("iptables-legacy-save").stdout.count("VMM") == whole
