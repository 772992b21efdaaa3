"""Finding programs on the PATH."""

import os

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_program(name: str, *, system: bool = False) -> str:
    """The path of a program, looked for as a shell does; empty where there is none that may be run.

    With `system` the sbin folders count too: an ordinary user's PATH often lacks them. `shutil.which` does the same,
    but every command looks for programs, and to import `shutil` loads three compressors.
    """
    folders = ("",) if "/" in name else (*os.get_exec_path(), *(_SBIN if system else ()))
    paths = (os.path.join(folder, name) for folder in folders)
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), "")
