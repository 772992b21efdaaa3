"""The schema that editors get: completion and hover for every key, and nothing red about variables."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from vmmcompose.manifest import editor_schema, schema_text
from vmmcompose.manifest.loader import Loader

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
SCHEMA = json.loads(editor_schema())
EDITOR, STRICT = Draft202012Validator(SCHEMA), Draft202012Validator(json.loads(schema_text()))
GOOD = sorted(
    [
        *ROOT.glob("examples/*/vmm.yaml"),
        *(case / "vmm.yaml" for case in GOLDEN.glob("manifest/good-*")),
        *(out.parent / "vmm.yaml" for out in GOLDEN.glob("compose/*/show.yaml")),
    ]
)
SEEN = re.compile(r"error\[(unknown-key|missing-key|invalid-choice|wrong-type|no-vms)\]")
"""Problems that are the schema's own."""
BAD = sorted(
    said.with_name("vmm.yaml")
    for said in GOLDEN.glob("manifest/*/problems.txt")
    if SEEN.search(said.read_text(encoding="utf-8")) and said.with_name("vmm.yaml").exists()
)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: f"{path.parent.parent.name}-{path.parent.name}")
def test_good_manifests_are_not_red(path: Path) -> None:
    root = Loader(path.read_text(), "vmm.yaml").load()
    assert root is not None
    data = root.data
    schema = EDITOR if "vms" in data else EDITOR.evolve(schema={**SCHEMA, "required": []})
    assert [error.message for error in schema.iter_errors(data)] == []


@pytest.mark.parametrize(
    "vm",
    [
        {"cpus": "${N}", "memory": "$M", "hypervisor": "$H", "ip": "$IP", "replicas": "$R"},
        {"ports": ["$P:80", {"host": "$P", "guest": "${G:-80}", "protocol": "$X"}]},
        {"healthcheck": {"tcp": "$P", "interval": "${I}s"}},
        {"healthcheck": {"http": "$P"}},
        {"mounts": ["$D:x", {"source": "$D", "tag": "$T", "mode": "$M"}], "dns": ["$D"]},
        {"files": {"/a": {"content": "$C", "mode": "$M", "owner": "$O"}}, "env": ["$E"]},
        {"lifecycle": {"prevent_delete": "$P"}, "update": {"max_unavailable": "$U"}},
    ],
)
def test_a_variable_may_stand_for_any_value(vm: dict[str, Any]) -> None:
    data = {"vms": {"web": {"image": "tiny", **vm}}}
    assert [error.message for error in EDITOR.iter_errors(data)] == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.parent.name)
def test_what_the_schema_can_see_is_red(path: Path) -> None:
    root = Loader(path.read_text(), "vmm.yaml").load()
    assert root is not None
    assert not EDITOR.is_valid(root.data)
    assert not STRICT.is_valid(root.data)


@pytest.mark.parametrize(
    "vm",
    [{"cpus": 99}, {"cpus": "2"}, {"memory": "1GB"}, {"ports": ["80"]}, {"imag": "x"}, {"hypervisor": "kvm"}],
)
def test_other_mistakes_stay_red(vm: dict[str, Any]) -> None:
    assert list(EDITOR.iter_errors({"vms": {"web": vm}}))


def test_every_key_says_what_it_is() -> None:
    missing: list[str] = []

    def look(schema: Any, where: str) -> None:
        for name, inner in schema.get("properties", {}).items():
            target = SCHEMA["$defs"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else {}
            if not (inner.get("description") or target.get("description")):
                missing.append(f"{where}.{name}")
            look(inner, f"{where}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                look(schema[key], where)
        for inner in schema.get("anyOf", ()):
            look(inner, where)

    look(SCHEMA, "")
    for name, schema in SCHEMA["$defs"].items():
        look(schema, name)
    assert missing == []


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
