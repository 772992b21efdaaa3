"""Attacks and laws: nothing but ManifestInvalid ever comes out, and form never matters."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import Manifest, parse_manifest, schema_text
from vmmcompose.manifest.loader import Loader, LoadError
from vmmcompose.manifest.replicas import filled
from vmmcompose.manifest.text import read_text
from vmmcompose.render.problems import render_problems

GOLDEN = Path(__file__).parents[2] / "golden" / "manifest"
CORPUS = [path.read_bytes() for path in sorted(GOLDEN.glob("*/vmm.yaml"))]
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
STRICT = Draft202012Validator(json.loads(schema_text()))
BASE = "/home/ada/shop"

relaxed = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def parse(data: bytes) -> Manifest | None:
    """The manifest, or None with problems that are complete."""
    try:
        return parse_manifest(data, "vmm.yaml", BASE)
    except ManifestInvalid as error:
        problems = error.problems
    assert problems
    assert all(problem.place and problem.code and problem.message for problem in problems)
    places = [(problem.place.line, problem.place.column) for problem in problems if problem.place]
    assert places == sorted(places)
    assert not CONTROL.search(render_problems(problems).replace("\n", ""))
    return None


WORDS = st.sampled_from(
    [
        "", "web", "db", "tiny", "debian-12", "x-a", "~", "/", "./a", "/a:b", "a:b:ro", "1GiB", "512MB", "2s", "80/x",
        "8080:80", "127.0.0.1:1:1", "1:1/udp", "172.16.0.9", "::1", "A=1", "started", "healthy", "ro", "tcp", "auto",
        "0s", "provisioned",
        "a:/b", "a:/mnt/a:ro", "8080-8082:80", "9-8:1-2", "${VMM_INDEX}", "x${VMM_INDEX}", "on-failure",
        "ip=1", "ssh-ed25519 AAAA", "0644", "1:1", "/etc/a", "/etc/a/b", "/dev/x", "\u202e", "é", "日本", "<<", "a\nb",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [
        "name",
        "defaults",
        "vms",
        "web",
        "db",
        "api",
        "image",
        "kernel",
        "boot_args",
        "cpus",
        "memory",
        "disk",
        "hypervisor",
        "ssh_keys",
        "dns",
        "hostname",
        "ip",
        "mounts",
        "ports",
        "depends_on",
        "healthcheck",
        "labels",
        "env",
        "files",
        "tcp",
        "http",
        "command",
        "interval",
        "timeout",
        "host",
        "guest",
        "protocol",
        "bind",
        "source",
        "tag",
        "mode",
        "path",
        "content",
        "owner",
        "condition",
        "required",
        "volume",
        "volumes",
        "target",
        "size",
        "run",
        "script",
        "prevent_delete",
        "max_unavailable",
        "vm",
        "port",
        "x-any",
        "vcpu",
    ]
)
LEAVES = st.one_of(
    WORDS, st.text(max_size=5), st.integers(-1, 70000), st.booleans(), st.none(), st.floats(allow_nan=False)
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS | WORDS, inner, max_size=4))


VALUES = st.recursive(LEAVES, containers, max_leaves=12)
VM_KEYS = st.sampled_from(sorted(STRICT.schema["$defs"]["vm"]["properties"]))  # type: ignore[index]
VMS = st.dictionaries(
    st.sampled_from(["web", "db", "api", "Bad"]), st.dictionaries(VM_KEYS, VALUES, max_size=6)
)
MANIFESTS = st.fixed_dictionaries(
    {"vms": VMS},
    optional={
        "defaults": st.dictionaries(VM_KEYS, VALUES, max_size=3),
        "volumes": st.dictionaries(WORDS | KEYS, VALUES, max_size=3),
    },
)


@relaxed
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    parse(data)


@relaxed
@given(st.text(alphabet="ab:-[]{},&*!|>'\"%@`#? \n\t<1.~/", max_size=80))
def test_random_yaml_signs(text: str) -> None:
    parse(text.encode())


@relaxed
@given(VALUES | MANIFESTS)
def test_random_structures(value: Any) -> None:
    parse(json.dumps(value, ensure_ascii=False).encode())
    parse(yaml.safe_dump(value, allow_unicode=True).encode())


@settings(relaxed, max_examples=400)
@given(MANIFESTS)
def test_what_the_schema_refuses_is_refused(value: dict[str, Any]) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    text = read_text(data, "vmm.yaml")
    manifest = parse(data)
    if not isinstance(text, str):
        assert manifest is None
        return
    root = Loader(text, "vmm.yaml").load()
    assert root is not None
    if not STRICT.is_valid(filled(root.data, 1)):
        assert manifest is None


@settings(relaxed, max_examples=400)
@given(st.sampled_from(CORPUS), st.data())
def test_damaged_manifests(original: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 20)))
    new = data.draw(
        st.binary(max_size=4) | st.sampled_from([b"\n", b"  ", b"*a", b"&a ", b"[", b"{", b": ", b"- ", b"'"])
    )
    parse(original[:start] + new + original[end:])


@relaxed
@given(st.sampled_from(CORPUS), st.data())
def test_both_parsers_refuse_the_same(original: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(original)))
    text = read_text(original[:cut], "vmm.yaml")
    if not isinstance(text, str):
        return
    found = []
    for pure in (False, True):
        try:
            root = Loader(text, "vmm.yaml").load(pure=pure)
            found.append(root.data if root else None)
        except LoadError as error:
            found.append(error.problem.code)
    assert found[0] == found[1]


@relaxed
@given(st.lists(st.sampled_from(["name", "defaults", "vms"]), unique=True, min_size=3), st.randoms())
def test_key_order_and_comments_never_matter(order: list[str], random: Any) -> None:
    case = GOLDEN / "good-everything" / "vmm.yaml"
    text = case.read_text()
    expected = parse(text.encode())
    data = Loader(text, "vmm.yaml").load()
    assert expected
    assert data
    written = {
        vm: env.children
        for vm, node in data.children["vms"].children.items()
        if (env := node.children.get("env"))
    }
    value = {key: data.data[key] for key in order}
    value = json.loads(json.dumps(value))
    for vm, children in written.items():  # numbers in env are their text
        if not isinstance(value["vms"][vm]["env"], list):
            value["vms"][vm]["env"] = {key: child.text for key, child in children.items()}
    value["vms"]["web"]["files"]["/opt/run"]["mode"] = "0755"
    shuffled = shuffle(value, random.shuffle)
    comment = "".join(random.choice(["# note\n", "\n", ""]) for _ in range(3))
    found = parse(
        (
            comment
            + yaml.safe_dump(shuffled, sort_keys=False, default_flow_style=random.choice([True, False, None]))
        ).encode()
    )
    assert found
    assert found.desired == expected.desired


ORDERED = ("ignore", "dns", "command")


def shuffle(value: Any, mix: Callable[[list[Any]], None], key: str = "") -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        mix(items)
        return {name: shuffle(item, mix, name) for name, item in items}
    if isinstance(value, list):
        copy = [shuffle(item, mix) for item in value]
        if key not in ORDERED:
            mix(copy)
        return copy
    return value


@pytest.mark.parametrize("project", ["Bad Name", "", "x" * 62, "ok"])
def test_the_project_given_outside(project: str) -> None:
    data = b"name: inside\nvms: {web: {image: tiny}}"
    if project in ("", "ok"):
        assert parse_manifest(data, "vmm.yaml", BASE, project=project).desired.project == (
            project or "inside"
        )
    else:
        with pytest.raises(ManifestInvalid):
            parse_manifest(data, "vmm.yaml", BASE, project=project)


@pytest.mark.parametrize(
    ("base", "name"), [("/home/ada/My Shop_2", "my-shop-2"), ("/srv/x/", "x"), ("/", None)]
)
def test_the_directory_names_the_project(base: str, name: str | None) -> None:
    data = b"vms: {web: {image: tiny}}"
    if name:
        assert parse_manifest(data, "vmm.yaml", base).desired.project == name
    else:
        with pytest.raises(ManifestInvalid, match="has a problem"):
            parse_manifest(data, "vmm.yaml", base)


def test_a_long_chain_of_dependencies_is_no_recursion() -> None:
    count = 5000
    vms = {f"v{i}": {"depends_on": [f"v{i + 1}"]} for i in range(count)} | {f"v{count}": {}}
    text = json.dumps({"defaults": {"image": "tiny"}, "vms": vms})
    manifest = parse(text.encode())
    assert manifest
    assert len(manifest.desired.vms) == count + 1
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(
            text.replace(f'"v{count}": {{}}', f'"v{count}": {{"depends_on": ["v0"]}}').encode(), "f", BASE
        )
    (problem,) = caught.value.problems
    assert "`v0` → `v1`" in problem.message
    assert problem.message.endswith("`v0`")
    assert len(problem.message) < 300


def test_thousands_of_mistakes_are_all_reported() -> None:
    vms = "".join(f"  v{i}: {{image: tiny, vcpu: 2, memory: 1GB}}\n" for i in range(2000))
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(f"vms:\n{vms}".encode(), "f", BASE)
    assert len(caught.value.problems) == 4000


def test_settings_decide_about_addresses_only() -> None:
    data = b"vms: {web: {image: tiny, ip: 172.16.0.9}}"
    assert parse_manifest(data, "f", BASE).desired.vms[0].ip == "172.16.0.9"
