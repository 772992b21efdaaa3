"""The entry point. `vmm --version` is answered before anything else is imported."""

import sys


def main() -> int:
    """Runs the command line and returns its exit code."""
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


if __name__ == "__main__":
    sys.exit(main())
