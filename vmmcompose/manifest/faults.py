"""What the schema objects to, in words: made from each fault's parts, never from the library's message."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vmmcompose.manifest.report import BAD, Report, listed, quoted, shown, subject
from vmmcompose.manifest.schema import Fault, find_faults, keys_of
from vmmcompose.manifest.source import At
from vmmcompose.manifest.suggest import Suggester

_EXAMPLE = "for example `vms: {web: {image: debian-12}}`"
_NUMBER_MEANS = {"duration": "{}s", "UID:GID": '"{0}:{0}"', "HOST:GUEST": '"{0}:{0}"'}
"""What a plain number stands for, by a word in the title of what it should be."""
_OTHER_WORDS = {
    "false": "did you mean `no`?",
    "never": "did you mean `no`?",
    "true": "did you mean `always`?",
    "unless-stopped": "`always` is what you want: a VM that was stopped by hand stays stopped",
    "on-failure": "there is no limit of tries: write `on-failure`",
}
"""Policies of `restart` elsewhere, and what they are here."""
_OTHER_CONDITIONS = {
    "service_started": "did you mean `started`?",
    "service_healthy": "did you mean `healthy`?",
    "service_completed_successfully": "did you mean `provisioned`?",
}
"""Conditions of `depends_on` in compose."""
_OTHER_ACTIONS = {
    "sync+restart": "`restart` with a `target` carries the files first",
    "sync+exec": "`run` with a `target` carries the files first",
    "exec": "did you mean `run`?",
}
"""Actions of `watch` in compose."""
_YES_AND_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
"""Strings that YAML 1.1 took for booleans."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    """An objection that later checks word better; it counts only if they have nothing to say."""

    at: At
    message: str


@dataclass(slots=True)
class SchemaCheck:
    """One pass through the schema. `bad` are the parts that later checks must not look at."""

    report: Report
    suggester: Suggester = field(default_factory=Suggester)
    bad: set[At] = field(default_factory=set)
    _doubts: list[_Doubt] = field(default_factory=list)

    def run(self, data: Any) -> None:  # noqa: ANN401 - any data
        """Reports what is certainly wrong."""
        vms = data.get("vms") if isinstance(data, dict) else None
        order = {name: index for index, name in enumerate(vms)} if isinstance(vms, dict) else {}
        # The library goes through some mappings in the order of a set, which is another in each run.
        for fault in sorted(
            find_faults(data), key=lambda fault: order.get(fault.at[1] if len(fault.at) > 1 else "", -1)
        ):
            self._translate(fault, "")

    def settle(self) -> None:
        """Reports the doubts about parts that no other check complained about."""
        known = [problem.at for problem in self.report.problems]
        touched = {at[:length] for at in known for length in range(len(at) + 1)}
        complete = set(known)
        for doubt in self._doubts:
            above = any(doubt.at[:length] in complete for length in range(1, len(doubt.at) + 1))
            if doubt.at not in touched and not above:
                self.report.add("invalid-value", doubt.at, doubt.message)

    def _translate(self, fault: Fault, title: str) -> None:
        at = fault.at
        title = fault.schema.get("title", title)
        if fault.about_name:
            self._doubts.append(_Doubt((*at, fault.value), f"{quoted(fault.value)} must be {title}"))
        elif fault.keyword == "additionalProperties":
            self._unknown_keys(fault)
        elif fault.keyword == "required":
            self._missing(fault, title)
        elif fault.keyword == "oneOf":
            self._one_of(fault, title)
        elif fault.keyword == "enum":
            self._choice(fault)
        elif fault.keyword == "minProperties":
            self._add("no-vms", at, "`vms` names no VM", _EXAMPLE)
        elif fault.keyword == "maxItems":
            self._add(
                "too-many",
                at,
                f"{subject(at)} takes {fault.argument} entries at most",
                "a resolver asks no more",
            )
        else:
            self._must_be(fault, title)

    def _must_be(self, fault: Fault, title: str) -> None:
        at, value, wanted = fault.at, fault.value, fault.schema.get("type", "")
        bounded = fault.keyword in ("minimum", "maximum")
        if fault.keyword in ("pattern", "maxLength") or (bounded and "pattern" in fault.schema):
            self._doubts.append(_Doubt(at, f"{subject(at)} must be {title}, not {shown(value)}"))
        elif not at:
            self._add("wrong-type", at, f"the manifest must be a mapping, not {shown(value)}", _EXAMPLE)
        elif value is None and at == ("vms",):
            self._add("no-vms", at, "`vms` names no VM", _EXAMPLE)
        elif value is None:
            hint = (
                'write "" if it is to be empty'
                if title == "a string"
                else f"it must be {title}; or delete it"
            )
            self._add("wrong-type", at, f"{subject(at)} has no value", hint)
        else:
            code = "out-of-range" if bounded else "wrong-type"
            hint = _form_hint(value, fault.schema, title)
            numeral = isinstance(value, str) and wanted == "integer"
            said = f"the string {quoted(value)}" if numeral and hint else shown(value)
            said = quoted(str(value)) if bounded else said
            self._add(code, at, f"{subject(at)} must be {title}, not {said}", hint)

    def _one_of(self, fault: Fault, title: str) -> None:
        if "type" in fault.schema:  # which keys go together: a later check says it better
            self._doubts.append(_Doubt(fault.at, f"{subject(fault.at)} must be {title}"))
            return
        meant = next((faults for faults in fault.branches if not any(map(_is_other_type, faults))), None)
        if meant is None:
            self._must_be(fault, title)
            return
        for inner in meant:
            self._translate(inner, title)

    def _choice(self, fault: Fault) -> None:
        choices = [str(choice) for choice in fault.argument]
        word = str(fault.value).lower()
        known = _OTHER_WORDS.get(word.partition(":")[0], "") if "no" in choices else ""
        known = known or (_OTHER_CONDITIONS.get(word, "") if "healthy" in choices else "")
        known = known or (_OTHER_ACTIONS.get(word, "") if "rebuild" in choices else "")
        near = self.suggester.nearest(fault.value, choices) if isinstance(fault.value, str) else ""
        message = f"{subject(fault.at)} must be {listed(choices, 'or')}, not {shown(fault.value)}"
        self._add("invalid-choice", fault.at, message, known or (f"did you mean `{near}`?" if near else ""))

    def _missing(self, fault: Fault, title: str) -> None:
        at, schema = fault.at, fault.schema
        if at in self.bad:
            return  # the schema names each missing key on its own
        known = schema.get("properties") or keys_of("file")
        missing = [key for key in fault.argument if key not in fault.value]
        extra = (word for word in fault.value if word not in known and not _is_extension(word, schema))
        meant = {self.suggester.key(word, known) for word in extra}
        if meant.isdisjoint(missing):
            hint = f"it must be {title}" if title else ""
            message = f"{subject(at)} has no {listed(missing, 'and no')}"
            self._add("missing-key", at, message, hint if at else _EXAMPLE)
        self.bad.add(at)

    def _unknown_keys(self, fault: Fault) -> None:
        at, known = fault.at, tuple(fault.schema["properties"])
        for word in _extra_keys(fault.value, fault.schema):
            message = f"{subject(at)} has no key {quoted(word)}"
            if at == ("defaults",):
                self.bad.add((*at, word))  # a VM may have it, so nobody has looked at its value
            self.report.add("unknown-key", (*at, word), message, self._key_hint(at, word, known), on_key=True)

    def _key_hint(self, at: At, word: str, known: tuple[str, ...]) -> str:
        if at == () and word == "version":
            return "delete it: a manifest has no version"
        if at == () and word in keys_of("vm"):
            return f"`{word}` belongs to a VM, or under `defaults`"
        if at == ("defaults",) and word in keys_of("vm"):
            return f"`{word}` belongs to a single VM"
        meant = self.suggester.key(word, known)
        return f"did you mean `{meant}`?" if meant else f"keys here: {', '.join(known)}"

    def _add(self, code: str, at: At, message: str, hint: str) -> None:
        self.bad.add(at)
        self.report.add(code, at, message, hint)


def without(data: Any, bad: set[At]) -> Any:  # noqa: ANN401 - any data
    """A copy of the data with `BAD` in place of its bad parts."""
    copy = _copied(data)
    for at in sorted(bad, key=len, reverse=True):
        if at:
            parent = copy
            for part in at[:-1]:
                parent = parent[part]
            parent[at[-1]] = BAD
    return copy


def _copied(data: Any) -> Any:  # noqa: ANN401
    if isinstance(data, dict):
        return {key: _copied(value) for key, value in data.items()}
    return [_copied(value) for value in data] if isinstance(data, list) else data


def _extra_keys(instance: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    known = schema.get("properties", ())
    return (key for key in instance if known and key not in known and not _is_extension(key, schema))


def _is_extension(key: str, schema: dict[str, Any]) -> bool:
    return "patternProperties" in schema and key.startswith("x-")


def _is_other_type(fault: Fault) -> bool:
    return fault.keyword == "type" and fault.own


def _form_hint(value: object, schema: dict[str, Any], title: str) -> str:
    """How to write a value of the wrong type, if what it holds would do."""
    if isinstance(value, str):
        if schema.get("type") == "boolean":
            meant = _YES_AND_NO.get(value.lower())
            return f"did you mean `{meant}`?" if meant else ""
        numeral = schema.get("type") == "integer" and value.isascii() and value.isdigit()
        return "take away the quotes" if numeral else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    for word, form in _NUMBER_MEANS.items():
        if word in title:
            return f"did you mean `{form.format(value)}`?"
    fits = schema.get("type") == "string" and re.search(schema.get("pattern", ""), str(value))
    return "put it in quotes" if fits else ""
