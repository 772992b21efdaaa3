"""Reading a manifest in a process of its own: what parses and checks it weighs more than what it means.

What it means is remembered, so who reads it afterwards recalls it (`loading.py`), which needs no parser.
"""

from vmmcompose.errors import VmmError
from vmmcompose.loading import load_project
from vmmcompose.model.reading import Reading
from vmmcompose.model.settings import Settings
from vmmcompose.watch.apart import apart


def read_apart(settings: Settings, reading: Reading) -> tuple[set[str], VmmError | None]:
    """The files that a manifest is made of, and what is wrong with it, if anything is.

    Raises:
        HostError: the process was killed.
    """
    return apart(lambda: _tried(settings, reading))


def _tried(settings: Settings, reading: Reading) -> tuple[set[str], VmmError | None]:
    asked: set[str] = set()
    try:
        load_project(settings, reading, asked.add)
    except VmmError as error:
        return asked, error
    return asked, None
