"""Packages of the host's distribution: found, fetched and unpacked with apt and dpkg-deb, never installed.

apt checks what it fetches against the signed package lists. Facts: apt-get(8), apt-cache(8), dpkg-deb(1).
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit

Progress = Callable[[str], None]

_PACKAGE_OF = {
    "apt-get": "apt",
    "apt-cache": "apt",
    "bwrap": "bubblewrap",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "unsquashfs": "squashfs-tools",
    "xz": "xz-utils",
    "zstd": "zstd",
    "lz4": "lz4",
    "gzip": "gzip",
    "bzip2": "bzip2",
    "lzop": "lzop",
}
"""Tool to the package that brings it."""
_LISTS = Path("/var/lib/apt/lists")
_FETCH_TIMEOUT_S = 900
_NO_NETWORK = re.compile(
    r"Could not resolve|Temporary failure|Could not connect|Network is unreachable|timed out"
)
_FIELD = re.compile(r"^([A-Za-z-]+): (.*)$", re.MULTILINE)
# As root apt would drop to its own user, who may not write below the data folder.
_APT = ("apt-get", "-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2")


def run(
    argv: Sequence[str],
    what: str,
    *,
    cwd: str = "/",
    stdin: bytes = b"",
    timeout_s: float = 120,
    env: Mapping[str, str] | None = None,
    called: str = "",
) -> bytes:
    """Runs a tool and gives its standard output; `what` says for messages what it was to do.

    `env` is the whole environment, by default the user's own; `called` names the tool where another starts it.

    Raises:
        HostUnfit: the tool is not installed; names its package.
        HostError: it failed or took longer than `timeout_s` seconds.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env=_environment() if env is None else dict(env),
        )
    except FileNotFoundError as error:
        package = _PACKAGE_OF.get(argv[0], argv[0])
        raise HostUnfit(
            f"{argv[0]} is not installed; cannot {what}", hint=f"apt-get install {package}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"cannot {what}: {argv[0]} did not end within {timeout_s:.0f} seconds") from error
    except OSError as error:
        raise HostError(f"cannot {what}: {argv[0]}: {error.strerror}") from error
    if done.returncode:
        raise _failure(what, called or argv[0], done.stderr.decode(errors="replace"), done.returncode)
    return done.stdout


def describe(name: str, on_progress: Progress) -> dict[str, str]:
    """A package's fields as the lists have them (`Package`, `Version`, `Depends`, …), newest version.

    The lists are fetched only where there are none, as in a fresh container.

    Raises:
        HostUnfit: apt is not installed, or the package does not exist.
        HostError: the lists could not be fetched.
    """
    fields = _show(name)
    if not fields and not any(_LISTS.glob("*Packages*")):
        on_progress("there are no package lists here; fetching them (apt-get update)")
        run((*_APT, "update"), "fetch the package lists", timeout_s=_FETCH_TIMEOUT_S)
        fields = _show(name)
    if not fields:
        hint = "check the name; `apt-get update` renews the lists of packages"
        raise HostUnfit(f"there is no package {name} for this system", hint=hint)
    return fields


def depends(fields: dict[str, str]) -> tuple[str, ...]:
    """Names of the packages a package depends on; the first of alternatives, without versions."""
    text = ", ".join(fields[key] for key in ("Pre-Depends", "Depends") if fields.get(key))
    entries = (entry.split("|")[0].strip() for entry in text.split(","))
    return tuple(entry.split()[0].split(":")[0] for entry in entries if entry)


def with_dependencies(
    names: Iterable[str], on_progress: Progress, follow: Callable[[str], bool] = lambda _name: True
) -> dict[str, dict[str, str]]:
    """The named packages and those they need, as far as `follow` says so, by name with their fields."""
    found: dict[str, dict[str, str]] = {}
    queue = list(names)
    while queue:
        name = queue.pop(0)
        if name in found:
            continue
        found[name] = describe(name, on_progress)
        queue += [need for need in depends(found[name]) if need not in found and follow(need)]
    return found


def fetch(names: Sequence[str], folder: Path, on_progress: Progress) -> list[Path]:
    """Downloads packages into `folder` and gives their files.

    Raises:
        HostError: they could not be fetched.
    """
    on_progress(f"fetching {', '.join(names)}")
    before = set(folder.glob("*.deb"))
    run((*_APT, "download", *names), "fetch packages", cwd=str(folder), timeout_s=_FETCH_TIMEOUT_S)
    return sorted(set(folder.glob("*.deb")) - before)


def unpack(files: Iterable[Path], folder: Path) -> None:
    """Unpacks packages into `folder`, which is made."""
    for file in files:
        run(("dpkg-deb", "-x", str(file), str(folder)), f"unpack {file.name}", timeout_s=300)


def parse_fields(entry: str) -> dict[str, str]:
    """The fields of one entry of a package list (deb-control(5)); of a long field the first line."""
    return {match[1]: match[2] for match in _FIELD.finditer(entry)}


def distribution() -> dict[str, str]:
    """The fields of /etc/os-release, os-release(5); empty where there is none."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    return release_fields(text)


def release_fields(text: str) -> dict[str, str]:
    """The fields of an os-release(5)."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def _show(name: str) -> dict[str, str]:
    try:
        text = run(
            ("apt-cache", "show", "--no-all-versions", "--", name), f"look up the package {name}"
        ).decode()
    except HostError:
        return {}
    return parse_fields(text.split("\n\n", 1)[0])


def _failure(what: str, tool: str, stderr: str, code: int) -> HostError:
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith("W:")]
    if _NO_NETWORK.search(stderr):
        hint = "the package mirror cannot be reached: check this host's network and /etc/apt/sources.list"
    elif "404" in stderr:
        hint = "the package lists are old: run `apt-get update`, then try again"
    elif "Permission denied" in stderr or "are you root" in stderr:
        hint = "this needs root: run it with sudo"
    else:
        hint = ""
    return HostError(f"cannot {what}: {tool}: {lines[-1] if lines else f'exit code {code}'}", hint=hint)


def _environment() -> dict[str, str]:
    """The user's own environment, so that apt's proxies stay, with messages in English."""
    sbin = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    return {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "PATH": sbin}
