"""Settings: which source wins, and what is said about bad ones."""

import json
import os
from pathlib import Path

import pytest

from vmmcompose.errors import UsageError
from vmmcompose.host.settingkeys import KEYS
from vmmcompose.host.settings import Value, config_path, load_settings, read_settings
from vmmcompose.model.settings import Settings, VmDefaults


def write(tmp_path: Path, value: object) -> str:
    path = tmp_path / "config.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def messages(error: UsageError) -> str:
    return "\n".join(f"{problem.message} | {problem.hint}" for problem in error.problems)


def test_built_in_without_file_and_environment(tmp_path: Path) -> None:
    assert load_settings(environ={}, config=str(tmp_path / "none.json")) == Settings()
    assert list(tmp_path.iterdir()) == []


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    config = write(tmp_path, {"data_dir": "/a", "bridge_name": "br-a", "qemu_binary": "/q"})
    env = {"VMM_DATA_DIR": "/b", "VMM_BRIDGE_NAME": "br-b"}
    settings = load_settings("/c", environ=env, config=config)
    assert (settings.data_dir, settings.bridge_name, settings.qemu_binary) == ("/c", "br-b", "/q")
    assert load_settings(environ=env, config=config).data_dir == "/b"


def test_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert load_settings(environ={"VMM_SUBNET": ""}, config=str(tmp_path / "x")) == Settings()


def test_gateway_defaults_to_the_first_address_of_the_subnet(tmp_path: Path) -> None:
    settings = load_settings(environ={"VMM_SUBNET": "10.9.8.128/25"}, config=str(tmp_path / "x"))
    assert settings.gateway == "10.9.8.129"


def test_all_problems_at_once(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        {
            "data_dir": "vmm",
            "bridge_name": "a-bridge-with-16",
            "subnet": "10.0.0.1/8",
            "brige_name": "x",
            "gateway": 3,
        },
    )
    with pytest.raises(UsageError) as caught:
        load_settings(environ={"VMM_HYPERVISOR": "firecraker"}, config=config)
    text = messages(caught.value)
    assert len(caught.value.problems) == 6
    assert "'vmm', which is not an absolute path" in text
    assert "16 bytes long | a link's name has at most 15 bytes" in text
    assert "did you mean 10.0.0.0/8?" in text
    assert "unknown setting 'brige_name' | did you mean 'bridge_name'?" in text
    assert "'gateway' must be a string" in text
    places = {problem.code: problem.place for problem in caught.value.problems}
    for code in ("data_dir", "bridge_name", "subnet", "gateway"):
        place = places[f"settings.{code}"]
        assert place is not None
        assert place.file == config
        assert place.text[: place.column - 1].rstrip().endswith(f'"{code}":')
    assert "VMM_HYPERVISOR is 'firecraker', which is no hypervisor | did you mean 'firecracker'?" in text


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("VMM_SUBNET", "banana", "no prefix length"),
        ("VMM_SUBNET", "fd00::/64", "no IPv4 network"),
        ("VMM_SUBNET", "10.0.0.0/31", "no room"),
        ("VMM_SUBNET", "10.0.0.0/33", "no IPv4 network"),
        ("VMM_GATEWAY", "10.0.0.1", "not in the subnet 172.16.0.0/16"),
        ("VMM_GATEWAY", "172.16.255.255", "broadcast"),
        ("VMM_GATEWAY", "gw", "no IPv4 address"),
        ("VMM_BRIDGE_NAME", "a b", "no name for a link"),
        ("VMM_BRIDGE_NAME", "..", "no name for a link"),
        ("VMM_HOST_INTERFACE", "eth0/1", "no name for a link"),
        ("VMM_DATA_DIR", "./here", "not an absolute path"),
        ("VMM_DATA_DIR", "~/vmm", "not an absolute path"),
        ("VMM_DATA_DIR", "/" + "x" * 82, "control sockets lie below it"),
    ],
)
def test_bad_values(tmp_path: Path, name: str, value: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(environ={name: value}, config=str(tmp_path / "x"))
    assert expected in messages(caught.value)
    assert name in messages(caught.value)
    assert caught.value.exit_code == 64


def test_longest_data_dir_that_fits(tmp_path: Path) -> None:
    longest = "/" + "x" * (107 - 1 - len("/sockets/0123456789ab.sock"))
    assert load_settings(longest, environ={}, config=str(tmp_path / "x")).data_dir == longest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"data_dir": "/x",}', "not valid JSON"),
        ("", "not valid JSON"),
        ("[]", "must hold a JSON object"),
        ('{"subnet": "10.0.0.0/8", "subnet": "10.1.0.0/16"}', "there twice"),
        ('{"data_dir": {"a": 1}}', "must be a string"),
        ("[" * 100_000, "not valid JSON"),
        ('{"vm_defaults": {"cpus": ' + "9" * 5000 + "}}", "not valid JSON"),
        ('{"vm_defaults": 3}', "'vm_defaults' must be a JSON object"),
        (
            '{"vm_defaults": {"cpus": "2"}}',
            "'vm_defaults.cpus' must be a whole number | take away the quotes",
        ),
        ('{"vm_defaults": {"cpus": true}}', "'vm_defaults.cpus' must be a whole number"),
        ('{"vm_defaults": {"cpus": 2.5}}', "'vm_defaults.cpus' must be a whole number"),
        ('{"vm_defaults": {"cpus": 33}}', "'vm_defaults.cpus' is 33; it must be from 1 to 32"),
        ('{"vm_defaults": {"memory_mb": "1GiB"}}', "a whole number | without a unit: it counts MiB"),
        ('{"vm_defaults": {"memory_mb": 31}}', "it must be from 32 to"),
        (
            '{"vm_defaults": {"memory": 512}}',
            "unknown setting 'vm_defaults.memory' | did you mean 'memory_mb'?",
        ),
        ('{"vm_defaults": {"cpus": 1, "cpus": 2}}', "'vm_defaults.cpus' is there twice"),
        ('{"cpus": 2}', "unknown setting 'cpus' | it belongs in vm_defaults"),
        ('{"vm_defaults.cpus": 2}', 'write {"vm_defaults": {"cpus": …}}'),
        ('{"vm_defaults": {"subnet": "10.0.0.0/8"}}', "it belongs at the top"),
        ('{"vm_defaults": {"image": "ubuntu:24"}}', "no name in the store and no path"),
        ('{"vm_defaults": {"kernel": "./k"}}', "not an absolute path | write /"),
        ('{"vm_defaults": {"ssh_key_path": "id.pub"}}', "begin it with `/`, or with `~/`"),
        ('{"vm_defaults": {"dns_servers": ["one"]}}', "holds 'one', which is no IP address"),
        ('{"vm_defaults": {"dns_servers": ["::1", "1.1.1.1", "8.8.8.8", "9.9.9.9"]}}', "holds 4 addresses"),
        ('{"vm_defaults": {"dns_servers": "1.1.1.1"}}', 'must be a list of strings | write ["1.1.1.1"]'),
        ('{"release_repos": {}}', "must be a list of strings"),
        ('{"release_repos": ["https://github.com/ada/images.git"]}', "did you mean 'ada/images'?"),
        ('{"release_repos": ["ada/.."]}', "no OWNER/NAME"),
        (
            '{"kernel_path": "/old/vmlinux"}',
            "'kernel_path' is a setting of baremetalvmm | `vmm kernel import",
        ),
        (r'{"firecracker_binary": "/a\nb"}', "a control character"),
        (r'{"data_dir": "/\ud800"}', "a control character"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(environ={}, config=write(tmp_path, text))
    assert expected in messages(caught.value)


def test_bad_json_names_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(environ={}, config=write(tmp_path, '{\n  "data_dir": oops\n}'))
    place = caught.value.problems[0].place
    assert place is not None
    assert (place.line, place.column, place.text) == (2, 15, '  "data_dir": oops')


def test_a_value_is_placed_where_it_stands(tmp_path: Path) -> None:
    text = """{
  "release_repos": ["a/b", "c/d"],
  "vm_defaults": {"dns_servers": [], "x": {"cpus": 0},
    "cpus": 0}, "subnet": "banana"
}"""
    with pytest.raises(UsageError) as caught:
        load_settings(environ={}, config=write(tmp_path, text))
    spans = {
        p.code: (p.place.line, p.place.column, p.place.end_column) for p in caught.value.problems if p.place
    }
    assert spans["settings.vm_defaults.cpus"] == (4, 13, 14)
    assert spans["settings.subnet"] == (4, 27, 35)
    assert spans["settings.unknown"] == (3, 43, 44)


def test_what_every_vm_gets(tmp_path: Path) -> None:
    config = write(
        tmp_path,
        {
            "release_repos": ["ada/images", "bob/more"],
            "vm_defaults": {
                "cpus": 4,
                "memory_mb": 2048,
                "disk_size_mb": 8192,
                "image": "debian-12",
                "kernel": "/k/vmlinux",
                "ssh_key_path": "~/.ssh/work.pub",
                "dns_servers": ["1.1.1.1", "::1"],
            },
        },
    )
    env = {"HOME": "/h", "VMM_CPUS": "8", "VMM_RELEASE_REPOS": " eve/one,eve/two ,"}
    settings = load_settings(environ=env, config=config)
    assert settings.release_repos == ("eve/one", "eve/two")
    assert settings.vm_defaults == VmDefaults(
        8, 2048, 8192, "debian-12", "/k/vmlinux", "/h/.ssh/work.pub", ("1.1.1.1", "::1")
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("VMM_CPUS", "two", "VMM_CPUS is 'two', which is no whole number"),
        ("VMM_MEMORY_MB", "2GiB", "VMM_MEMORY_MB is '2GiB', which is no whole number | without a unit"),
        ("VMM_CPUS", "0", "VMM_CPUS is 0; it must be from 1 to 32"),
        ("VMM_DNS_SERVERS", "1.1.1.1,dns", "VMM_DNS_SERVERS holds 'dns'"),
    ],
)
def test_bad_variables_for_vms(tmp_path: Path, variable: str, value: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(environ={variable: value}, config=str(tmp_path / "x"))
    assert expected in messages(caught.value)


def test_the_file_that_baremetalvmm_writes_is_understood(tmp_path: Path) -> None:
    theirs = {
        "data_dir": "/var/lib/vmm",
        "bridge_name": "vmm-br0",
        "subnet": "172.16.0.0/16",
        "gateway": "172.16.0.1",
        "host_interface": "eth0",
        "kernel_path": "",
        "rootfs_path": "",
        "vm_defaults": {"cpus": 2, "dns_servers": None},
    }
    settings = load_settings(environ={}, config=write(tmp_path, theirs))
    assert settings == Settings(host_interface="eth0", vm_defaults=VmDefaults(cpus=2))


def test_every_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    config = write(
        tmp_path, {"bridge_name": "br-a", "subnet": "10.0.0.0/24", "vm_defaults": {"memory_mb": 64}}
    )
    values = read_settings("/d", environ={"VMM_BRIDGE_NAME": "br-b", "VMM_IMAGE": ""}, config=config)
    assert list(values) == list(KEYS)
    assert values["data_dir"] == Value("/d", "flag", "--data-dir")
    assert values["bridge_name"] == Value("br-b", "environment", "VMM_BRIDGE_NAME")
    assert values["subnet"] == Value("10.0.0.0/24", "file", config)
    assert values["gateway"] == Value("10.0.0.1", "built in")
    assert values["vm_defaults.memory_mb"] == Value(64, "file", config)
    assert values["vm_defaults.cpus"] == Value(1, "built in")
    assert values["vm_defaults.image"] == Value("", "built in")


def test_a_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(UsageError) as caught:
        load_settings(environ={}, config=str(tmp_path / "config.json"))
    assert "it is no regular file" in messages(caught.value)


def test_config_path() -> None:
    assert config_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == "/c/vmm/config.json"
    assert config_path({"XDG_CONFIG_HOME": "rel", "HOME": "/h"}) == "/h/.config/vmm/config.json"


@pytest.mark.root
def test_under_sudo_the_home_comes_from_the_passwd_database() -> None:
    assert config_path({"HOME": "/nowhere", "SUDO_USER": "root"}) == "/root/.config/vmm/config.json"
    assert config_path({"HOME": "/h", "SUDO_USER": "no-such-user"}) == "/h/.config/vmm/config.json"


def test_no_variable_of_the_callers_reaches_the_tests() -> None:
    """`tools/test` unsets them all, but for the one by which it is told of a firecracker."""
    script = (Path(__file__).parents[3] / "tools" / "test").read_text()
    unset = {word for line in script.splitlines() if line.startswith("unset ") for word in line.split()[1:]}
    assert {key.variable for key in KEYS.values()} - unset == {"VMM_FIRECRACKER"}


def test_every_setting_is_in_the_documents() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()
    for key in KEYS.values():
        assert f"| `{key.name}` | `{key.variable}`" in page
