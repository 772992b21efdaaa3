"""What wakes the loop: descriptors of others that come and go, and directories that do."""

import os
from collections.abc import Iterator

import pytest

from vmmcompose.watch.eyes import Eyes


@pytest.fixture
def eyes() -> Iterator[Eyes]:
    opened = Eyes()
    yield opened
    opened.close()


def test_a_key_may_end_what_is_readable_at_the_same_moment(eyes: Eyes) -> None:
    key, pressed = os.pipe()
    log, grown = os.pipe()
    eyes.add(key, lambda: eyes.remove(log))
    eyes.add(log, lambda: pytest.fail("it was to be seen no longer"))
    os.write(pressed, b"l")
    os.write(grown, b"a line")
    eyes.wait(5)
    for descriptor in (key, pressed, log, grown):
        os.close(descriptor)
