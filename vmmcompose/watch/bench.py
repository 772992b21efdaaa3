"""A VM that runs, with its rules of `watch`: which changes of the host's files are for them."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from vmmcompose.errors import HostError
from vmmcompose.guest.ignoring import FILE, Rules
from vmmcompose.host.sync.tree import Tree
from vmmcompose.model.desired import WatchRule
from vmmcompose.model.record import Process, Record
from vmmcompose.watch.courier import Courier
from vmmcompose.watch.rules import counts, patterns


@dataclass(slots=True)
class Bench:
    """One VM's rules, and who carries for those with a target."""

    record: Record
    process: Process
    rules: tuple[WatchRule, ...] = ()
    couriers: dict[WatchRule, Courier] = field(default_factory=dict)
    """By `cargo`."""
    _ignored: dict[WatchRule, Rules] = field(default_factory=dict)

    def counting(self, rule: WatchRule, paths: Iterable[str]) -> set[str]:
        """Those of the paths below a rule's that it is for."""
        paths = set(paths)
        if FILE in paths or rule not in self._ignored:
            self._ignored[rule] = _rules(rule)
        ignored = self._ignored[rule]
        return {path for path in paths if counts(ignored, path, folder=_is_folder(f"{rule.path}/{path}"))}

    def clear(self) -> None:
        """Stops whoever carries."""
        for courier in self.couriers.values():
            courier.stop()


def _rules(rule: WatchRule) -> Rules:
    """What does not count, with the lines of the directory's own file as they are now."""
    if os.path.isdir(rule.path):
        try:
            with Tree(os.path.realpath(rule.path), patterns(rule)) as tree:
                return tree.rules
        except HostError:  # whoever carries says so; for others it is as if there were none
            pass
    return Rules(patterns(rule))


def _is_folder(path: str) -> bool | None:
    return os.path.isdir(path) if os.path.lexists(path) else None
