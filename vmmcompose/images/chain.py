"""The first of several sources that gives what is wanted; why the others did not is told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vmmcompose.errors import HostError, HostUnfit, NoSpace, RemoteError, VmmError
from vmmcompose.images.offers import Origin
from vmmcompose.images.packages import Progress
from vmmcompose.model.problem import Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Link(Generic[T]):
    """One source."""

    origin: Origin
    words: str
    """What it is called in messages."""
    take: Callable[[], T]


def first(links: Sequence[Link[T]], what: str, on_progress: Progress) -> T:
    """What the first link gives that gives anything. A full disk ends it: the next one would need room too.

    Raises:
        NoSpace: the disk is full.
        HostError: no link gave it; each one's reason is among the problems.
    """
    faults: list[Problem] = []
    for number, link in enumerate(links):
        try:
            return link.take()
        except NoSpace:
            raise
        except (HostError, HostUnfit) as error:
            faults.append(Problem(f"pull.{link.origin}", f"{link.words}: {error.message}", hint=error.hint))
            if number + 1 < len(links):
                on_progress(f"{link.words}: {error.message}; trying {links[number + 1].words}")
    raise _no_link(what, faults)


def _no_link(what: str, faults: Sequence[Problem]) -> VmmError:
    if len(faults) == 1:
        return RemoteError(f"{what} cannot be had: {faults[0].message}", hint=faults[0].hint)
    hint = "each source's reason stands above"
    return RemoteError(f"{what} cannot be had from any of {len(faults)} sources", hint=hint, problems=faults)
