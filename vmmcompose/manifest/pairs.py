"""Keys with values: `env` and `labels`, as a mapping or as a list of `KEY=VALUE`."""

from collections.abc import Callable, Iterator
from typing import Any

from vmmcompose.manifest.report import BAD, BadValueError, Report, quoted, shown, subject
from vmmcompose.manifest.source import At
from vmmcompose.manifest.values import one_line

Pairs = dict[str, str]


def pairs(value: Any, at: At, report: Report, check_key: Callable[[str], str]) -> Pairs:  # noqa: ANN401 - both forms
    """The good entries."""
    found: Pairs = {}
    for key, text, here in _entries(value, at, report):
        on_key = isinstance(here[-1], str)
        try:
            check_key(key)
        except BadValueError as error:
            message = f"{subject(at if on_key else here)} {error.message}"
            report.add(error.code, here, message, error.hint, on_key=on_key)
            continue
        if report.attempt(here, one_line, text) is None:
            continue
        if key in found:
            report.add("duplicate-key", here, f"{subject(here)} gives {quoted(key)} for a second time")
        found.setdefault(key, text)
    return found


def _entries(value: Any, at: At, report: Report) -> Iterator[tuple[str, str, At]]:  # noqa: ANN401
    if isinstance(value, dict):
        for key, item in value.items():
            if item is not BAD:
                here = (*at, key)
                yield key, item if isinstance(item, str) else report.written(here), here
        return
    for index, item in enumerate(value):
        if item is BAD:
            continue
        key, equals, text = item.partition("=")
        if equals:
            yield key, text, (*at, index)
        else:
            message = f'{subject((*at, index))} must be "KEY=VALUE", not {shown(item)}'
            report.add(
                "pair", (*at, index), message, f"did you mean `{item}=`?" if item.isidentifier() else ""
            )
