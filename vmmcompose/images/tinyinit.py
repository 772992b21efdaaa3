"""busybox as init and dropbear as SSH server for any image, whatever it lacks: nothing of it is run to add them.

All programs lie in /usr/lib/vmm and use no library of the image; the scripts are those of the image `tiny`, moved
there. The image keeps its own: only /sbin/init and /etc/inittab are set aside, as `….before-vmm`, and root's shell
becomes one that reads the VM's variables and then is the shell that root had.
"""

import os
from pathlib import Path

from vmmcompose.host.rooted import Rooted
from vmmcompose.images import elf, tiny
from vmmcompose.images.packages import Progress
from vmmcompose.images.trees import data_file, prepare_guest

_HOME = "/usr/lib/vmm"
_PATH = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{_HOME}/bin"
_SHELL = f"{_HOME}/bin/session"
_OWN_SHELL = f"{_HOME}/bin/sh"
_LOADER = f"{_HOME}/lib/ld.so"
_SCRIPTS = ("start", "stop", "ssh", "local", "environment")
_ASIDE = ("sbin/init", "etc/inittab")
_SUFFIX = ".before-vmm"


def add(tree: Path, work: Path, on_progress: Progress) -> dict[str, str]:
    """Adds both to a tree; gives the packages they came from with versions.

    Raises:
        HostError: a package could not be fetched, or the system refused.
    """
    parts = tiny.fetch_parts(work, on_progress)
    root = Rooted(tree)
    prepare_guest(tree)
    root.write(f"{_HOME}/bin/busybox", parts.busybox.read_bytes(), 0o755)
    for applet in parts.applets:
        root.link(f"{_HOME}/bin/{applet}", "busybox")
    for program in parts.programs:
        root.write(f"{_HOME}/bin/{program.name}", elf.with_interpreter(program.read_bytes(), _LOADER), 0o755)
    for name, library in parts.libraries.items():
        root.write(f"{_HOME}/lib/{name}", library.read_bytes(), 0o755)
    root.write(_LOADER, parts.loader.read_bytes(), 0o755)
    _boot_from_here(root)
    _install_scripts(root, _adopt_root(root))
    return parts.versions


def _boot_from_here(root: Rooted) -> None:
    for path in _ASIDE:
        aside = f"{path}{_SUFFIX}"
        if root.kind(aside) == "":
            root.rename(path, os.path.basename(aside))
    root.link("sbin/init", f"{_HOME}/bin/busybox")
    table = data_file("tiny", "etc/inittab").decode()
    # The web server is the image tiny's own affair.
    lines = [line for line in table.splitlines() if "/web" not in line]
    root.write("etc/inittab", _moved("\n".join(lines) + "\n").encode())


def _install_scripts(root: Rooted, shell: str) -> None:
    for name in _SCRIPTS:
        text = data_file("tiny", f"etc/init.d/{name}").decode()
        if name == "environment":
            text = text.replace("PATH=/bin", f"PATH={_PATH}")
        if name == "ssh":
            text = text.replace("PATH=/bin", f"PATH=/bin\nexport LD_LIBRARY_PATH={_HOME}/lib")
        root.write(f"{_HOME}/init.d/{name}", _moved(text).encode(), 0o755)
    first, rest = data_file("tiny", "bin/session").decode().split("\n", 1)
    session = f"{_moved(first)}\n{_moved(rest).replace('/bin/sh', shell)}"
    root.write(_SHELL, session.encode(), 0o755)


def _moved(text: str) -> str:
    """A script of the image tiny, as it reads in its new place."""
    return (
        text.replace("#!/bin/sh", f"#!{_OWN_SHELL}")
        .replace("/etc/init.d/", f"{_HOME}/init.d/")
        .replace("PATH=/bin\n", f"PATH={_HOME}/bin\n")
    )


def _adopt_root(root: Rooted) -> str:
    """Gives root our shell and /root as home, in an account that exists; gives the shell that root had."""
    lines = (root.read("etc/passwd") or b"").decode("utf-8", "surrogateescape").splitlines()
    mine = next((line for line in lines if line.startswith("root:")), "root:*:0:0:root:/root:")
    fields = [*mine.split(":"), *[""] * 7][:7]
    had = fields[6] if fields[6] != _SHELL else _last_shell(root)
    shell = had if had.startswith("/") and root.runs(had) else _OWN_SHELL
    account = ":".join(["root", fields[1] or "*", "0", "0", fields[4], "/root", _SHELL])
    others = [line for line in lines if not line.startswith("root:")]
    _write_lines(root, "etc/passwd", [account, *others])
    shells = (root.read("etc/shells") or b"/bin/sh\n").decode("utf-8", "surrogateescape").splitlines()
    _write_lines(root, "etc/shells", [*(line for line in shells if line != _SHELL), _SHELL])
    if root.kind("etc/group") == "":
        _write_lines(root, "etc/group", ["root:x:0:", "tty:x:5:"])
    return shell


def _last_shell(root: Rooted) -> str:
    """The shell in the session of an earlier run."""
    text = (root.read(_SHELL) or b"").decode("utf-8", "replace")
    return next((line.split("=", 1)[1] for line in text.splitlines() if line.startswith("export SHELL=")), "")


def _write_lines(root: Rooted, path: str, lines: list[str]) -> None:
    root.write(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
