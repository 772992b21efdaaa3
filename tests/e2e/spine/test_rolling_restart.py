"""Three replicas are restarted while a client asks them ten times a second: two of them answer at any time."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]

PORTS = (18080, 18081, 18082)
MANIFEST = """
name: lab
defaults: {image: tiny, memory: 128MiB, disk: 64MiB}
vms:
  web:
    replicas: 3
    ports: ["18080-18082:80"]
    healthcheck: {http: 80, interval: 500ms}
    labels: {release: "1"}
"""
CLIENT = """
import asyncio, json, sys, time

ports = [int(word) for word in sys.argv[1:]]

async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return (await reader.readline()).split()[1:2] == [b"200"]
    finally:
        writer.close()

async def answered(port):
    try:
        return await asyncio.wait_for(ask(port), 5)
    except (OSError, asyncio.TimeoutError):
        return False

async def tick(begin):
    up = await asyncio.gather(*map(answered, ports))
    print(json.dumps({"second": round(begin, 1), "up": up}), flush=True)

async def main():
    stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    start, ticks = time.monotonic(), []
    while not stop.done():
        ticks.append(asyncio.create_task(tick(time.monotonic() - start)))
        await asyncio.sleep(0.1)
    await asyncio.gather(*ticks)

asyncio.run(main())
"""


class Client:
    """Asks all ports ten times a second, until its end."""

    def __init__(self, lab: Lab) -> None:
        with lab.net.inside():
            self._process = subprocess.Popen(
                [sys.executable, "-c", CLIENT, *map(str, PORTS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def end(self) -> list[dict[str, Any]]:
        """Each time it asked: the second, and which ports answered."""
        out, _ = self._process.communicate(timeout=30)
        return sorted((json.loads(line) for line in out.splitlines()), key=lambda tick: float(tick["second"]))


def test_replicas_are_restarted_without_a_moment_in_which_nobody_answers(lab: Lab) -> None:
    lab.write(MANIFEST)
    lab.vmm("up")
    before = {vm: lab.pid(vm) for vm in ("web-1", "web-2", "web-3")}
    client = Client(lab)
    try:
        lab.write(MANIFEST.replace("memory: 128MiB", "memory: 160MiB"))
        said = lab.vmm("up").stderr
    finally:
        ticks = client.end()
    assert all(lab.pid(vm) != pid for vm, pid in before.items()), "each was restarted"
    counts = Counter(sum(tick["up"]) for tick in ticks)
    lost = [tick for tick in ticks if sum(tick["up"]) < 2]
    print(said, f"asked {len(ticks)} times in {ticks[-1]['second']} s; answers: {dict(counts)}")
    assert counts[2] > 10, "the client saw each of them away"
    assert not lost, f"fewer than two answered: {lost}\n{said}"
    assert lab.plan()["changes"] == []


def test_a_replica_that_does_not_come_back_leaves_the_others_as_they_are(lab: Lab) -> None:
    lab.write(MANIFEST)
    lab.vmm("up")
    before = {vm: lab.pid(vm) for vm in ("web-1", "web-2", "web-3")}
    broken = MANIFEST.replace("http: 80,", "http: 81, timeout: 8s,").replace("128MiB", "160MiB")
    lab.write(broken)
    said = lab.vmm("up", code=1).stderr
    assert "web-2: shutting down skipped" in said
    assert lab.pid("web-1") != before["web-1"]
    assert {vm: lab.pid(vm) for vm in ("web-2", "web-3")} == {vm: before[vm] for vm in ("web-2", "web-3")}
    assert lab.get(f"http://127.0.0.1:{PORTS[1]}/"), "it serves on"
    lab.write(MANIFEST)
    lab.vmm("up")
    assert lab.plan()["changes"] == []
