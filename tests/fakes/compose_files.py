"""How files include and extend others: rows of the table in docs/manifest.md, under their names there."""

from compose_rules import HERE, codes, extended, rule, tree


@rule("`include`: each is a model of its own, with its own directory for relative paths")
def _() -> None:
    files = {
        "vmm.yaml": "include: [db/vmm.yaml]\ndefaults: {cpus: 1}\nvms: {web: }",
        "db/vmm.yaml": "name: own\ndefaults: {memory: 64}\nvms: {db: {mounts: [./d:d]}}",
    }
    assert tree(files) == {
        "defaults": {"cpus": 1},
        "vms": {"web": None, "db": {"memory": 64, "mounts": [f"{HERE}/db/d:d"]}},
    }


@rule("What is there twice: a warning, and not merged")
def _() -> None:
    assert codes({"vmm.yaml": "include: [a.yaml]\nvms: {a: }", "a.yaml": "vms: {a: }"}) == [
        "include-conflict"
    ]


@rule("`include` is evaluated after the files are merged")
def _() -> None:
    files = {"vmm.yaml": "include: [a.yaml]", "over.yaml": "vms: {a: }", "a.yaml": "vms: {a: {cpus: 2}}"}
    assert codes(files, "vmm.yaml", "over.yaml") == ["include-conflict"]


@rule("`include` applies recursively")
def _() -> None:
    files = {"vmm.yaml": "include: [a.yaml]", "a.yaml": "include: [b.yaml]", "b.yaml": "vms: {b: }"}
    assert tree(files) == {"vms": {"b": None}}


@rule("Included resources can be named, as in `depends_on`")
def _() -> None:
    files = {"vmm.yaml": "include: [a.yaml]\nvms: {web: {depends_on: [a]}}", "a.yaml": "vms: {a: }"}
    assert tree(files) == {"vms": {"web": {"depends_on": ["a"]}, "a": None}}


@rule("Short `include`: variables from the project, then from `.env` beside the included file")
def _() -> None:
    files = {
        "vmm.yaml": "include: [db/vmm.yaml]",
        ".env": "A=main",
        "db/vmm.yaml": "vms: {db: {env: {A: $A, B: $B}}}",
        "db/.env": "A=db\nB=db",
    }
    assert tree(files)["vms"]["db"]["env"] == {"A": "main", "B": "db"}


@rule("Long `include`: `path`, one or several merged together")
def _() -> None:
    files = {
        "vmm.yaml": "include: [{path: [a.yaml, b.yaml]}]",
        "a.yaml": "vms: {a: {cpus: 1}}",
        "b.yaml": "vms: {a: {cpus: 2}}",
    }
    assert tree(files) == {"vms": {"a": {"cpus": 2}}}


@rule("Long `include`: `project_directory`, by default that of the file")
def _() -> None:
    files = {
        "vmm.yaml": "include: [{path: a/b/vmm.yaml, project_directory: a}]",
        "a/b/vmm.yaml": "vms: {a: {kernel: ./k, image: $I}}",
        "a/.env": "I=tiny",
    }
    assert tree(files) == {"vms": {"a": {"kernel": f"{HERE}/a/k", "image": "tiny"}}}


@rule("Long `include`: `env_file`, one or several, in place of `.env`")
def _() -> None:
    files = {
        "vmm.yaml": "include: [{path: db/vmm.yaml, env_file: [one.env, two.env]}]",
        "db/vmm.yaml": "vms: {db: {env: {A: $A, B: $B, C: '${C:-}'}}}",
        "db/.env": "C=c",
        "one.env": "A=1\nB=1",
        "two.env": "B=2",
    }
    assert tree(files)["vms"]["db"]["env"] == {"A": "1", "B": "2", "C": ""}


@rule("Circles of `include`: refused")
def _() -> None:
    assert codes({"vmm.yaml": "include: [a.yaml]", "a.yaml": "include: [vmm.yaml]"}) == ["include-cycle"]


@rule("`extends` with `service` and `file`")
def _() -> None:
    files = {
        "vmm.yaml": "vms: {base: {cpus: 2}, a: {extends: base}, b: {extends: {vm: c, file: sub/c.yaml}}}",
        "sub/c.yaml": "vms: {c: {kernel: ./k}}",
    }
    assert tree(files)["vms"] == {
        "base": {"cpus": 2},
        "a": {"cpus": 2},
        "b": {"kernel": f"{HERE}/sub/k"},
    }


@rule("`extends.file`: relative to the main file")
def _() -> None:
    files = {
        "vmm.yaml": "vms: {a: {extends: {vm: b, file: sub/b.yaml}}}",
        "sub/b.yaml": "vms: {b: {extends: {vm: c, file: c.yaml}}}",
        "sub/c.yaml": "vms: {c: {cpus: 4}}",
    }
    assert tree(files)["vms"] == {"a": {"cpus": 4}}


@rule("What the extended one depends on is not imported")
def _() -> None:
    files = {
        "vmm.yaml": "vms: {a: {extends: {vm: b, file: b.yaml}}}",
        "b.yaml": "defaults: {cpus: 2}\nvolumes: {v: }\nvms: {b: {depends_on: [c], volumes: ['v:/v']}, c: }",
    }
    assert tree(files) == {"vms": {"a": {"depends_on": ["c"], "volumes": ["v:/v"]}}}


@rule("Circles of `extends`: refused")
def _() -> None:
    assert codes({"vmm.yaml": "vms: {a: {extends: b}, b: {extends: a}}"}) == ["extends-cycle"]


@rule("A service or a file that is not there: an error")
def _() -> None:
    assert codes({"vmm.yaml": "vms: {a: {extends: b}}"}) == ["unknown-vm"]
    assert codes({"vmm.yaml": "vms: {a: {extends: {vm: b, file: b.yaml}}}"}) == ["no-file"]


@rule("`extends` merges mappings, sequences and scalars as files are merged")
def _() -> None:
    base = "{image: busybox, env: {TZ: utc, PORT: 80}, dns: [1.1.1.1], ports: ['80:80', '81:81']}"
    assert extended(base, "image: other, env: [PORT=8080], dns: [8.8.8.8], ports: ['80:8080']") == {
        "image": "other",
        "env": ["TZ=utc", "PORT=8080"],
        "dns": ["1.1.1.1", "8.8.8.8"],
        "ports": ["80:8080", "81:81"],
    }


@rule("`extends` of one that extends: followed to its end")
def _() -> None:
    text = "vms: {base: {image: i, memory: 64}, common: {image: j, extends: base}, cli: {extends: common}}"
    assert tree({"vmm.yaml": text})["vms"]["cli"] == {"image": "j", "memory": 64}


@rule("`extends` is resolved in each file before the files are merged")
def _() -> None:
    files = {
        "vmm.yaml": "vms: {base: {cpus: 1}, web: {extends: base}}",
        "over.yaml": "vms: {base: {cpus: 2}}",
    }
    assert tree(files, "vmm.yaml", "over.yaml")["vms"] == {"base": {"cpus": 2}, "web": {"cpus": 1}}


@rule("Variables of a file that is only extended")
def _() -> None:
    files = {
        "vmm.yaml": "vms: {a: {extends: {vm: b, file: b.yaml}}}",
        "b.yaml": "vms: {b: {cpus: $N}, other: {cpus: '${M:?}'}}",
    }
    assert tree(files, N="3")["vms"] == {"a": {"cpus": 3}}
