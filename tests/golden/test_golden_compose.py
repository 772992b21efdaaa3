"""Each folder of `compose/` is a case: `vmm.yaml`, what belongs to it, and the manifest it makes or its problems.

`args.json` may say how it is read: files, env_files, environ, project. The folder is said to be /home/ada/shop.
`VMM_REGEN_GOLDEN=1` writes the outcomes anew; read the diff before you commit it.
"""

import json
import os
import posixpath
from pathlib import Path

import pytest

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import Manifest, parse_manifest, parse_project
from vmmcompose.manifest.show import as_json, as_yaml, shown_manifest
from vmmcompose.model.reading import Reading
from vmmcompose.render.problems import render_problems

CASES = Path(__file__).parent / "compose"
NAMES = sorted(case.name for case in CASES.iterdir() if case.is_dir())
BASE_DIR = "/home/ada/shop"


def parsed(case: Path) -> Manifest:
    args_file = case / "args.json"
    args = json.loads(args_file.read_text()) if args_file.exists() else {}
    usual = [name for name in ("vmm.yaml", "vmm.override.yaml") if (case / name).exists()]

    def absolute(names: list[str]) -> tuple[str, ...]:
        return tuple(posixpath.normpath(f"{BASE_DIR}/{name}") for name in names)

    def read(path: str) -> bytes | None:
        file = case / posixpath.relpath(path, BASE_DIR)
        return file.read_bytes() if file.is_file() else None

    reading = Reading(
        absolute(args.get("files", usual)),
        args.get("project", ""),
        absolute(args.get("env_files", [])),
        environ=args.get("environ", {}),
    )
    return parse_project(reading, read, shown=lambda path: posixpath.relpath(path, BASE_DIR))


def outcome(case: Path) -> tuple[str, str]:
    """The file that holds the outcome, and its text."""
    try:
        manifest = parsed(case)
    except ManifestInvalid as error:
        return "problems.txt", f"{render_problems(error.problems)}\n\n{error.message}\n"
    root = shown_manifest(manifest.root, manifest.desired.project)
    return "show.yaml", as_yaml(root, with_origins=True)


@pytest.mark.parametrize("name", NAMES)
def test_golden_compose(name: str) -> None:
    case = CASES / name
    file, text = outcome(case)
    if os.environ.get("VMM_REGEN_GOLDEN"):
        for old in ("problems.txt", "show.yaml"):
            (case / old).unlink(missing_ok=True)
        (case / file).write_text(text, encoding="utf-8")
    assert (case / file).exists(), f"this case ends in {file} now:\n{text}"
    assert text == (case / file).read_text(encoding="utf-8")


GOOD = [name for name in NAMES if (CASES / name / "show.yaml").exists()]


@pytest.mark.parametrize("name", GOOD)
def test_what_is_shown_means_the_same(name: str) -> None:
    manifest = parsed(CASES / name)
    root = shown_manifest(manifest.root, manifest.desired.project)
    for text in (as_yaml(root), as_yaml(root, with_origins=True), as_json(root.data)):
        assert parse_manifest(text.encode(), "shown.yaml", BASE_DIR).desired == manifest.desired


def test_there_are_enough_of_both() -> None:
    assert len(GOOD) >= 15
    assert len(NAMES) - len(GOOD) >= 15
