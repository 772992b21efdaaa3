"""Manifests of many files: limits, and that the work grows with their size alone."""

from collections.abc import Mapping

from counting import calls_of, grows_steadily

from vmmcompose.manifest.assemble import Assembled, assemble
from vmmcompose.manifest.documents import MAX_FILES


def read(files: Mapping[str, str], **environ: str) -> Assembled:
    there = {f"/p/{name}": text.encode() for name, text in files.items()}
    return assemble(["/p/vmm.yaml"], there.get, shown=lambda path: path[3:], environ=environ)


def codes(files: Mapping[str, str]) -> list[str]:
    found = read(files)
    assert found.broken or found.root is not None
    return [problem.code for problem in found.problems]


def test_too_many_files() -> None:
    names = [f"{number}.yaml" for number in range(MAX_FILES + 1)]
    files = {name: f"vms: {{vm-{number}: }}" for number, name in enumerate(names)}
    assert codes({"vmm.yaml": f"include: [{', '.join(names[:-2])}]", **files}) == []
    assert codes({"vmm.yaml": f"include: [{', '.join(names)}]", **files}) == ["too-many-files"]


def test_files_that_include_each_other_in_every_combination_come_to_an_end() -> None:
    layers = {
        f"{layer}-{side}.yaml": f"include: [{layer + 1}-a.yaml, {layer + 1}-b.yaml]"
        for layer in range(20)
        for side in "ab"
    }
    files = {"vmm.yaml": "include: [0-a.yaml]", **layers}
    assert "too-many-files" in codes(files)
    assert calls_of(lambda: read(files)) < 1_000 * MAX_FILES  # there are a million ways down


def test_files_that_include_each_other_too_deep() -> None:
    chain = {f"{number}.yaml": f"include: [{number + 1}.yaml]" for number in range(100)}
    assert codes({"vmm.yaml": "include: [0.yaml]", **chain}) == ["too-many-files"]


def test_lists_that_grow_from_vm_to_vm_are_refused() -> None:
    lines = [f"  vm-{i}: {{extends: vm-{i + 1}, ports: ['{i}:80']}}" for i in range(3000)]
    text = "vms:\n" + "\n".join(lines) + "\n  vm-3000: {}\n"
    assert codes({"vmm.yaml": text}) == ["too-large"]


def test_a_long_chain_of_vms_is_followed_to_its_end() -> None:
    def chain(count: int) -> dict[str, str]:
        lines = [f"  vm-{i}: {{extends: vm-{i + 1}, cpus: {i % 32}}}" for i in range(count)]
        return {"vmm.yaml": "vms:\n" + "\n".join(lines) + f"\n  vm-{count}: {{memory: 64}}\n"}

    found = read(chain(5000))
    assert found.root is not None
    assert found.problems == []
    assert found.root.data["vms"]["vm-0"] == {"memory": 64, "cpus": 0}
    assert grows_steadily(lambda count: calls_of(lambda: read(chain(count))), 250, 2000)


def test_what_a_file_says_of_another_is_not_asked_of_the_host_when_nobody_needs_it() -> None:
    asked: list[str] = []

    def reader(path: str) -> bytes | None:
        asked.append(path)
        return b"vms: {web: {image: tiny}}" if path == "/p/vmm.yaml" else None

    assemble(["/p/vmm.yaml"], reader, shown=str, environ={})
    assert sorted(asked) == ["/p/.env", "/p/vmm.yaml"]


def test_an_env_file_may_have_a_byte_order_mark_and_windows_lines() -> None:
    files = {
        "vmm.yaml": "vms: {web: {env: {A: $A, B: $B, C: $C}}}",
        ".env": "\ufeffA=1\r\nB='2'\r\nC=a b \r\nC=\"3\"\r\n",
    }
    found = read(files)
    assert found.problems == []
    assert found.root is not None
    assert found.root.data["vms"]["web"]["env"] == {"A": "1", "B": "2", "C": "3"}
