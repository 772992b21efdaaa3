"""How long a run waits in all."""

import math
import time

from vmmcompose.apply.context import Patience


def test_the_clock_starts_with_the_first_who_waits() -> None:
    patience = Patience(0.3)
    time.sleep(0.4)
    assert patience.left() > 0.2
    time.sleep(0.4)
    assert patience.left() == 0
    assert "0.3 s" in patience.over()


def test_without_a_limit_there_is_always_time() -> None:
    assert Patience().left() == math.inf
