"""The entry point. `vmm --version` is answered before anything else is imported."""

import sys


def main() -> int:
    """Runs the command line and returns its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["version"]):
        from vmmcompose import __version__

        sys.stdout.write(f"vmm {__version__}\n")
        return 0
    from vmmcompose.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
