"""Whether a record that came from a file holds what its types say: dataclasses take anything.

A record is a plain file that people edit. What does not fit is told by name, before it becomes an address in
a rule, a path below the data folder or the name of a link.
"""

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from ipaddress import IPv4Address
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vmmcompose.model.desired import Desired
from vmmcompose.model.paths import tap_name
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec, host_name

PORTS = range(1, 65536)
_ID = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_TAG = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_LARGEST_PID = 2**22
"""PID_MAX_LIMIT of 64-bit Linux, proc_sys_kernel(5)."""

Fits = Callable[[Any], bool]


def require_record(record: Record) -> None:
    """Refuses a record that holds something else than a record may.

    Raises:
        ValueError: names the first field that does not fit.
    """
    _require_types(record, "")
    spec = record.spec
    _require("spec.id", spec.id, fits=bool(_ID.fullmatch(spec.id)))
    _require("spec.name", spec.name, fits=_is_named(spec))
    _require("spec.vm", spec.vm, fits=_is_name(spec.vm))
    _require("spec.tap", spec.tap, fits=spec.tap == tap_name(spec.id))
    _require("spec.mac", spec.mac, fits=bool(_MAC.fullmatch(spec.mac)))
    _require_values(spec)
    if record.process is not None:
        pid = record.process.pid
        _require("process.pid", pid, fits=0 < pid <= _LARGEST_PID)


def require_desired(desired: Desired) -> None:
    """Refuses a project out of a file that holds something else than a manifest can say.

    Raises:
        ValueError: names the first field that does not fit.
    """
    _require_types(desired, "")
    _require("project", desired.project, fits=not desired.project or _is_name(desired.project))
    for vm in (*desired.vms, *desired.inactive):
        _require("vms.name", vm.name, fits=_is_name(vm.name))
        _require("vms.ip", vm.ip, fits=not vm.ip or _is_address(vm.ip))
        for tag in (mount.tag for mount in vm.mounts):
            _require("vms.mounts.tag", tag, fits=bool(_TAG.fullmatch(tag)))
        for name in (attachment.volume for attachment in vm.volumes):
            _require("vms.volumes.volume", name, fits=bool(_TAG.fullmatch(name)))
    for volume in desired.volumes:
        _require("volumes.name", volume.name, fits=bool(_TAG.fullmatch(volume.name)))


def _require_values(spec: VmSpec) -> None:
    for key, address in (("ip", spec.ip), ("gateway", spec.gateway)):
        _require(f"spec.{key}", address, fits=_is_address(address))
    for mount in spec.mounts:
        _require("spec.mounts.tag", mount.tag, fits=bool(_TAG.fullmatch(mount.tag)))
        _require("spec.mounts.source", mount.source, fits=mount.source.startswith("/"))
        _require("spec.mounts.target", mount.target, fits=mount.target[:1] in ("", "/"))
    for volume in spec.volumes:
        _require("spec.volumes.volume", volume.volume, fits=bool(_TAG.fullmatch(volume.volume)))
        _require("spec.volumes.target", volume.target, fits=volume.target.startswith("/"))
    for forward in spec.forwards:
        _require("spec.ports.host", forward.host, fits=forward.host in PORTS)
        _require("spec.ports.guest", forward.guest, fits=forward.guest in PORTS)
        _require("spec.ports.bind", forward.bind, fits=not forward.bind or _is_address(forward.bind))


def _require(field: str, value: object, *, fits: bool) -> None:
    if not fits:
        raise ValueError(f"{field} cannot be {str(value)[:60]!r}")


def _is_named(spec: VmSpec) -> bool:
    project = not spec.project or _is_name(spec.project)
    return project and spec.name == host_name(spec.project, spec.vm)


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _require_types(value: Any, where: str) -> None:  # noqa: ANN401 - any of our dataclasses
    kind: Any = type(value)
    for name, fits in _fields(kind):
        item = getattr(value, name)
        if fits(item):
            continue
        if is_dataclass(item):  # names the very field
            _require_types(item, f"{where}{name}.")
        _require(where + name, item, fits=False)


@cache
def _fields(kind: type[Any]) -> tuple[tuple[str, Fits], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _fitting(hints[field.name])) for field in fields(kind))


@cache
def _fitting(hint: Any) -> Fits:  # noqa: ANN401 - whatever an annotation may be
    """What tells whether a value is of an annotated type; made once per annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is UnionType:
        choices = [_fitting(argument) for argument in arguments]
        return lambda value: any(fits(value) for fits in choices)
    if origin is tuple:
        return _fitting_tuple(arguments)
    if hint is float:
        return lambda value: type(value) in (int, float)
    if hint in (str, int, bool, NoneType):
        return lambda value: type(value) is hint
    inner = _fields(hint)
    return lambda value: type(value) is hint and all(fits(getattr(value, name)) for name, fits in inner)


def _fitting_tuple(arguments: tuple[Any, ...]) -> Fits:
    if arguments[-1] is Ellipsis:
        first = _fitting(arguments[0])
        return lambda value: type(value) is tuple and all(first(item) for item in value)
    parts = [_fitting(argument) for argument in arguments]

    def fits(value: Any) -> bool:  # noqa: ANN401 - whatever a file holds
        return (
            type(value) is tuple
            and len(value) == len(parts)
            and all(part(item) for part, item in zip(parts, value, strict=True))
        )

    return fits
