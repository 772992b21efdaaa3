"""`vmm watch` over real guests: what is saved, killed or deleted is seen to, and the figures of how soon are printed.

`VMM_TEST_TIMES=5 pytest -s` gives figures to go by.
"""

import json
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
from lab import Lab, missing_for_guests
from watching import Watching, watching

from vmmcompose.host.process import identify

pytestmark = [pytest.mark.root, pytest.mark.guest]
TIMES = int(os.environ.get("VMM_TEST_TIMES", "1"))


def manifest(port: int = 9100) -> str:
    return f"""
defaults: {{image: tiny, memory: 192MiB, disk: 64MiB, restart: always}}
vms:
  a: {{ports: ["{port}:80"]}}
  b: {{}}
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Lab]:
    if missing := missing_for_guests():
        pytest.skip(missing)
    with Lab() as lab:
        lab.write(manifest())
        lab.vmm("up")
        yield lab
        lab.vmm("down", "--allow-data-loss", code=None)


def taken(since: float, what: str, done: Callable[..., bool], *args: object) -> float:
    """Seconds until something holds."""
    while not done(*args):
        assert time.monotonic() - since < 60, what
        time.sleep(0.005)
    return time.monotonic() - since


def told(what: str, times: list[float]) -> None:
    """Prints a figure."""
    print(f"{what}: median {statistics.median(times):.2f} s, worst {max(times):.2f} s of {len(times)}")


def runs(lab: Lab, vm: str, other_than: int) -> bool:
    process = lab.record(vm)["process"]  # none while it is started
    return bool(process and process["pid"] != other_than and identify(process["pid"]))


def health(lab: Lab, vm: str) -> str:
    rows = json.loads(lab.vmm("ps", "--json").stdout)
    return next(str(row["health"]) for row in rows["vms"] if row["vm"] == vm)


def forwards(lab: Lab, port: int) -> bool:
    return f"--dport {port} " in lab.run("iptables-save", "-t", "nat").stdout


def phases(watch: Watching, mark: int, begin: float) -> str:
    """When after `begin` the watch told what for the first time."""
    first: dict[str, float] = {}
    for one in watch.events[mark:]:
        first.setdefault(one["event"], one["at"] - begin)
    return ", ".join(f"{name} {at:.2f}" for name, at in first.items())


def test_a_saved_manifest_is_applied_and_ten_saves_are_one_run(host: Lab) -> None:
    with watching(host) as watch:
        pids = [host.pid(vm) for vm in "ab"]
        times, cpu_s = [], watch.cpu_s()
        for number in range(TIMES):
            port, mark, begin = 9101 + number, watch.mark(), time.monotonic()
            host.write(manifest(port))
            times.append(taken(begin, "the forward", forwards, host, port))
            watch.until("ended", mark)
            watch.calm(0.5)
        told("a saved port until its rule is there", times)
        print(f"each took {(watch.cpu_s() - cpu_s) / TIMES:.2f} s of a core")

        mark, begin = watch.mark(), time.monotonic()
        for number in range(10):
            host.write(manifest(9150 + number))
            time.sleep(0.1)
        taken(begin, "the last of ten", forwards, host, 9159)
        watch.calm()
        assert len(watch.named("plan", mark)) == 1
        assert len([look for look in watch.named("look", mark) if "manifest" in look["detail"]]) == 1

        mark = watch.mark()
        host.write(manifest(9160).replace("ports", "prts"))
        watch.until("manifest-invalid", mark)
        watch.calm()
        assert not watch.named("plan", mark)
        mark, begin = watch.mark(), time.monotonic()
        host.write(manifest(9161))
        again = taken(begin, "the good one", forwards, host, 9161)
        watch.until("ended", mark)
        told("a good manifest after a broken one", [again])
        assert [host.pid(vm) for vm in "ab"] == pids


def test_a_killed_guest_runs_again_and_vmm_ps_knows_when_it_answers(host: Lab) -> None:
    with watching(host) as watch:
        times, answered, other = [], [], host.pid("b")
        for _ in range(TIMES):
            mark, pid, begin = watch.mark(), host.pid("a"), time.monotonic()
            os.kill(pid, signal.SIGKILL)
            times.append(taken(begin, "the new process", runs, host, "a", pid))
            watch.until("ended", mark)
            print(f"kill -9, what was told after seconds: {phases(watch, mark, begin)}")
            assert health(host, "a") == ""
            watch.until("healthy", mark, 120)
            answered.append(time.monotonic() - begin)
            assert health(host, "a") == "healthy"
            mark = watch.mark()
            host.write(manifest(9200 + len(times)))  # another VM to vmm watch: it need not wait its turn
            watch.until("ended", mark)
            watch.calm(0.5)
        told("kill -9 until the new process runs", times)
        told("kill -9 until it answers on SSH", answered)
        assert host.pid("b") == other


def test_links_and_rules_that_somebody_deletes_are_back(host: Lab) -> None:
    def rules() -> int:
        return host.run("iptables-save").stdout.count("VMM")

    def whole() -> bool:
        return rules() == all_of_them

    def tap() -> bool:
        links = json.loads(host.run("ip", "-j", "link").stdout)
        return any(link["ifname"] == host.record("b")["spec"]["tap"] for link in links)

    with watching(host) as watch:
        all_of_them, flushed, deleted, started = rules(), [], [], []
        for _ in range(TIMES):
            mark, begin = watch.mark(), time.monotonic()
            host.run("iptables", "-F")
            host.run("iptables", "-t", "nat", "-F")
            assert rules() < all_of_them
            flushed.append(taken(begin, "the rules", whole))
            watch.until("ended", mark)
            watch.calm(0.5)

            mark, begin, pid = watch.mark(), time.monotonic(), host.pid("b")
            host.run("ip", "link", "delete", host.record("b")["spec"]["tap"])
            deleted.append(taken(begin, "the link", tap))
            started.append(taken(begin, "the VM on it", runs, host, "b", pid))
            watch.until("ended", mark)
            watch.calm(0.5)
        told("iptables -F until all rules are back", flushed)
        told("a TAP deleted until there is one", deleted)
        told("a TAP deleted until its VM runs on a new one", started)
    assert host.vmm("plan", "--detailed-exitcode", code=None).returncode == 0
