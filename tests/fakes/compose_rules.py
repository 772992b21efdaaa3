"""Compose's published rules as small checks: how they are gathered, and how manifests are made for them."""

from collections.abc import Callable, Mapping
from typing import Any

from vmmcompose.manifest.assemble import Assembled, assemble

HERE = "/home/ada/shop"
RULES: dict[str, Callable[[], None]] = {}


def rule(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def add(check: Callable[[], None]) -> Callable[[], None]:
        assert name not in RULES
        RULES[name] = check
        return check

    return add


def read(files: Mapping[str, str], *paths: str, **environ: str) -> Assembled:
    there = {f"{HERE}/{name}": text.encode() for name, text in files.items()}
    named = [f"{HERE}/{path}" for path in paths or ("vmm.yaml",)]
    return assemble(named, there.get, shown=lambda path: path.removeprefix(f"{HERE}/"), environ=environ)


def tree(files: Mapping[str, str], *paths: str, **environ: str) -> Any:
    found = read(files, *paths, **environ)
    assert found.problems == []
    assert found.root is not None
    return found.root.data


def codes(files: Mapping[str, str], *paths: str, **environ: str) -> list[str]:
    return [problem.code for problem in read(files, *paths, **environ).problems]


def value(text: str, **environ: str) -> Any:
    return tree({"vmm.yaml": f"vms: {{web: {{env: {{A: '{text}'}}}}}}"}, **environ)["vms"]["web"]["env"]["A"]


def fault(text: str, **environ: str) -> str:
    [problem] = read({"vmm.yaml": f"vms: {{web: {{env: {{A: '{text}'}}}}}}"}, **environ).problems
    return problem.message


def merged(base: str, over: str) -> Any:
    """One VM out of two files."""
    files = {"vmm.yaml": f"vms: {{web: {base}}}", "over.yaml": f"vms: {{web: {over}}}"}
    return tree(files, "vmm.yaml", "over.yaml")["vms"]["web"]


def extended(base: str, own: str) -> Any:
    return tree({"vmm.yaml": f"vms: {{base: {base}, web: {{extends: base, {own}}}}}"})["vms"]["web"]
