"""The entry point. `vmm --version` is answered before anything else is imported."""

import sys


def main() -> int:
    """Runs the command line and returns its exit code."""
    _open_missing()
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["version"]):
        from vmmcompose import __version__

        sys.stdout.write(f"vmm {__version__}\n")
        return 0
    try:
        from vmmcompose.cli.main import run

        return run(arguments)
    except KeyboardInterrupt:  # while the modules were loaded; later ones are told in words
        return 130


def _open_missing() -> None:
    """Gives closed standard streams (`vmm up >&-`) to /dev/null: else the next file opened would get their number."""
    import os

    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


if __name__ == "__main__":
    sys.exit(main())
