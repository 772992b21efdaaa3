"""`vmm watch` under everything at once for minutes: nothing grows, and at the end the host is as it should be."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host
from watching import watching

pytestmark = [pytest.mark.root, pytest.mark.slow]

SOAK_S = float(os.environ.get("VMM_TEST_SOAK_S", "120"))
GROWTH_KIB = 4096


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        yield lab


def manifest(number: int) -> str:
    vms = "".join(
        f"  {name}: {{ports: ['{9200 + (number + at) % 50}:80'], labels: {{n: '{number}'}}}}\n"
        for at, name in enumerate("abc")
    )
    return f"{DEFAULTS}vms:\n{vms}"


def disturbances(lab: Lab, chance: random.Random) -> list[Callable[[], object]]:
    """What may happen to a host that is watched."""

    def save() -> None:
        lab.write(manifest(chance.randrange(1000)))

    def save_broken() -> None:
        lab.write(manifest(1) + "  - what\n")

    def save_often() -> None:
        for _ in range(100):
            lab.write(manifest(chance.randrange(1000)))

    def replace() -> None:
        lab.write(manifest(chance.randrange(1000)), "new.yaml")
        (lab.project / "new.yaml").replace(lab.project / "vmm.yaml")

    def away_and_back() -> None:
        (lab.project / "vmm.yaml").unlink(missing_ok=True)
        save()

    def kill() -> None:
        with suppress(TypeError, OSError):  # it is being started, or is gone
            os.kill(lab.pid(chance.choice("abc")), signal.SIGKILL)

    def delete_tap() -> None:
        lab.run("ip", "link", "delete", lab.record(chance.choice("abc"))["spec"]["tap"], code=None)

    def flush() -> None:
        lab.run("iptables", "-F", code=None)

    return [save, save, save, save_broken, save_often, replace, away_and_back, kill, delete_tap, flush]


def test_nothing_grows_and_the_end_is_as_the_manifest_says(host: Lab) -> None:
    chance = random.Random(5)
    host.write(manifest(0))
    with watching(host) as watch:
        host.write(manifest(1))
        os.kill(host.pid("a"), signal.SIGKILL)
        watch.calm(2)
        sizes = {what: watch.count(what) for what in ("fd", "task")}
        rss = watch.status("VmRSS")
        todo = disturbances(host, chance)
        edits = 0
        begin = time.monotonic()
        while time.monotonic() - begin < SOAK_S:
            chance.choice(todo)()
            edits += 1
            time.sleep(chance.random() * 0.5)
        host.write(manifest(2000))
        assert watch.process.poll() is None

        def converged() -> bool:
            return host.vmm("plan", "--detailed-exitcode", code=None).returncode == 0

        eventually(converged, "the host is as the manifest says", 400)  # VMs killed often wait their turn
        watch.calm(2)
        assert {what: watch.count(what) for what in ("fd", "task")} == sizes
        grown = watch.status("VmRSS") - rss
        print(f"{edits} disturbances, {len(watch.named('look'))} looks; grown by {grown} KiB")
        assert grown < GROWTH_KIB
