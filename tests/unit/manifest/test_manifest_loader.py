"""The loader: positions, anchors, merges, limits; libyaml and PyYAML's own parser agree."""

from pathlib import Path

import pytest

from vmmcompose.manifest.loader import MAX_ALIASED, MAX_DEPTH, Loader, LoadError
from vmmcompose.manifest.nodes import Node

GOLDEN = Path(__file__).parents[2] / "golden" / "manifest"
TEXTS = sorted(path for path in GOLDEN.glob("*/vmm.yaml"))


def load(text: str, *, pure: bool = False) -> Node:
    loader = Loader(text, "vmm.yaml")
    root = loader.load(pure=pure)
    assert root is not None
    assert loader.problems == []
    return root


def refusal(text: str, *, pure: bool = False) -> str:
    with pytest.raises(LoadError) as caught:
        Loader(text, "vmm.yaml").load(pure=pure)
    return caught.value.problem.code


def outline(node: Node) -> object:
    children = {key: outline(child) for key, child in node.children.items()}
    keys = {key: child.span for key, child in node.keys.items()}
    empty = node.span[:2] == node.span[2:]
    # Where a block collection ends is the parsers' own business, and so is where nothing stands.
    span = node.span if node.kind == "scalar" and not empty else node.span[:2] if not empty else None
    return node.kind, node.data, span, keys, children


def result(path: Path, *, pure: bool) -> object:
    loader = Loader(path.read_text(), "vmm.yaml")
    try:
        root = loader.load(pure=pure)
    except LoadError as error:
        return error.problem.code, error.problem.message, error.problem.place and error.problem.place.line
    return root and outline(root), [(problem.code, problem.at, problem.place) for problem in loader.problems]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.parent.name)
def test_both_parsers_give_the_same(path: Path) -> None:
    assert result(path, pure=True) == result(path, pure=False)


def test_positions_of_keys_and_values() -> None:
    root = load("name: shop\nvms:\n  web: {image: tiny}\n")
    web = root.children["vms"].children["web"]
    assert root.keys["name"].span == (0, 0, 0, 4)
    assert root.children["name"].span == (0, 6, 0, 10)
    assert root.children["vms"].keys["web"].span == (2, 2, 2, 5)
    assert web.children["image"].span == (2, 15, 2, 19)


def test_columns_count_characters_not_bytes() -> None:
    root = load('a: {é: "日本", 𝄞: x}\n')
    assert root.children["a"].keys["𝄞"].span == (0, 13, 0, 14)


def test_own_keys_win_over_merged_and_earlier_sources_over_later() -> None:
    root = load("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {x: 4, <<: *b}\n")
    assert root.children["c"].data == {"x": 3, "y": 1, "z": 2}
    assert root.children["d"].data == {"x": 4, "y": 2, "z": 2}


def test_merges_of_merges_and_inline_mappings() -> None:
    root = load("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\nd: {<<: {q: 1}}\n")
    assert root.children["c"].data == {"y": 2, "x": 1}
    assert root.children["d"].data == {"q": 1}


def test_a_quoted_merge_key_is_a_word() -> None:
    assert load('a: {"<<": 1}\n').data == {"a": {"<<": 1}}


def test_keys_are_words_whatever_they_look_like() -> None:
    assert load("1: a\nno: b\n~: c\n1.0: d\n").data == {"1": "a", "no": "b", "~": "c", "1.0": "d"}


def test_an_anchor_may_be_given_anew() -> None:
    assert load("a: &x 1\nb: *x\nc: &x 2\nd: *x\n").data == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_a_byte_order_mark_does_not_shift_columns() -> None:
    from vmmcompose.manifest.text import read_text

    assert read_text("\ufeffa: 1\n".encode(), "vmm.yaml") == "a: 1\n"


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 100_000, "too-deep"),
        ("{a: " * 100_000, "too-deep"),
        ("- " * 100_000, "too-deep"),
        ("? " * 100_000, "too-deep"),
        ("a: &a [" + "[" * MAX_DEPTH, "too-deep"),
        ("a: &a {b: *a}", "alias"),
        ("a: *b", "alias"),
        ("a: 1\n--- \nb: 1", "several-documents"),
        ("a: [1, 2", "yaml-syntax"),
    ],
)
def test_refused(text: str, code: str, pure: bool) -> None:
    assert refusal(text, pure=pure) == code


def test_depth_is_counted_through_aliases() -> None:
    deep = "x0: &x0 [[[[[[[[[[1]]]]]]]]]]\n"
    deep += "".join(f"x{i}: &x{i} [[[[[[[[[[*x{i - 1}]]]]]]]]]]\n" for i in range(1, 8))
    assert refusal(deep) == "too-deep"


@pytest.mark.parametrize("form", ["[{}]", "{{a: {}}}"])
def test_an_alias_bomb_is_refused_before_it_is_built(form: str) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 30):
        inner = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{inner}]")
    assert refusal("\n".join(lines)) == "alias-bomb"


def test_many_harmless_aliases_are_fine() -> None:
    count = MAX_ALIASED // 10
    text = "d: &d {a: 1, b: 2}\nl:\n" + "".join("- *d\n" for _ in range(count))
    assert len(load(text).data["l"]) == count


def test_merges_that_double_are_refused() -> None:
    wide = "a: &a {" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}\n"
    assert refusal(wide + "".join(f"m{i}: {{<<: *a}}\n" for i in range(1000))) == "alias-bomb"
