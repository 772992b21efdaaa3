"""A guest that says nothing any more, or does not stop: whoever talks to it goes on all the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vmmcompose.errors import HostError
from vmmcompose.host.sync.channel import Channel


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_STALL_S": 0.05, "_SILENCE_S": 0.3, "_END_S": 0.1, "_ANSWER_LIMIT": 1 << 20}.items():
        monkeypatch.setattr(f"vmmcompose.host.sync.channel.{name}", value)


@contextmanager
def guest(script: str) -> Iterator[Channel]:
    """A guest whose shell is a script, behind the token that it begins with."""

    def argv(command: tuple[str, ...]) -> list[str]:
        return ["sh", "-c", f"printf '\\n%s 0\\n' $0; {script}", command[-1]]

    with Channel(argv, "/", "web") as channel:
        yield channel


def test_one_that_falls_silent_in_the_middle_of_a_file() -> None:
    with guest("printf begun; exec sleep 60") as channel:
        assert channel.receive(5) == b"begun"
        with pytest.raises(HostError, match="has not answered"):
            channel.receive(1)


def test_one_that_reads_nothing_and_prints_without_end() -> None:
    with guest("exec yes") as channel, pytest.raises(HostError, match="without end"):
        channel.write(bytes(1 << 24))
