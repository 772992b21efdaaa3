"""The JSON Schema: complete for editors, at one with the parser."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from vmmcompose.manifest import parse_manifest, schema_text
from vmmcompose.manifest.storage import FILE_KEYS

ROOT = Path(__file__).parents[3]
SCHEMA: dict[str, Any] = json.loads(schema_text())
GOLDEN = ROOT / "tests" / "golden" / "manifest"


def subschemas(node: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            yield from subschemas(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from subschemas(value, f"{where}/{index}")


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return {**resolved(SCHEMA["$defs"][reference.rpartition("/")[2]]), **node} if reference else node


def properties() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for where, node in subschemas(SCHEMA):
        if isinstance(node.get("properties"), dict) and not where.endswith("/properties"):
            found += [(f"{where}/{key}", value) for key, value in node["properties"].items()]
    return found


def test_it_is_the_file_in_schemas() -> None:
    assert schema_text() == (ROOT / "schemas" / "vmm.schema.json").read_text(encoding="utf-8")


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    ("where", "node"), properties(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_key_says_what_it_is_for_and_names_itself(where: str, node: dict[str, Any]) -> None:
    full = resolved(node)
    assert full.get("description"), where
    assert full.get("title"), where


@pytest.mark.parametrize(
    ("where", "node"), properties(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_examples_and_defaults_are_valid(where: str, node: dict[str, Any]) -> None:
    full = resolved(node)
    validator = Draft202012Validator({**full, "$defs": SCHEMA["$defs"]})
    for value in [*full.get("examples", []), *([full["default"]] if "default" in full else [])]:
        assert list(validator.iter_errors(value)) == [], (where, value)


def test_every_pattern_is_one_that_editors_know_too() -> None:
    for where, node in subschemas(SCHEMA):
        pattern = node.get("pattern")
        if isinstance(pattern, str):
            re.compile(pattern)
            assert not re.search(r"\(\?|\\[dwsDWSAZ]", pattern), where


def test_mappings_are_closed() -> None:
    for where, node in subschemas(SCHEMA):
        if node.get("type") == "object" or node.get("type") == ["object", "null"]:
            assert "additionalProperties" in node, where


def test_the_schema_and_the_parser_know_the_same_file_keys() -> None:
    assert set(SCHEMA["$defs"]["file"]["properties"]) == FILE_KEYS


def test_defaults_are_the_settings_of_a_vm_without_what_is_its_own() -> None:
    own = {"hostname", "ip", "ports", "volumes", "depends_on", "replicas", "profiles", "extends"}
    vm, defaults = SCHEMA["$defs"]["vm"]["properties"], SCHEMA["$defs"]["defaults"]["properties"]
    assert defaults == {key: value for key, value in vm.items() if key not in own}


@pytest.mark.parametrize("case", sorted(path.parent.name for path in GOLDEN.glob("good-*/vmm.yaml")))
def test_a_validated_file_gives_the_same_without_the_schema(case: str) -> None:
    data = (GOLDEN / case / "vmm.yaml").read_bytes()
    full = parse_manifest(data, "vmm.yaml", "/home/ada/shop")
    assert parse_manifest(data, "vmm.yaml", "/home/ada/shop", validated=True).desired == full.desired


def test_a_validated_file_does_not_import_jsonschema() -> None:
    code = (
        "import sys\n"
        "from vmmcompose.manifest import parse_manifest\n"
        "parse_manifest(b'vms: {web: {image: tiny}}', 'vmm.yaml', '/a', validated=True)\n"
        "assert 'jsonschema' not in sys.modules\n"
        "parse_manifest(b'vms: {web: {image: tiny}}', 'vmm.yaml', '/a')\n"
        "assert 'jsonschema' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_semantic_checks_run_although_the_schema_does_not() -> None:
    with pytest.raises(Exception, match="has a problem"):
        parse_manifest(b"vms: {web: {image: tiny, depends_on: [web]}}", "vmm.yaml", "/a", validated=True)
