"""The settings: flag, then environment, then `config.json`, then what is built in. Nothing is ever created.

What is wrong with them is reported all at once, each fault with the place it came from.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from vmmcompose.errors import UsageError
from vmmcompose.host.configfile import Pairs, config_path, parse_config, place_of, read_config
from vmmcompose.host.identity import invoking_user
from vmmcompose.host.settingkeys import (
    FOREIGN,
    GROUP,
    KEYS,
    Data,
    Verdict,
    checked,
    from_json,
    from_text,
    nearest,
)
from vmmcompose.model.problem import Place, Problem
from vmmcompose.model.settings import Settings, VmDefaults

__all__ = ["Source", "Value", "config_path", "judge", "load_settings", "read_settings"]

Source = Literal["flag", "environment", "file", "built in"]
_FIELDS = {"memory_mb": "memory_mib", "disk_size_mb": "disk_mib"}
"""What the file calls otherwise than `VmDefaults` does."""


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from."""

    data: Data
    source: Source
    where: str = ""
    """The flag, the variable or the file."""
    place: Place | None = field(default=None, compare=False)


@dataclass(slots=True)
class _Gathering:
    """The values found so far, by key, and what is wrong."""

    values: dict[str, Value] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def fault(self, name: str, value: Value, verdict: Verdict) -> None:
        message, hint = verdict
        if not message:
            return
        subject = value.where if value.source in ("flag", "environment") else f"{name!r}"
        if value.source == "file" and value.place is None:
            subject = f"{value.where}: {subject}"
        code = f"settings.{name}"
        self.problems.append(Problem(code, f"{subject} {message}", hint=hint, place=value.place))


def load_settings(
    data_dir: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
) -> Settings:
    """The settings of this run; `data_dir` is the flag. `environ` and `config` default to this process's own.

    Raises:
        UsageError: they are not valid; all problems are in it.
    """
    env = os.environ if environ is None else environ
    return _settings(_found(data_dir, env, config), env)


def read_settings(
    data_dir: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: str | None = None,
) -> dict[str, Value]:
    """Every setting by name, in a fixed order, with its value and where that comes from.

    Raises:
        UsageError: they are not valid; all problems are in it.
    """
    env = os.environ if environ is None else environ
    values = _found(data_dir, env, config)
    settings = asdict(_settings(values, env))
    defaults = settings.pop(GROUP)
    shown = {}
    for name in KEYS:
        group, _, short = name.rpartition(".")
        data = defaults[_FIELDS.get(short, short)] if group else settings[name]
        found = values.get(name, Value("", "built in"))
        shown[name] = Value(data, found.source, found.where)
    return shown


def judge(text: str, path: str) -> list[Problem]:
    """What would be wrong with a file of this text, taken alone."""
    gathering = _Gathering()
    _take_file(gathering, text, path)
    _check(gathering)
    return gathering.problems


def _found(data_dir: str | None, env: Mapping[str, str], config: str | None) -> dict[str, Value]:
    """The checked values that are set anywhere."""
    gathering = _Gathering()
    path = config_path(env) if config is None else config
    text = read_config(path, env, gathering.problems)
    if text is not None:
        _take_file(gathering, text, path)
    for name, key in KEYS.items():
        said = env.get(key.variable, "")
        if said:
            data, verdict = from_text(key, said)
            _take(gathering, name, Value(data, "environment", key.variable), verdict)
    if data_dir is not None:
        gathering.values["data_dir"] = Value(data_dir, "flag", "--data-dir")
    _check(gathering)
    if gathering.problems:
        raise UsageError("the settings are not valid", problems=gathering.problems)
    return gathering.values


def _take(gathering: _Gathering, name: str, value: Value, verdict: Verdict) -> None:
    if verdict[0]:
        gathering.fault(name, value, verdict)
        gathering.values.pop(name, None)
    elif value.data not in ("", ()):
        gathering.values[name] = value


def _take_file(gathering: _Gathering, text: str, path: str) -> None:
    pairs = parse_config(text, path, gathering.problems)
    top = [*(name for name in KEYS if "." not in name), GROUP]
    _take_pairs(gathering, pairs, (text, path), (), top)


def _take_pairs(
    gathering: _Gathering, pairs: Pairs, file: tuple[str, str], outer: tuple[str, ...], known: list[str]
) -> None:
    """One object of the file: the outermost, or `vm_defaults`."""
    seen: set[str] = set()
    for short, given in pairs:
        at = (*outer, short)
        name = ".".join(at)
        twice, foreign = short in seen, not outer and short in FOREIGN
        seen.add(short)
        if given is None or (foreign and given == ""):
            continue
        place = None
        if twice or foreign or short not in known:
            place = place_of(*file, at)
        if twice:
            message = f"{file[1]}: {name!r} is there twice"
            gathering.problems.append(Problem("settings.duplicate", message, place=place))
        elif foreign:
            message = f"{file[1]}: {name!r} is a setting of baremetalvmm"
            gathering.problems.append(Problem("settings.foreign", message, hint=FOREIGN[short], place=place))
        elif short not in known:
            hint = _unknown_hint(short, outer, known)
            message = f"{file[1]}: unknown setting {name!r}"
            gathering.problems.append(Problem("settings.unknown", message, hint=hint, place=place))
        elif not outer and short == GROUP:
            _take_group(gathering, given, file)
        else:
            data, verdict = from_json(KEYS[name], given)
            value = Value(data, "file", file[1], _placed(file, at, data, verdict, name))
            _take(gathering, name, value, verdict)


def _take_group(gathering: _Gathering, given: object, file: tuple[str, str]) -> None:
    if isinstance(given, Pairs):
        inner = [name.rpartition(".")[2] for name in KEYS if "." in name]
        _take_pairs(gathering, given, file, (GROUP,), inner)
        return
    place, hint = place_of(*file, (GROUP,)), f'e.g. {{"{GROUP}": {{"cpus": 2}}}}'
    gathering.problems.append(
        Problem("settings.type", f"{GROUP!r} must be a JSON object", hint=hint, place=place)
    )


def _placed(
    file: tuple[str, str], at: tuple[str, ...], data: Data, verdict: Verdict, name: str
) -> Place | None:
    """Where a value stands; looked for only if it is at fault, for it takes longer than all the rest."""
    wrong = verdict[0] or name == "gateway" or (data not in ("", ()) and checked(KEYS[name], data)[0])
    return place_of(*file, at) if wrong else None


def _unknown_hint(short: str, outer: tuple[str, ...], known: list[str]) -> str:
    everywhere = {name.rpartition(".")[2]: name for name in KEYS}
    if short in everywhere:
        inside = "at the top" if outer else f"in {GROUP}"
        return f"it belongs {inside}"
    if short.partition(".")[0] == GROUP and short in KEYS:
        return f'write {{"{GROUP}": {{"{short.rpartition(".")[2]}": …}}}}'
    return nearest(short, known) or f"known are {', '.join(known)}"


def _check(gathering: _Gathering) -> None:
    for name, value in list(gathering.values.items()):
        gathering.fault(name, value, checked(KEYS[name], value.data))
    wrong = {problem.code for problem in gathering.problems}
    if wrong.isdisjoint(("settings.subnet", "settings.gateway")):
        _check_gateway(gathering)


def _check_gateway(gathering: _Gathering) -> None:
    """The gateway must lie in the subnet; where none is given it is the subnet's first address."""
    import ipaddress

    built_in = Settings()
    given = gathering.values.get("subnet")
    subnet = ipaddress.IPv4Network(given.data if given else built_in.subnet)
    first = str(subnet[1])
    gateway = gathering.values.get("gateway")
    if gateway is None:
        if given:
            gathering.values["gateway"] = Value(first, "built in")
        return
    address = ipaddress.IPv4Address(gateway.data)
    why = ""
    if address not in subnet:
        why = f"is {address}, which is not in the subnet {subnet}"
    elif address in (subnet.network_address, subnet.broadcast_address):
        why = f"is {address}, the network's own or its broadcast address"
    gathering.fault("gateway", gateway, (why, f"e.g. {first}"))


def _settings(values: Mapping[str, Value], env: Mapping[str, str]) -> Settings:
    chosen: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for name, value in values.items():
        group, _, short = name.rpartition(".")
        (defaults if group else chosen)[_FIELDS.get(short, short)] = value.data
    path = defaults.get("ssh_key_path", "")
    if path.startswith("~/"):
        defaults["ssh_key_path"] = invoking_user(env).home + path[1:]
    return Settings(**chosen, vm_defaults=VmDefaults(**defaults))
