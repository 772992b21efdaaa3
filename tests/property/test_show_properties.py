"""What `vmm manifest show` prints means what its input means, and no file makes anything but problems."""

import json
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import Manifest, parse_manifest, parse_project
from vmmcompose.manifest.show import as_json, as_yaml, shown_manifest
from vmmcompose.model.reading import Reading

SHOP = "/home/ada/shop"
ENVIRON = {
    "NUM": "2",
    "ZERO": "007",
    "WORD": "tiny",
    "EMPTY": "",
    "TRUE": "true",
    "ODD": 'a: "b" $X # c\\',
    "NL": "a\nb",
}
relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

VARIABLES = st.sampled_from(
    [*(f"${name}" for name in ENVIRON), "${NONE:-x}", "${EMPTY:-$WORD}", "${WORD:+y}", "$$", "$$NUM"]
)
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="$\u2028\u2029")
WORDS = st.one_of(
    st.text(CHARACTERS, max_size=6),
    st.sampled_from(["yes", "no", "1.10", "0x1f", "~", "null", "- a", "a: b", "# a", " a ", "'", '"']),
    st.sampled_from(["\\n", "{", "1e3", "<<", "="]),
    VARIABLES,
)
TEXTS = st.lists(WORDS, max_size=3).map("".join)
LINES = st.lists(TEXTS | st.sampled_from(["  indented", "\ttab", "trailing ", ""]), max_size=4).map("\n".join)
SCALARS = st.one_of(TEXTS, st.integers(-5, 5), st.booleans(), st.floats(-2, 2))
ENV_KEYS = st.sampled_from(["A", "B", "C"])
PAIRS = st.dictionaries(ENV_KEYS, SCALARS, max_size=3) | st.lists(
    st.tuples(ENV_KEYS, TEXTS).map("=".join), max_size=3, unique_by=lambda pair: pair[:1]
)
PORTS = st.lists(
    st.sampled_from(["8080:80", "127.0.0.1:80$NUM:22", "53:53/udp", {"host": "$NUM", "guest": 1}]),
    max_size=3,
    unique_by=str,
)
MOUNTS = st.lists(
    st.sampled_from(["./a:a:ro", "../b:b", "/c:$WORD", {"source": "d", "tag": "d"}]),
    max_size=3,
    unique_by=str,
)
FILES = st.dictionaries(
    st.sampled_from(["/etc/a", "/etc/b", "/etc/$NUM"]),
    LINES | st.just({"source": "./f", "mode": "0600"}),
    max_size=2,
)
PARTS: dict[str, st.SearchStrategy[Any]] = {
    "image": st.sampled_from(["tiny", "./rootfs.ext4", "$WORD"]),
    "cpus": st.sampled_from([1, "$NUM", "${NONE:-3}"]),
    "memory": st.sampled_from([64, "1GiB", "${NUM}GiB", "${NUM}00"]),
    "boot_args": st.sampled_from(["quiet", "a=$NUM", ""]),
    "ssh_keys": st.lists(st.sampled_from(["./k.pub", "/k.pub"]), max_size=2),
    "mounts": MOUNTS,
    "env": PAIRS,
    "labels": PAIRS,
    "files": FILES,
    "healthcheck": st.sampled_from(
        [{"tcp": "$NUM"}, {"http": "80/x"}, {"command": "$WORD"}, {"tcp": 1, "interval": "${NUM}s"}]
    ),
}
VMS = st.fixed_dictionaries(
    {}, optional={**PARTS, "hostname": st.sampled_from(["a", "$ZERO"]), "ports": PORTS}
)
NAMES = st.sampled_from(["web", "db", "api"])


@st.composite
def projects(draw: st.DrawFn) -> dict[str, bytes]:
    """The files of a project, some of them in folders."""
    vms = draw(st.dictionaries(NAMES, VMS, min_size=1, max_size=3))
    top: dict[str, Any] = {
        "defaults": {"image": "tiny", **draw(st.fixed_dictionaries({}, optional=PARTS))},
        "vms": vms,
    }
    if draw(st.booleans()):
        top["include"] = ["sub/vmm.yaml"]
    if "web" in vms and len(vms) > 1 and draw(st.booleans()):
        vms["web"]["extends"] = next(name for name in vms if name != "web")
    over = {"vms": draw(st.dictionaries(NAMES, VMS, max_size=2))}
    sub = {"defaults": draw(st.fixed_dictionaries({}, optional=PARTS)), "vms": {"sub": draw(VMS)}}
    dump: Callable[[Any], str] = json.dumps if draw(st.booleans()) else yaml.safe_dump
    names = ("vmm.yaml", "ci/over.yaml", "sub/vmm.yaml")
    return {
        f"{SHOP}/{name}": dump(value).encode() for name, value in zip(names, (top, over, sub), strict=True)
    }


def parsed(files: dict[str, bytes]) -> Manifest | None:
    reading = Reading((f"{SHOP}/vmm.yaml", f"{SHOP}/ci/over.yaml"), environ=ENVIRON)
    try:
        return parse_project(reading, files.get)
    except ManifestInvalid as error:
        problems = error.problems
    assert all(problem.place and problem.message for problem in problems)
    return None


@settings(relaxed, max_examples=400, suppress_health_check=list(HealthCheck))
@given(projects())
def test_what_is_shown_plans_the_same(files: dict[str, bytes]) -> None:
    manifest = parsed(files)
    assume(manifest)
    assert manifest is not None
    root = shown_manifest(manifest.root, manifest.desired.project)
    for text in (as_yaml(root), as_yaml(root, with_origins=True), as_json(root.data)):
        assert parse_manifest(text.encode(), "vmm.yaml", SHOP).desired == manifest.desired


@relaxed
@given(projects())
def test_showing_what_is_shown_changes_nothing(files: dict[str, bytes]) -> None:
    manifest = parsed(files)
    assume(manifest)
    assert manifest is not None
    text = as_yaml(shown_manifest(manifest.root, manifest.desired.project))
    again = parse_manifest(text.encode(), "vmm.yaml", SHOP)
    assert as_yaml(shown_manifest(again.root, again.desired.project)) == text


SIGNS = st.text(alphabet="ab:-[]{},&*!|>'\"%#? \n\t<1$}VNUM~/", max_size=80)
KEYS = st.sampled_from(
    [
        "vms",
        "web",
        "include",
        "extends",
        "path",
        "vm",
        "file",
        "defaults",
        "ports",
        "env",
        "env_file",
        "files",
        "depends_on",
        "healthcheck",
    ]
)
LEAVES = st.sampled_from(["web", "a.yaml", "b.yaml", "../x", "$NUM", "${", "A=b", None, 5, True, "8080:80"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@relaxed
@given(
    st.lists(
        TREES | st.fixed_dictionaries({"vms": st.dictionaries(NAMES, TREES), "include": TREES}),
        min_size=4,
        max_size=4,
    ),
    SIGNS,
)
def test_nothing_but_problems_comes_of_anything(trees: list[Any], env: str) -> None:
    names = ("vmm.yaml", "ci/over.yaml", "a.yaml", "ci/b.yaml")
    files = {f"{SHOP}/{name}": json.dumps(tree).encode() for name, tree in zip(names, trees, strict=True)}
    parsed({**files, f"{SHOP}/.env": env.encode()})


@relaxed
@given(SIGNS, SIGNS)
def test_nothing_but_problems_comes_of_random_signs(one: str, two: str) -> None:
    parsed({f"{SHOP}/vmm.yaml": b"vms:\n  web: " + one.encode(), f"{SHOP}/ci/over.yaml": two.encode()})
