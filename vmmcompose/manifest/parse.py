"""The way from a file's bytes to `Desired`, with every problem on the way."""

from dataclasses import dataclass, replace
from typing import Any

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest.faults import SchemaCheck, without
from vmmcompose.manifest.loader import Loader, LoadError
from vmmcompose.manifest.nodes import Node
from vmmcompose.manifest.replicas import filled
from vmmcompose.manifest.report import Report
from vmmcompose.manifest.resolve import Resolver
from vmmcompose.manifest.source import SourceMap
from vmmcompose.manifest.text import read_text
from vmmcompose.model.choice import Choice
from vmmcompose.model.desired import Desired
from vmmcompose.model.problem import Place, Problem
from vmmcompose.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest without a fault."""

    desired: Desired
    sources: SourceMap


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
    """Reads a manifest.

    `filename` is how the file is called in messages, `base_dir` the absolute directory from which its
    relative paths count; `project` wins over the manifest's `name`. With `validated` the schema is not asked
    again: the caller knows that exactly these bytes have passed. `settings.subnet` and `settings.gateway`
    must be valid. `ssh_keys` are the public keys that `settings.vm_defaults.ssh_key_path` stands for. `choice` says
    which VMs are wanted, and how many replicas.

    Raises:
        ManifestInvalid: with all problems, in the order of their places, each with its place.
    """
    text = read_text(data, filename)
    if isinstance(text, Problem):
        raise _invalid(filename, [text])
    loader = Loader(text, filename)
    try:
        root = loader.load()
    except LoadError as error:
        raise _invalid(filename, [*loader.problems, error.problem]) from None
    sources = SourceMap(filename, text, root)
    if root is None or (root.kind == "scalar" and root.data is None):
        hint = "for example `vms: {web: {image: debian-12}}`"
        raise _invalid(
            filename, [Problem("empty", "the manifest is empty", hint=hint, place=Place(filename, 1, 1, 1))]
        )
    report = Report(sources)
    report.problems.extend(loader.problems)
    resolver = Resolver(report, settings, base_dir, ssh_keys, choice)
    desired = _desired(root, report, resolver, project, validated=validated)
    if desired is None or report.problems:
        raise _invalid(filename, report.problems)
    return Manifest(desired, sources)


def _desired(
    root: Node, report: Report, resolver: Resolver, project: str, *, validated: bool
) -> Desired | None:
    data: Any = root.data
    check = None if validated and not report.problems else SchemaCheck(report)
    if check:
        check.run(filled(data, 1))
        if not isinstance(data, dict):
            return None
        data = without(data, check.bad) if check.bad else data
    desired = resolver.desired(data, resolver.project(data, project))
    if check:
        check.settle()
    return desired


def _invalid(filename: str, problems: list[Problem]) -> ManifestInvalid:
    tagged = {problem.at for problem in problems if problem.code == "tag"}
    unique: dict[tuple[object, ...], Problem] = {}
    for problem in problems:
        if problem.at in tagged and problem.code != "tag":
            continue  # what is said about the tag says it all
        placed = problem if problem.place else replace(problem, place=Place(filename, 1, 1, 1))
        # What two VMs share through an anchor is one mistake.
        unique.setdefault(
            (placed.code, placed.place, placed.at[2:] if placed.at[:1] == ("vms",) else ()), placed
        )
    ordered = sorted(unique.values(), key=_position)
    count = f"{len(ordered)} problems" if len(ordered) > 1 else "a problem"
    return ManifestInvalid(f"{filename} has {count}", problems=ordered)


def _position(problem: Problem) -> tuple[int, int, str, str]:
    line, column = (problem.place.line, problem.place.column) if problem.place else (0, 0)
    return line, column, problem.code, problem.message
