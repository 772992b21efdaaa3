"""Lines of many processes in one file: whole, in order, put aside at the limit, no burden on a full disk."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from vmmcompose.host.journal import append, aside, follow, read

WRITER = """
import sys
from pathlib import PurePosixPath
from vmmcompose.host.journal import append
for number in range(int(sys.argv[3])):
    append(PurePosixPath(sys.argv[1]), {"who": sys.argv[2], "number": number, "pad": "x" * 300}, limit=int(sys.argv[4]))
"""


@pytest.fixture
def path(tmp_path: Path) -> PurePosixPath:
    return PurePosixPath(tmp_path) / "logs" / "events.jsonl"


def write_at_once(path: PurePosixPath, writers: int, lines: int, limit: int) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(who), str(lines), str(limit)])
        for who in range(writers)
    ]
    assert [child.wait() for child in children] == [0] * writers


def test_lines_of_several_processes_never_mix(path: PurePosixPath) -> None:
    write_at_once(path, 4, 200, 10**9)
    values = list(read(path))
    assert len(values) == 800
    for who in "0123":
        assert [value["number"] for value in values if value["who"] == who] == list(range(200))


def test_a_full_file_is_put_aside_once_whoever_writes(path: PurePosixPath) -> None:
    write_at_once(path, 4, 100, 20_000)
    size = 4 * 100 * 350
    assert size > 3 * 20_000, "the test wants several rotations"
    assert sorted(os.listdir(path.parent)) == ["events.jsonl", "events.jsonl.1"]
    for name in (path, aside(path)):
        data = Path(name).read_bytes()
        assert len(data) < 21_000
        assert all(json.loads(line)["pad"] for line in data.splitlines())


def test_only_the_owner_may_read_it(path: PurePosixPath) -> None:
    append(path, {"a": 1}, limit=100)
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_half_a_line_of_a_full_disk_stays_alone(path: PurePosixPath) -> None:
    append(path, {"number": 1}, limit=100)
    with open(path, "ab") as file:
        file.write(b'{"number": 2, "cut')
    append(path, {"number": 3}, limit=100)
    assert [value["number"] for value in read(path)] == [1, 3]


def test_where_nothing_can_be_written_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder would be")
    append(PurePosixPath(tmp_path) / "logs" / "events.jsonl", {"a": 1}, limit=100)
    append(PurePosixPath("/dev/full"), {"a": 1}, limit=100)  # ENOSPC
    assert list(read(PurePosixPath(tmp_path) / "nothing")) == []


def test_a_link_in_its_place_leads_nowhere(tmp_path: Path, path: PurePosixPath) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    os.mkdir(path.parent)
    os.symlink(precious, path)
    append(path, {"a": 1}, limit=100)
    assert precious.read_text() == ""


def test_a_follower_sees_every_line_across_processes_and_rotations(path: PurePosixPath) -> None:
    seen: list[Any] = []
    lines = follow(path)

    def listen() -> None:
        for value in lines:
            seen.append(value["number"])
            if value["number"] == 59:
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for number in range(60):
        append(path, {"number": number, "pad": "x" * 300}, limit=6_000)
        time.sleep(0.02)  # slower than a rotation per look
    listener.join(10)
    assert seen == list(range(60))
