"""`vmm watch` under everything at once for a minute: nothing grows, and in the end all is as it should be.

Beside three VMs that are stand-ins, and are killed all the time, runs a real guest with a mount kept in step.
"""

import difflib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from lab import STORE, Lab, missing_for_guests
from scribbling import Scribbler
from stand_in_lab import DEFAULTS, stand_in_host
from watching import Watching, watching

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.guest]

SOAK_S = float(os.environ.get("VMM_TEST_SOAK_S", "45"))
EDITS = int(os.environ.get("VMM_TEST_SOAK_EDITS", "10000"))
GROWTH_KIB = 4096
TREE = r"""
export LC_ALL=C
cd "$0" && find . ! -name . ! -name lost+found ! -path './.vmm-sync.*' -print0 | sort -z | xargs -0 stat -c '%a %n'
find . -type l ! -path './.vmm-sync.*' -print0 | sort -z | xargs -0 -n 1 readlink
find . -type f ! -path './.vmm-sync.*' -print0 | sort -z | xargs -0 cat | sha256sum
"""
"""What a directory holds: modes and names, where links lead, all contents; but for what is on its way."""


@pytest.fixture
def host() -> Iterator[Lab]:
    if missing := missing_for_guests():
        pytest.skip(missing)
    with stand_in_host() as lab:
        images, store = lab.data / "images", Path(STORE) / "images"
        (images / "kernels" / "real").symlink_to(store / "kernels" / "default")
        for name in ("tiny.ext4", "tiny.json"):
            shutil.copyfile(store / "rootfs" / name, images / "rootfs" / name)
        (lab.project / "site").mkdir()
        yield lab


def manifest(number: int) -> str:
    vms = "".join(
        f"  {name}: {{ports: ['{9200 + (number + at) % 50}:80'], labels: {{n: '{number}'}},"
        " healthcheck: {tcp: 1, timeout: 2s}}\n"
        for at, name in enumerate("abc")
    )
    real = (
        "  web: {image: tiny, kernel: real, hypervisor: qemu, memory: 192MiB, disk: 64MiB,"
        " mounts: [{source: ./site, tag: site, sync: push}]}\n"
    )
    return f"{DEFAULTS}vms:\n{vms}{real}"


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


def tree(command: list[str], folder: str) -> list[str]:
    done = subprocess.run([*command, "sh", "-c", TREE, folder], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def sizes(watch: Watching) -> dict[str, int]:
    return {what: watch.count(what) for what in ("fd", "task")}


def settles(what: str, left: Callable[[], object], timeout_s: float = 90) -> None:
    """Waits until nothing is left, and shows it otherwise."""
    deadline = time.monotonic() + timeout_s
    while rest := left():
        assert time.monotonic() < deadline, f"{what}: {rest}"
        time.sleep(0.5)


def test_nothing_grows_and_the_end_is_as_the_manifest_says(host: Lab) -> None:
    chance = random.Random(5)
    site = host.project / "site"
    scribbler = Scribbler(site, chance)
    host.write(manifest(0))
    with watching(host) as watch:
        watch.until("healthy", timeout_s=120)
        host.write(manifest(1))
        os.kill(host.pid("a"), signal.SIGKILL)
        for _ in range(EDITS // 20):
            scribbler.edit()
        watch.calm(3)
        before, rss = sizes(watch), watch.status("VmRSS")

        def differs() -> str:
            plan = host.vmm("plan", "--no-wait", "--detailed-exitcode", code=None)
            return plan.stdout + plan.stderr if plan.returncode else ""

        def missing() -> list[str]:
            """What differs between directory and guest."""
            try:
                with host.net.inside():
                    there = tree(host.command("exec", "lab-web", "--"), "/mnt/site")
            except subprocess.CalledProcessError as error:
                return [f"it boots: {error.stderr}"]
            return [line for line in difflib.ndiff(tree([], str(site)), there) if line[0] in "+-"]

        todo = disturbances(host, chance)
        begin, number = time.monotonic(), 0
        while (passed := time.monotonic() - begin) < SOAK_S or scribbler.edits < EDITS:
            while scribbler.edits < min(1.0, passed / SOAK_S) * EDITS:
                scribbler.edit()
            chance.choice(todo)()
            number += 1
            if number == 20:
                # What was sent just before a crash and deleted just after it would count as the guest's own.
                host.write(manifest(number))
                settles("calm before a crash", differs)
                os.kill(host.pid("web"), signal.SIGKILL)
            time.sleep(chance.random() * 0.5)
        host.write(manifest(2000))
        assert watch.process.poll() is None

        settles("the plan is empty", differs)
        settles("the guest has what the directory has", missing)
        watch.calm(2)
        settles("descriptors and threads", lambda: [now for now in [sizes(watch)] if now != before])
        grown = watch.status("VmRSS") - rss
        print(
            f"{scribbler.edits} edits and {number} disturbances in {passed:.0f} s, "
            f"{len(watch.named('look'))} looks; {before} as before, grown by {grown} KiB to {watch.status('VmRSS')}"
        )
        assert grown < GROWTH_KIB
