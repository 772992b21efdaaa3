"""How variables are filled in: rows of the table in docs/manifest.md, under their names there."""

from compose_rules import HERE, fault, rule, tree, value

from vmmcompose.manifest.assemble import assemble


@rule("`$VARIABLE` and `${VARIABLE}`")
def _() -> None:
    assert value("a $V-${V}b", V="x") == "a x-xb"


@rule("`${VARIABLE:-default}`: if unset or empty")
def _() -> None:
    assert [value("${V:-d}"), value("${V:-d}", V=""), value("${V:-d}", V="x")] == ["d", "d", "x"]


@rule("`${VARIABLE-default}`: only if unset")
def _() -> None:
    assert [value("${V-d}"), value("${V-d}", V=""), value("${V-d}", V="x")] == ["d", "", "x"]


@rule("`${VARIABLE:?err}`: an error with `err` if unset or empty")
def _() -> None:
    assert fault("${V:?say it}") == "the variable `V` is not set: say it"
    assert fault("${V:?say it}", V="") == "the variable `V` is empty: say it"
    assert value("${V:?say it}", V="x") == "x"


@rule("`${VARIABLE?err}`: an error with `err` only if unset")
def _() -> None:
    assert fault("${V?say it}") == "the variable `V` is not set: say it"
    assert value("${V?say it}", V="") == ""


@rule("`${VARIABLE:+replacement}` and `${VARIABLE+replacement}`")
def _() -> None:
    assert [value("${V:+r}"), value("${V:+r}", V=""), value("${V:+r}", V="x")] == ["", "", "r"]
    assert [value("${V+r}"), value("${V+r}", V=""), value("${V+r}", V="x")] == ["", "r", "r"]


@rule("Nested: `${VARIABLE:-${FOO}}`, `${VARIABLE?$FOO}`, `${VARIABLE:-${FOO:-default}}`")
def _() -> None:
    assert value("${V:-${FOO}}", FOO="f") == "f"
    assert fault("${V?$FOO}", FOO="f") == "the variable `V` is not set: f"
    assert value("${V:-${FOO:-default}}") == "default"


@rule("Other shell features, such as `${VARIABLE/foo/bar}`")
def _() -> None:
    assert fault("${V/foo/bar}", V="foo") == "`${V/foo/bar}` is no form that vmm knows"


@rule("`$$` is a dollar sign")
def _() -> None:
    assert value("$$V $${V} $$$$", V="x") == "$V ${V} $$"


@rule("A `$` that begins none of these")
def _() -> None:
    assert fault("cost: $5") == "there is a `$` that begins no variable"


@rule("Unset and without a default")
def _() -> None:
    assert fault("$V") == "the variable `V` is not set"


@rule("Compact notations too, file by file, before merging")
def _() -> None:
    files = {
        "vmm.yaml": 'vms: {web: {ports: ["$P:80"]}}',
        "over.yaml": 'vms: {web: {ports: ["8080:$G"]}}',
    }
    assert tree(files, "vmm.yaml", "over.yaml", P="8080", G="81") == {"vms": {"web": {"ports": ["8080:81"]}}}


@rule("Values only, never keys; `KEY=VALUE` where keys are to vary")
def _() -> None:
    assert tree({"vmm.yaml": "vms: {web: {labels: {$K: v}}}"}, K="x")["vms"]["web"]["labels"] == {"$K": "v"}
    assert tree({"vmm.yaml": "vms: {web: {labels: [$K=v]}}"}, K="x")["vms"]["web"]["labels"] == ["x=v"]


@rule("A value gets the type that its key wants")
def _() -> None:
    files = {"vmm.yaml": 'vms: {web: {cpus: "$N", hostname: $N, memory: $N, env: {N: $N}}}'}
    assert tree(files, N="2")["vms"]["web"] == {"cpus": 2, "hostname": "2", "memory": 2, "env": {"N": "2"}}


@rule("The environment wins over `.env`; `--env-file` replaces it")
def _() -> None:
    files = {"vmm.yaml": "vms: {web: {env: {A: $A, B: $B}}}", ".env": "A=file\nB=file"}
    assert tree(files, A="environ")["vms"]["web"]["env"] == {"A": "environ", "B": "file"}
    there = {f"{HERE}/{name}": text.encode() for name, text in {**files, "e": "A=e"}.items()}
    found = assemble([f"{HERE}/vmm.yaml"], there.get, shown=str, environ={}, env_files=[f"{HERE}/e"])
    assert [problem.message for problem in found.problems] == ["the variable `B` is not set"]
