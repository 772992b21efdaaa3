"""Rules of `watch`: what is done about a VM when a file of the host changes."""

from collections.abc import Iterable
from typing import Any

from vmmcompose.manifest.healthchecks import words
from vmmcompose.manifest.locations import enclosing, own_path, target
from vmmcompose.manifest.report import BadValueError, Report, is_bad, quoted, subject
from vmmcompose.manifest.source import At
from vmmcompose.manifest.storage import patterns
from vmmcompose.model.desired import Attachment, Mount, WatchRule

Found = list[tuple[WatchRule, At]]
"""A VM's rules, each with where it stands."""


def rules(values: list[Any], at: At, report: Report, base_dir: str) -> Found:
    """All rules of a list, in their order."""
    found: Found = []
    for index, value in enumerate(values):
        here = (*at, index)
        if is_bad(value):
            continue
        one = report.attempt(here, _rule, value, base_dir)
        if one is None:
            continue
        other = next((rule for rule, _ in found if _clash(rule, one)), None)
        if other is not None:
            message = f"{subject(here)} carries to {quoted(one.target)}, where {quoted(other.path)} goes"
            report.add("watch-target", here, message, "give one of them another target")
        found.append((one, here))
    return found


def check_targets(
    found: Found, mounts: Iterable[Mount], volumes: Iterable[Attachment], report: Report
) -> tuple[WatchRule, ...]:
    """The rules of a VM; reports those that carry to where the guest cannot write, or another one does already."""
    taken = {mount.place: _hindrance(mount) for mount in mounts}
    taken |= {
        volume.target: f"volume {quoted(volume.volume)}, which is read-only"
        for volume in volumes
        if volume.mode == "ro"
    }
    for rule, at in found:
        why = next((why for folder in enclosing(rule.target) if (why := taken.get(folder))), "")
        if why:
            message = f"{subject(at)} carries to {quoted(rule.target)}, in {why}"
            report.add("watch-target", at, message, "carry it to another place")
    return tuple(rule for rule, _ in found)


def _hindrance(mount: Mount) -> str:
    if mount.mode == "ro":
        return f"mount {quoted(mount.tag)}, which is read-only"
    return f"mount {quoted(mount.tag)}, which is kept in step already" if mount.sync != "none" else ""


def _clash(one: WatchRule, other: WatchRule) -> bool:
    return bool(one.target) and one.target == other.target and one.path != other.path


def _rule(value: dict[str, Any], base_dir: str) -> WatchRule:
    action = value["action"]
    if action == "sync" and "target" not in value:
        hint = "add where in the guest it goes, for example `target: /srv/app`"
        raise BadValueError("watch", "has no `target`, which `sync` needs", hint)
    if action == "rebuild" and "target" in value:
        hint = "a rule of its own with `sync` carries files; after a rebuild it begins anew"
        raise BadValueError("watch", "has a `target`, which `rebuild` makes no use of", hint, inside="target")
    if action == "run" and "command" not in value:
        hint = "add what is run in the guest, for example `command: systemctl reload nginx`"
        raise BadValueError("watch", "has no `command`, which `run` needs", hint)
    if action != "run" and "command" in value:
        hint = "`action: run` runs it, after what changed is carried to `target`"
        raise BadValueError(
            "watch", f"has a `command`, which {quoted(action)} does not run", hint, inside="command"
        )
    return WatchRule(
        path=own_path(value["path"], base_dir, "watch-path", "watch a file or a directory of your own"),
        action=action,
        target=target(value["target"], "watch-target") if "target" in value else "",
        ignore=patterns(value.get("ignore", ()), "watch-ignore"),
        command=words(value["command"]) if "command" in value else (),
    )
