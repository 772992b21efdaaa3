"""Firecracker's OpenAPI description against what we send, and against what the stand-in takes.

The description is looked for in $VMM_FIRECRACKER_OPENAPI and beside the repository, as
`../shared/reference/firecracker-*-openapi.yaml`. It belongs to Firecracker and is not kept here.
"""

import copy
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml
from fc_rules import BODIES, Wrong, checked
from firecracker_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from vmmcompose.drivers.base import Launch, MemoryFiles
from vmmcompose.drivers.firecracker.config import (
    PAUSE,
    PRESS_KEYS,
    RESUME,
    Call,
    calls,
    load_calls,
    snapshot_call,
    swap_drive,
)
from vmmcompose.model.desired import Attachment, Mount
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec


def _find() -> Path | None:
    named = os.environ.get("VMM_FIRECRACKER_OPENAPI")
    if named:
        return Path(named)
    beside = Path(__file__).parents[3] / "shared" / "reference"
    return max(beside.glob("firecracker-*-openapi.yaml"), default=None)


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    path = _find()
    if path is None:
        pytest.skip("no OpenAPI description of Firecracker: set VMM_FIRECRACKER_OPENAPI")
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def _schema(api: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """The JSON Schema of a request's body; fails for a request that is not described."""
    operation = _operation(api, method, path)
    schemas = [part["schema"] for part in operation["parameters"] if part["in"] == "body"]
    return {**schemas[0], "definitions": api["definitions"]}


def _operation(api: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    for template, operations in api["paths"].items():
        pattern = re.sub(r"\{\w+\}", r"[^/]+", template)
        if re.fullmatch(pattern, path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    raise AssertionError(f"{method} {path} is not described")


def _strict(schema: Any) -> Any:
    """The same schema with unknown fields refused, as Firecracker refuses most of them."""
    if isinstance(schema, dict):
        made = {key: _strict(part) for key, part in schema.items()}
        if isinstance(made.get("properties"), dict) and made.get("type") == "object":
            made.setdefault("additionalProperties", False)
        return made
    return [_strict(part) for part in schema] if isinstance(schema, list) else schema


NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
MOUNTS = st.builds(Mount, tag=NAMES, source=st.just("/srv/x"), mode=st.sampled_from(("ro", "rw")))
VOLUMES = st.builds(Attachment, volume=NAMES, target=st.just("/srv/v"), mode=st.sampled_from(("ro", "rw")))
MACS = st.binary(min_size=4, max_size=4).map(lambda address: "06:00:" + address.hex(":"))


@st.composite
def specs(draw: st.DrawFn) -> VmSpec:
    project, vm = draw(NAMES), draw(NAMES)
    vm_id = draw(st.from_regex(r"[0-9a-f]{12}", fullmatch=True))
    return VmSpec(
        name=f"{project}-{vm}",
        id=vm_id,
        project=project,
        vm=vm,
        driver="firecracker",
        image="tiny",
        kernel="default",
        boot_args=draw(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)),
        cpus=draw(st.integers(1, 32)),
        memory_mib=draw(st.integers(32, 1 << 20)),
        disk_mib=1024,
        hostname=vm,
        ip="172.16.0.2",
        prefix_len=16,
        gateway="172.16.0.1",
        mac=draw(MACS),
        tap=f"vmm-{vm_id[:11]}",
        mounts=tuple(draw(st.lists(MOUNTS, max_size=7, unique_by=lambda mount: mount.tag))),
        volumes=tuple(draw(st.lists(VOLUMES, max_size=5, unique_by=lambda volume: volume.volume))),
    )


VERSIONS = st.sampled_from([(1, 7, 0), (1, 13, 2), (1, 14, 0), (1, 16, 1), (2, 0, 0)])
KERNELS = st.builds(
    Kernel, name=st.just("k"), vmlinux=st.just("/k/vmlinux"), initrd=st.sampled_from(("", "/k/initrd"))
)


def _calls(spec: VmSpec, kernel: Kernel, version: tuple[int, int, int]) -> tuple[Call, ...]:
    """Every request that is sent in the life of a VM."""
    paths = Paths(PurePosixPath("/var/lib/vmm"))
    launch = Launch(spec=spec, paths=paths, kernel=kernel, binary="firecracker", kvm=True)
    files = MemoryFiles("/s/state", "/s/memory")
    return (
        *calls(launch, version),
        PAUSE,
        snapshot_call(files),
        RESUME,
        PRESS_KEYS,
        *load_calls(launch, files, version, catch_up=True),
        *(swap_drive(index, "/m/tag.ext4") for index in range(len(spec.mounts))),
    )


@settings(deadline=None)  # the machine may be busy
@given(spec=specs(), kernel=KERNELS, version=VERSIONS)
def test_every_request_of_ours_is_as_described(
    api: dict[str, Any], spec: VmSpec, kernel: Kernel, version: tuple[int, int, int]
) -> None:
    for call in _calls(spec, kernel, version):
        schema = _strict(_schema(api, call.method, call.path))
        jsonschema.validate(dict(call.body), schema, jsonschema.Draft4Validator)


@settings(deadline=None)  # the machine may be busy
@given(spec=specs(), kernel=KERNELS, version=VERSIONS)
def test_the_stand_in_takes_every_request_of_ours(
    spec: VmSpec, kernel: Kernel, version: tuple[int, int, int]
) -> None:
    for call in _calls(spec, kernel, version):
        name = call.path.strip("/")
        checked(call.method, name if "snapshot" in name else name.split("/")[0], dict(call.body))


def test_what_we_ask_besides_is_described(api: dict[str, Any]) -> None:
    _operation(api, "GET", "/")
    info = api["definitions"]["InstanceInfo"]
    assert {"id", "state", "vmm_version"} <= set(info["required"])
    assert info["properties"]["state"]["enum"] == ["Not started", "Running", "Paused"]


def _described(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, resource as the stand-in names it, and schema of every described request with a body."""
    for template, operations in api["paths"].items():
        resource = re.sub(r"/\{\w+\}", "", template).strip("/")
        for method in operations:
            bodies = [p for p in operations[method].get("parameters", ()) if p["in"] == "body"]
            if bodies:
                yield (
                    method.upper(),
                    resource,
                    _schema(api, method, template.replace("{", "").replace("}", "")),
                )


NOT_PLAYED = {
    ("PUT", "cpu-config"),
    ("PATCH", "balloon/statistics"),
    ("PATCH", "balloon/hinting/start"),
    ("PUT", "hotplug/memory"),
    ("PATCH", "hotplug/memory"),
    ("PUT", "pmem"),
    ("PATCH", "pmem"),
}
"""Requests with a body that the stand-in does not know; the driver has no use for them."""


def test_the_stand_in_knows_what_is_described(api: dict[str, Any]) -> None:
    assert {(method, resource) for method, resource, _ in _described(api)} == set(BODIES) | NOT_PLAYED


def _resolved(api: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = api["definitions"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _example(api: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value that the schema allows, with every field filled in."""
    schema = _resolved(api, schema)
    if "enum" in schema:
        return schema["enum"][0]
    simple = {"string": "x", "boolean": True, "integer": schema.get("minimum", 1)}
    if schema.get("type") in simple:
        return simple[schema["type"]]
    if schema.get("type") == "array":
        return [_example(api, schema["items"])]
    return {name: _example(api, part) for name, part in schema.get("properties", {}).items()}


SPECIAL = {"guest_mac": "06:00:ac:10:00:02", "ipv4_address": "169.254.169.254"}


def _whole(api: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = _example(api, schema)
    return {name: SPECIAL.get(name, part) for name, part in value.items()}


def test_the_stand_in_takes_what_the_description_allows(api: dict[str, Any]) -> None:
    for method, resource, schema in _described(api):
        if (method, resource) not in NOT_PLAYED:
            value = _whole(api, schema)
            jsonschema.validate(value, schema, jsonschema.Draft4Validator)
            assert checked(method, resource, value) == value, f"{method} {resource}"


OTHERS: tuple[Any, ...] = ("nonsense", -1, 1.5, True, [], {}, 2**64)


def _spoilt(value: Any) -> Iterator[Any]:
    """Copies of an object with one thing wrong that may be wrong."""
    for name in list(value):
        less = copy.deepcopy(value)
        del less[name]
        yield less
        for other in OTHERS:
            yield copy.deepcopy(value) | {name: other}
        if isinstance(value[name], dict):
            yield from (value | {name: inner} for inner in _spoilt(value[name]))


LENIENT = {
    ("PUT", "machine-config"): "numbers of CPUs are looked at later",
    ("PATCH", "machine-config"): "a part is enough, numbers of CPUs are looked at later",
    ("PUT", "vsock"): "the smallest CID is not looked at, nor is it by a real one",
}


def test_the_stand_in_refuses_what_the_description_forbids(api: dict[str, Any]) -> None:
    forbidden = 0
    for method, resource, schema in _described(api):
        if (method, resource) in NOT_PLAYED | set(LENIENT):
            continue
        validator = jsonschema.Draft4Validator(schema)
        for value in _spoilt(_whole(api, schema)):
            if not validator.is_valid(value):
                forbidden += 1
                with pytest.raises(Wrong):
                    checked(method, resource, value)
    assert forbidden > 150


def test_the_stand_in_is_as_strict_in_the_lenient_ones_but_for_numbers(api: dict[str, Any]) -> None:
    for method, resource, schema in _described(api):
        if (method, resource) in LENIENT:
            validator = jsonschema.Draft4Validator(_without(schema, "minimum", "maximum", "required"))
            for value in _spoilt(_whole(api, schema)):
                if not validator.is_valid(value):
                    with pytest.raises(Wrong):
                        checked(method, resource, value)


def _without(schema: Any, *keys: str) -> Any:
    if isinstance(schema, dict):
        return {key: _without(part, *keys) for key, part in schema.items() if key not in keys}
    return [_without(part, *keys) for part in schema] if isinstance(schema, list) else schema


def test_what_a_real_one_accepts_is_described(api: dict[str, Any]) -> None:
    """The other way round: a request that works and is not described would be a mistake in the table."""
    odd = {"mmds", "boot-source", "vsock"}  # any JSON; more to the path; a CID below the smallest
    for case in CASES:
        method, path, body = case.request
        if case.status == 204 and isinstance(body, dict) and path.split("/")[1] not in odd:
            given_fields = {name: part for name, part in body.items() if part is not None}
            schema = _schema(api, method, path)
            if method == "PATCH":
                schema = _without(schema, "required")
            if "level" in given_fields:
                given_fields["level"] = given_fields["level"].capitalize()
            jsonschema.validate(given_fields, _strict(schema), jsonschema.Draft4Validator)
