"""How files are merged: rows of the table in docs/manifest.md, under their names there."""

from compose_rules import HERE, codes, merged, rule, tree


@rule("Mapping: missing entries are added, others merged")
def _() -> None:
    assert merged("{cpus: 1, update: {a: 1, b: 2}}", "{update: {b: 3, c: 4}, memory: 64}") == {
        "cpus": 1,
        "update": {"a": 1, "b": 3, "c": 4},
        "memory": 64,
    }


@rule("Scalar: the later file's")
def _() -> None:
    assert merged("{image: a}", "{image: b}") == {"image": "b"}


@rule("Sequence: appended")
def _() -> None:
    assert merged("{dns: [1.1.1.1]}", "{dns: [8.8.8.8]}") == {"dns": ["1.1.1.1", "8.8.8.8"]}


@rule("Shell commands (`healthcheck.test`): replaced")
def _() -> None:
    assert merged("{healthcheck: {command: [a, b]}}", "{healthcheck: {command: [c]}}") == {
        "healthcheck": {"command": ["c"]}
    }
    assert merged("{healthcheck: {tcp: 1, interval: 2s}}", "{healthcheck: {http: 80}}") == {
        "healthcheck": {"interval": "2s", "http": 80}
    }


@rule("Unique `volumes`: by target")
def _() -> None:
    assert merged('{volumes: ["foo:/work", "a:/a:ro"]}', '{volumes: ["bar:/work"]}') == {
        "volumes": ["bar:/work", "a:/a:ro"]
    }
    assert merged('{volumes: ["foo:/work"]}', "{volumes: [{volume: bar, target: /work}]}") == {
        "volumes": [{"volume": "bar", "target": "/work"}]
    }


@rule("Unique `ports`: by {ip, target, published, protocol}")
def _() -> None:
    base = '{ports: ["8080:80", "127.0.0.1:8080:80", "53:53/udp"]}'
    assert merged(base, '{ports: ["8080:81", "53:53", {host: 53, guest: 54, protocol: udp}]}') == {
        "ports": ["8080:81", "127.0.0.1:8080:80", {"host": 53, "guest": 54, "protocol": "udp"}, "53:53"]
    }


@rule("Unique `configs` and `secrets`: by target")
def _() -> None:
    assert merged("{files: {/a: 1, /b: 2}}", "{files: [{path: /b, content: x}, {path: /c, content: y}]}") == {
        "files": [
            {"path": "/a", "content": 1},
            {"path": "/b", "content": "x"},
            {"path": "/c", "content": "y"},
        ]
    }


@rule("Entries with the same unique key: merged")
def _() -> None:
    assert merged("{files: {/a: {source: ./a, mode: '0600'}}}", "{files: {/a: {content: b}}}") == {
        "files": {"/a": {"content": "b"}}
    }


@rule("`environment` and `labels`: by key, in either form")
def _() -> None:
    assert merged("{env: {A: 1, B: 2}}", "{env: [B=3, C=4]}") == {"env": ["A=1", "B=3", "C=4"]}
    assert merged("{labels: [A=1, B=2]}", "{labels: {B: 3}}") == {"labels": ["A=1", "B=3"]}
    assert merged("{labels: {A: 1}}", "{labels: {A: 2}}") == {"labels": {"A": 2}}


@rule("`depends_on`: by name, in either form; a name alone means started")
def _() -> None:
    assert merged(
        "{depends_on: [a, b]}", "{depends_on: {b: {required: false}, c: {condition: healthy}}}"
    ) == {
        "depends_on": {
            "a": {"condition": "started"},
            "b": {"condition": "started", "required": False},
            "c": {"condition": "healthy"},
        }
    }
    assert merged("{depends_on: {a: {condition: healthy}}}", "{depends_on: [a]}") == {
        "depends_on": {"a": {"condition": "started"}}
    }


@rule("Lists of words (`profiles`): each once")
def _() -> None:
    assert merged("{profiles: [a, b], ssh_keys: [k]}", "{profiles: [b, c], ssh_keys: [k]}") == {
        "profiles": ["a", "b", "c"],
        "ssh_keys": ["k"],
    }


@rule("`mounts`: by tag")
def _() -> None:
    assert merged('{mounts: ["./a:x", "./b:y:ro"]}', '{mounts: ["/c:y", {source: d, tag: x}]}') == {
        "mounts": [{"source": "d", "tag": "x"}, "/c:y"]
    }


@rule("`provision`: by `name`, others appended")
def _() -> None:
    assert merged("{provision: [one, {run: a, name: n}]}", "{provision: [{run: b, name: n}, one]}") == {
        "provision": ["one", {"run": "b", "name": "n"}, "one"]
    }


@rule("`watch`: by path")
def _() -> None:
    lower, upper = (
        "{path: ./a, action: restart}",
        "{path: ./a, action: rebuild}, {path: ./b, action: restart}",
    )
    assert merged(f"{{watch: [{lower}]}}", f"{{watch: [{upper}]}}") == {
        "watch": [{"path": "./a", "action": "rebuild"}, {"path": "./b", "action": "restart"}]
    }


@rule("Nothing (`null`) over a mapping or a list: it stays")
def _() -> None:
    assert merged("{env: {A: a}, dns: [1.1.1.1]}", "{env: , dns: ~}") == {
        "env": {"A": "a"},
        "dns": ["1.1.1.1"],
    }
    assert merged("{cpus: 2}", "") == {"cpus": 2}


@rule("`!reset` removes")
def _() -> None:
    base = '{image: a, ports: ["8080:80"], env: {FOO: BAR}}'
    assert merged(base, "{ports: !reset [], env: {FOO: !reset null}}") == {"image": "a", "env": {}}


@rule("`!override` replaces")
def _() -> None:
    assert merged('{image: a, ports: ["8080:80"]}', '{ports: !override ["8443:443"]}') == {
        "image": "a",
        "ports": ["8443:443"],
    }


@rule("`!merge` merges lists entry by entry")
def _() -> None:
    files = {"vmm.yaml": "vms: {web: }", "over.yaml": "vms: {web: {dns: !merge [8.8.8.8]}}"}
    assert codes(files, "vmm.yaml", "over.yaml") == ["tag"]


@rule("Several files: relative paths count from the first one's directory")
def _() -> None:
    files = {"vmm.yaml": "vms: {a: {kernel: ./k}}", "ci/x.yaml": "vms: {b: {kernel: ./k}}"}
    assert tree(files, "vmm.yaml", "ci/x.yaml")["vms"] == {
        "a": {"kernel": "./k"},
        "b": {"kernel": f"{HERE}/ci/k"},
    }
