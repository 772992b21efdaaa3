"""How a VM shows that it is ready."""

import re
from typing import Any

from vmmcompose.manifest.report import BAD, BadValueError, Report, is_bad, listed, quoted, shown, subject
from vmmcompose.manifest.source import At
from vmmcompose.manifest.values import seconds
from vmmcompose.model.desired import Healthcheck

_KINDS = ("tcp", "http", "command")
_KEYS = frozenset((*_KINDS, "interval", "timeout"))
_PAGE = re.compile(r"([0-9]{1,5})(/[!-~]*)?")


def healthcheck(value: dict[str, Any], at: At, report: Report) -> Healthcheck | None:
    """The check; None if it has a problem."""
    before = len(report.problems)
    given = [kind for kind in _KINDS if kind in value]
    if len(given) > 1:
        message = f"{subject(at)} has {listed(given, 'and')}, but only one kind of check is possible"
        report.add("healthcheck", at, message, "delete all but one")
    elif not given and value.keys() <= _KEYS:
        hint = "for example `{tcp: 22}`, `{http: 80/healthz}` or `{command: pg_isready}`"
        report.add("healthcheck", at, f"{subject(at)} has none of {listed(_KINDS, 'and')}", hint)
    http = _part(value, "http", _http, at, report)
    command = _part(value, "command", words, at, report)
    interval = _part(value, "interval", seconds, at, report)
    timeout = _part(value, "timeout", seconds, at, report)
    interval, timeout = (2.0 if interval is None else interval), (60.0 if timeout is None else timeout)
    if interval > timeout and len(report.problems) == before:
        key = "timeout" if "timeout" in value else "interval"
        message = f"{subject((*at, key))} leaves no time for one try: the interval is longer than the timeout"
        report.add(
            "healthcheck", (*at, key), message, "`timeout` is how long it may take in all; default 60s"
        )
    if len(report.problems) > before or is_bad(value):
        return None
    return Healthcheck(value.get("tcp"), http, command or (), interval, timeout)


def _part(value: dict[str, Any], key: str, parse: Any, at: At, report: Report) -> Any:  # noqa: ANN401 - one per key
    found = value.get(key, BAD)
    if is_bad(found):
        return None
    return report.attempt((*at, key), parse, found)


def _http(value: Any) -> str:  # noqa: ANN401 - all three forms
    if isinstance(value, int):
        return f"{value}/"
    if isinstance(value, dict) and not value.get("path", "/").startswith("/"):
        message = f"must have a path that begins with `/`, not {shown(value['path'])}"
        raise BadValueError("http", message, f"did you mean `/{value['path']}`?", inside="path")
    text = f"{value['port']}{value.get('path', '/')}" if isinstance(value, dict) else value
    found = _PAGE.fullmatch(text)
    if not found:
        hint = "the check goes to the guest itself: give port and path only, for example `80/healthz`"
        raise BadValueError("http", f'must be "PORT/path", not {shown(text)}', hint)
    if not 1 <= int(found[1]) <= 65535:
        raise BadValueError("http", f"must have a port from 1 to 65535, not {quoted(found[1])}")
    return f"{int(found[1])}{found[2] or '/'}"


def words(value: str | list[str]) -> tuple[str, ...]:
    """A command's words: a text is for the guest's shell.

    Raises:
        BadValueError: there is nothing in it that could be run.
    """
    found = ("sh", "-c", value) if isinstance(value, str) else tuple(value)
    if any("\x00" in word for word in found):
        raise BadValueError("control-character", "holds a NUL character")
    if not found[0].strip() or not found[-1 if isinstance(value, str) else 0].strip():
        raise BadValueError("command", "names no program")
    return found
