"""Settings: which source wins, and what is said about bad ones."""

import json
from pathlib import Path

import pytest

from vmmcompose.errors import UsageError
from vmmcompose.host.settings import config_path, load_settings
from vmmcompose.model.settings import Settings


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


def test_config_path() -> None:
    assert config_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == "/c/vmm/config.json"
    assert config_path({"XDG_CONFIG_HOME": "rel", "HOME": "/h"}) == "/h/.config/vmm/config.json"


@pytest.mark.root
def test_under_sudo_the_home_comes_from_the_passwd_database() -> None:
    assert config_path({"HOME": "/nowhere", "SUDO_USER": "root"}) == "/root/.config/vmm/config.json"
    assert config_path({"HOME": "/h", "SUDO_USER": "no-such-user"}) == "/h/.config/vmm/config.json"
