"""A command that is killed in the middle of its work: the next one brings it right, or to nothing."""

import os
import signal
import time
from pathlib import Path

import pytest
from namespaces import Namespace
from netlab import differences, host_paths, record_of, saved_rules

from vmmcompose.host import netlink, procnet
from vmmcompose.host.network import create_tap, delete_tap, sync_network
from vmmcompose.model.desired import Forward
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings
from vmmcompose.network.compare import tap_differences

pytestmark = pytest.mark.root

RECORDS = [record_of(f"vm{n}", f"172.16.0.{n}", Forward(8000 + n, 80)) for n in range(2, 6)]


def up(settings: Settings, paths: Paths) -> None:
    sync_network(RECORDS, settings, paths)
    for record in RECORDS:
        create_tap(record.spec, settings)


def down(settings: Settings, paths: Paths) -> None:
    for record in RECORDS:
        delete_tap(record.spec.tap)
    sync_network([], settings, paths)


def killed_after(seconds: float, settings: Settings, paths: Paths) -> None:
    """Goes up and down for ever in a process group of its own, until that is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            while True:
                up(settings, paths)
                down(settings, paths)
        finally:
            os._exit(1)
    os.setpgid(pid, pid)  # as the child does: whoever is first
    time.sleep(seconds)
    os.killpg(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("then", ["up", "down"])
def test_killed_at_many_moments(netns: Namespace, tmp_path: Path, then: str) -> None:
    settings, paths = host_paths(tmp_path)
    up(settings, paths)  # loads what is loaded late, so that the moments below spread over the work
    down(settings, paths)
    for moment in range(12):
        killed_after(0.02 + 0.017 * moment, settings, paths)
        if then == "up":
            up(settings, paths)
            links = netlink.read_links()
            assert differences(RECORDS, settings) == ()
            assert [tap_differences(record.spec, links, settings) for record in RECORDS] == [()] * len(
                RECORDS
            )
        down(settings, paths)
        assert differences([], settings) == ()
        assert set(netlink.read_links()) == {"lo"}
        assert saved_rules(without="nothing") == []
        assert not procnet.forwarding()
        assert not Path(paths.network_state()).exists()
