"""The way from a manifest's files to `Desired`, with every problem on the way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest.assemble import Assembled, assemble
from vmmcompose.manifest.documents import Read, folder
from vmmcompose.manifest.faults import SchemaCheck, without
from vmmcompose.manifest.nodes import Node
from vmmcompose.manifest.replicas import filled
from vmmcompose.manifest.report import Report
from vmmcompose.manifest.resolve import Resolver
from vmmcompose.manifest.source import SourceMap
from vmmcompose.model.choice import Choice
from vmmcompose.model.desired import Desired
from vmmcompose.model.problem import Place, Problem
from vmmcompose.model.reading import Reading
from vmmcompose.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest without a fault."""

    desired: Desired
    sources: SourceMap
    root: Node
    """All files as one tree."""
    files: tuple[str, ...]
    """What messages call the files that were read, env files too."""
    asked: frozenset[str] = frozenset()
    """The variables that the environment was asked for."""


def parse_manifest(  # noqa: PLR0913 - one for each thing that bears on what the bytes mean
    data: bytes,
    filename: str,
    base_dir: str,
    *,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    project: str = "",
    ssh_keys: tuple[str, ...] = (),
    choice: Choice = Choice(),  # noqa: B008 - frozen
    validated: bool = False,
) -> Manifest:
    """Reads a manifest of one file, as `parse_project` does.

    `filename` is how the file is called in messages, `base_dir` the absolute directory from which its relative paths
    count. It can ask for no variables and no other files.

    Raises:
        ManifestInvalid: with all problems.
    """
    path = f"{base_dir}/{filename.rpartition('/')[2]}"
    reading = Reading((path,), project, choice=choice)
    return parse_project(
        reading,
        {path: data}.get,
        settings=settings,
        ssh_keys=ssh_keys,
        validated=validated,
        shown=lambda other: filename if other == path else other,
    )


def parse_project(
    reading: Reading,
    read: Read,
    *,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    ssh_keys: tuple[str, ...] = (),
    validated: bool = False,
    shown: Callable[[str], str] = str,
) -> Manifest:
    """Reads a manifest of one or more files.

    `read` gives the bytes of a file, `shown` how messages call it; the paths in `reading` are absolute.
    `settings.subnet` and `settings.gateway` must be valid. `ssh_keys` are the public keys that
    `settings.vm_defaults.ssh_key_path` stands for. With `validated` the schema is not asked again: the caller knows
    that exactly this has passed.

    Raises:
        ManifestInvalid: with all problems of all files, in the order of their places, each with its place.
    """
    files = reading.files
    assembled = assemble(files, read, shown=shown, environ=reading.environ, env_files=reading.env_files)
    root, problems = assembled.root, assembled.problems
    order = assembled.order or [shown(files[0])]
    if assembled.broken:
        raise _invalid(order, problems)
    if root is None or root.is_null():
        hint = "for example `vms: {web: {image: debian-12}}`"
        place = Place(order[0], 1, 1, 1)
        raise _invalid(order, [*problems, Problem("empty", "the manifest is empty", hint=hint, place=place)])
    report = Report(SourceMap(root))
    report.problems.extend(problems)
    resolver = Resolver(report, settings, folder(files[0]), ssh_keys, reading.choice)
    desired = _desired(assembled, report, resolver, reading.project, validated=validated)
    if desired is None or report.problems:
        raise _invalid(order, report.problems)
    return Manifest(desired, report.sources, root, tuple(dict.fromkeys(order)), frozenset(assembled.asked))


def _desired(
    assembled: Assembled, report: Report, resolver: Resolver, project: str, *, validated: bool
) -> Desired | None:
    assert assembled.root is not None
    data: Any = assembled.root.data
    check = None if validated and not report.problems else SchemaCheck(report)
    if check:
        check.run(filled(data, 1) if assembled.indexed else data)
        if not isinstance(data, dict):
            return None
        data = without(data, check.bad) if check.bad else data
    desired = resolver.desired(data, resolver.project(data, project))
    if check:
        check.settle()
    return desired


def _invalid(order: Sequence[str], problems: Sequence[Problem]) -> ManifestInvalid:
    tagged = {problem.at for problem in problems if problem.code == "tag"}
    unique: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        if problem.at in tagged and problem.code != "tag":
            continue  # what is said about the tag says it all
        placed = problem if problem.place else replace(problem, place=Place(order[0], 1, 1, 1))
        # What two VMs share through an anchor is one mistake.
        unique.setdefault(
            (placed.code, placed.place, placed.at[2:] if placed.at[:1] == ("vms",) else ()), placed
        )
    ranks = {name: rank for rank, name in enumerate(dict.fromkeys(order))}
    ordered = sorted(unique.values(), key=lambda problem: _position(problem, ranks))
    names = list(dict.fromkeys(problem.place.file for problem in ordered if problem.place))
    where = f"{', '.join(names[:-1])} and {names[-1]} have" if len(names) > 1 else f"{names[0]} has"
    count = f"{len(ordered)} problems" if len(ordered) > 1 else "a problem"
    return ManifestInvalid(f"{where} {count}", problems=ordered)


def _position(problem: Problem, ranks: Mapping[str, int]) -> tuple[int, int, int, str, str]:
    place = problem.place
    rank, line, column = (ranks.get(place.file, len(ranks)), place.line, place.column) if place else (0, 0, 0)
    return rank, line, column, problem.code, problem.message
