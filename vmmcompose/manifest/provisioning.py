"""Scripts that run in a guest after the first boot of a disk."""

from typing import Any

from vmmcompose.manifest.locations import host_path
from vmmcompose.manifest.report import BadValueError, Report, has_control, is_bad, quoted, subject
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import Provision

_KEYS = frozenset(("run", "script", "name"))
_NAME_LENGTH = 60
"""Characters of a script's name, which stands in the lines of a running `vmm up`."""


def provision(values: list[Any], at: At, report: Report, base_dir: str) -> tuple[Provision, ...]:
    """All scripts of a list, in their order."""
    found: dict[str, Provision] = {}
    for index, value in enumerate(values):
        here = (*at, index)
        if is_bad(value):
            continue
        one = report.attempt(here, _script, value, index + 1, base_dir)
        if one and one.name in found:
            message = f"{subject(here)} is called {quoted(one.name)}, like one before it"
            report.add("provision", here, message, "give one of them another `name`")
        elif one:
            found[one.name] = one
            report.sources.name_entry(here, one.name)
    return tuple(found.values())


def _script(value: Any, number: int, base_dir: str) -> Provision:  # noqa: ANN401 - both forms
    entry = value if isinstance(value, dict) else {"run": value}
    if len(entry.keys() & {"run", "script"}) != 1 and entry.keys() <= _KEYS:
        both = "run" in entry
        hint = (
            "make two entries of it"
            if both
            else "for example `{run: apt-get update}` or `{script: ./setup.sh}`"
        )
        raise BadValueError(
            "provision", f"must have {'only one' if both else 'one'} of `run` and `script`", hint
        )
    path = host_path(entry["script"], base_dir) if "script" in entry else ""
    content = entry.get("run", "")
    if "\x00" in content:
        raise BadValueError("control-character", "holds a NUL character", inside="run")
    if not path and not content.strip():
        raise BadValueError("provision", "has an empty script", inside="run")
    return Provision(_name(entry.get("name"), path.rpartition("/")[2] or f"step {number}"), content, path)


def _name(given: str | None, usual: str) -> str:
    if given is None:
        return usual
    if not given.strip() or has_control(given) or len(given) > _NAME_LENGTH:
        hint = f"one line of at most {_NAME_LENGTH} characters"
        raise BadValueError(
            "provision", f"has the name {quoted(given.strip())}, which will not do", hint, inside="name"
        )
    return given.strip()
